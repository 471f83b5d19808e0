package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.demo.trace.ExactlyOnce;
import io.netchannel.demo.trace.TraceEvent;
import io.netchannel.libvirt.HookReply;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.vdevice.block.frontend.GuestIo;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whole hosts on the embedded hypervisor, driven by hooks and by a guest's blkfront. */
@Timeout(120)
final class HostTest {
  private static final Duration BOUND = Duration.ofSeconds(30);
  private static final int XVDA = DiskName.devid("xvda");
  private static final int XVDB = DiskName.devid("xvdb");
  private static final int BLOCK_BYTES = 4096;
  private static final String GUEST = "g1";

  @TempDir private Path directory;
  private final UUID uuid = UUID.fromString("11111111-2222-3333-4444-555555555555");
  private Path image;
  private String xvdb;
  private EmulatedHost hosta;
  private EmulatedHost hostb;

  @BeforeEach
  void start() throws Exception {
    image = directory.resolve("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(1 << 20);
    }
    xvdb = "<n:disk target='xvdb' source='file:" + image + "'/>";
    startHosts(ImmutableMap.of());
  }

  private void startHosts(ImmutableMap<String, String> faultsOfB) throws Exception {
    hosta =
        new EmulatedHost(
            "hosta",
            directory,
            ImmutableMap.of(),
            new DirectPeer("hosta", "hostb", () -> hostb.peerService()));
    hostb =
        new EmulatedHost(
            "hostb",
            directory,
            faultsOfB,
            new DirectPeer(
                "hostb", "hosta", () -> hosta.peerService(), this::killInTime, () -> parks));
    hosta.startDaemon();
    hostb.startDaemon();
  }

  @AfterEach
  void close() {
    hosta.close();
    hostb.close();
  }

  private static void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + BOUND.toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("waiting for: " + what).isLessThan(deadline);
      LockSupport.parkNanos(Duration.ofMillis(1).toNanos());
    }
  }

  private static void await(String what, Blkfront guest, BooleanSupplier condition) {
    await(
        what,
        () -> {
          guest.poll();
          return condition.getAsBoolean();
        });
  }

  private String xml(EmbeddedDomain domain, String devices) {
    return EmulatedHost.xml(GUEST, uuid, domain, devices);
  }

  /** Plain start up to the moment at which the guest's kernel probes its disk. */
  private EmbeddedDomain startGuest(EmulatedHost host, String devices) {
    host.hookOk(GUEST, "prepare", "begin", xml(null, devices));
    host.hookOk(GUEST, "start", "begin", xml(null, devices));
    return host.createDomain(GUEST, uuid);
  }

  private static void awaitNodes(EmulatedHost host, EmbeddedDomain domain, int devid) {
    String backend = "/local/domain/%d/device/vbd/%d/backend".formatted(domain.domid(), devid);
    await(
        "our backend at the frontend",
        () -> host.store().read(backend).orElse("").contains("/netchannel/"));
  }

  private static Blkfront connect(EmulatedHost host, EmbeddedDomain domain, int devid) {
    awaitNodes(host, domain, devid);
    Blkfront guest = new Blkfront(domain, devid, BlkfrontOptions.DEFAULT, () -> {});
    await("connection", guest, () -> guest.connection() == Blkfront.Connection.CONNECTED);
    return guest;
  }

  private static ByteBuffer block(int value) {
    byte[] bytes = new byte[BLOCK_BYTES];
    Arrays.fill(bytes, (byte) value);
    return ByteBuffer.wrap(bytes);
  }

  private static GuestIo write(Blkfront guest, int index) {
    return guest.write((long) index * BLOCK_BYTES, block(index + 1), done -> {});
  }

  private void assertWritten(int index) throws IOException {
    byte[] all = Files.readAllBytes(image);
    assertThat(Arrays.copyOfRange(all, index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES))
        .as("block " + index)
        .isEqualTo(block(index + 1).array());
  }

  private Blkfront runningGuest() {
    EmbeddedDomain domain = startGuest(hosta, xvdb);
    awaitNodes(hosta, domain, XVDB);
    domain.unpause();
    Blkfront guest = connect(hosta, domain, XVDB);
    hosta.hookOk(GUEST, "started", "begin", xml(domain, xvdb));
    return guest;
  }

  @Test
  void aStartedDomainGetsItsDiskAndNothingIsLeftOfItAfterwards() throws Exception {
    EmbeddedDomain domain = startGuest(hosta, xvdb);
    domain.unpause();
    Blkfront guest = connect(hosta, domain, XVDB);
    hosta.hookOk(GUEST, "started", "begin", xml(domain, xvdb));
    GuestIo io = write(guest, 3);
    await("the write", guest, io::isDone);
    assertThat(io.hasFailed()).isFalse();
    assertWritten(3);

    domain.destroy();
    await("nodes removed", () -> hosta.leftovers().isEmpty());
    await("no zombie", () -> hosta.hypervisor().zombies().isEmpty());
    hosta.hookOk(GUEST, "stopped", "end", xml(domain, xvdb));
    hosta.hookOk(GUEST, "release", "end", xml(null, xvdb));
    assertThat(hosta.daemon().midPoints().all()).isEmpty();
  }

  @Test
  void everyRequestOfADestroyedDomainHasItsOutcomeInTheTrace() throws Exception {
    String slow = "<n:disk target='xvdb' source='delay:write=1s!file:" + image + "'/>";
    EmbeddedDomain domain = startGuest(hosta, slow);
    domain.unpause();
    Blkfront guest = connect(hosta, domain, XVDB);
    hosta.hookOk(GUEST, "started", "begin", xml(domain, slow));
    GuestIo io = write(guest, 3);
    Path trace = directory.resolve("hosta/trace").resolve(GUEST + "-xvdb.jsonl");
    await("it is at the device", guest, () -> contentOf(trace).contains("\"issue\""));
    assertThat(io.isDone()).isFalse();
    hosta.hookOk(GUEST, "stopped", "end", xml(domain, slow));
    assertThat(hosta.daemon().midPoints().all()).isEmpty();
    ExactlyOnce.Result result = ExactlyOnce.check(List.of(TraceEvent.read("hosta", trace)));
    assertThat(result.taken()).isOne();
    assertThat(result.violations()).isEmpty();
    assertThat(contentOf(trace)).contains("\"done\"", "\"drop\"");
    guest.close();
  }

  private static String contentOf(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void aDomainWithoutOurMetadataIsLeftAlone() {
    EmbeddedDomain domain = startGuest(hosta, "");
    domain.unpause();
    hosta.hookOk(GUEST, "started", "begin", xml(domain, ""));
    hosta.hookOk(GUEST, "reconnect", "begin", "");
    assertThat(hosta.leftovers()).isEmpty();
  }

  @Test
  void aStartIsRefusedEarlyWhenTheDeviceIsNotThere() {
    String devices = "<n:disk target='xvdb' source='file:/nonexistent/disk'/>";
    HookReply reply = hosta.hook(GUEST, "start", "begin", xml(null, devices));
    assertThat(reply.exitCode()).isEqualTo(1);
    assertThat(reply.message()).contains(GUEST).contains("/nonexistent/disk");
    HookReply wrong = hosta.hook(GUEST, "prepare", "begin", xml(null, "<n:disk target='xvdb'/>"));
    assertThat(wrong.exitCode()).isEqualTo(1);
  }

  @Test
  void anInheritedDiskIsTakenFromTheKernelBeforeItsFrontendConnects() throws Exception {
    String devices = "<n:disk target='xvda' source='inherit'/>";
    EmbeddedDomain domain = startGuest(hosta, devices);
    hosta.addLibxlDisk(domain, XVDA, image);
    assertThat(hosta.leftovers()).as("libxl is not done with it").isEmpty();
    hosta.finishHotplug(domain, XVDA);
    awaitNodes(hosta, domain, XVDA);
    domain.unpause();
    Blkfront guest = connect(hosta, domain, XVDA);
    assertThat(hosta.isKernels(domain, XVDA)).isFalse();
    assertThat(hosta.store().exists("/local/domain/0/backend/vbd/" + domain.domid())).isFalse();
    hosta.hookOk(GUEST, "started", "begin", xml(domain, devices));
    GuestIo io = write(guest, 1);
    await("the write", guest, io::isDone);
    assertWritten(1);
    // Its <disk> names the old device at the next start, whatever our metadata says.
    Map<String, Object> swap =
        Map.of(
            "command",
            "swap",
            "domain",
            GUEST,
            "target",
            "xvda",
            "source",
            "file:" + directory.resolve("made.raw"),
            "create",
            true);
    for (int life = 0; life < 2; life++) {
      assertThatThrownBy(() -> hosta.daemon().control().handle(swap))
          .hasMessageContaining("source=\"inherit\"");
      assertThat(directory.resolve("made.raw")).doesNotExist();
      hosta.startDaemon();
      await("its disk", () -> hosta.daemon().midPoints().isServing(domain.domid(), "xvda"));
    }
  }

  @Test
  void aDiskThatIsInUseIsNotInherited() {
    String devices = "<n:disk target='xvda' source='inherit'/>";
    hosta.hookOk(GUEST, "start", "begin", xml(null, devices));
    EmbeddedDomain domain = hosta.createDomain(GUEST, uuid);
    hosta.addLibxlDisk(domain, XVDA, image);
    hosta
        .store()
        .write("/local/domain/%d/device/vbd/%d/state".formatted(domain.domid(), XVDA), "4");
    hosta.finishHotplug(domain, XVDA);
    hosta.hookOk(GUEST, "started", "begin", xml(domain, devices));
    assertThat(hosta.isKernels(domain, XVDA)).isTrue();
    assertThat(hosta.leftovers()).isEmpty();
  }

  @Test
  void aRestartedDaemonGoesOnWithAConnectedGuest() throws Exception {
    Blkfront guest = runningGuest();
    GuestIo before = write(guest, 1);
    await("the write", guest, before::isDone);
    hosta.stopDaemon();
    GuestIo meanwhile = write(guest, 2);
    guest.poll();
    assertThat(meanwhile.isDone()).isFalse();
    hosta.startDaemon();
    await("the write of the time without a daemon", guest, meanwhile::isDone);
    assertThat(meanwhile.hasFailed()).isFalse();
    assertWritten(1);
    assertWritten(2);
    assertThat(guest.failure()).isEmpty();
  }

  @Test
  void aGuestWaitsForADeviceThatCannotBeOpenedAfterARestart() throws Exception {
    Blkfront guest = runningGuest();
    hosta.stopDaemon();
    GuestIo meanwhile = write(guest, 2);
    Path away = Files.move(image, directory.resolve("unmounted.raw"));
    hosta.startDaemon();
    ControlEndpoint.Handler control = hosta.daemon().control();
    assertThat(Json.objects(control.handle(Map.of("command", "devices"))))
        .singleElement()
        .satisfies(
            device ->
                assertThat(device)
                    .containsEntry("state", "expecting")
                    .extractingByKey("problem")
                    .asString()
                    .contains(image.toString()));
    assertThat(Json.object(control.handle(Map.of("command", "status"))).get("waiting"))
        .asString()
        .contains("xvdb: its guest waits")
        .contains(image.toString());
    HookReply announced = hostb.hook(GUEST, "migrate", "begin", "");
    assertThat(announced.exitCode()).isEqualTo(1);
    guest.poll();
    assertThat(meanwhile.isDone()).isFalse();

    Files.move(away, image);
    await("the write of the time without a device", guest, meanwhile::isDone);
    assertThat(meanwhile.hasFailed()).isFalse();
    assertWritten(2);
    assertThat(guest.failure()).isEmpty();
  }

  @Test
  void nodesOfDomainsThatWentWhileNoDaemonRanAreRemoved() throws Exception {
    Blkfront guest = runningGuest();
    hosta.stopDaemon();
    guest.close();
    hosta.hypervisor().domains().stream()
        .filter(domid -> domid != 0)
        .forEach(domid -> hosta.hypervisor().domain(domid).destroy());
    assertThat(hosta.leftovers()).isNotEmpty();
    hosta.startDaemon();
    assertThat(hosta.leftovers()).isEmpty();
    assertThat(hosta.hypervisor().zombies()).isEmpty();
  }

  @Test
  void aDiskIsPluggedIntoARunningGuestAndOutAgain() throws Exception {
    EmbeddedDomain domain = startGuest(hosta, "");
    domain.unpause();
    ControlEndpoint.Handler control = hosta.daemon().control();
    Map<String, Object> attach =
        Map.of(
            "command", "attach-disk", "domain", GUEST, "source", "file:" + image, "target", "xvdb");
    control.handle(attach);
    Blkfront guest = connect(hosta, domain, XVDB);
    GuestIo io = write(guest, 5);
    await("the write", guest, io::isDone);
    assertWritten(5);
    assertThatThrownBy(() -> control.handle(attach)).hasMessageContaining("already");
    assertThat(Json.objects(control.handle(Map.of("command", "devices", "domain", GUEST))))
        .singleElement()
        .satisfies(
            device ->
                assertThat(device)
                    .containsEntry("state", "serving")
                    .containsEntry("frontend", "connected"));

    Thread guestThread =
        new Thread(() -> await("closing", guest, () -> hosta.leftovers().isEmpty()));
    guestThread.start();
    control.handle(
        Map.of("command", "detach-disk", "domain", GUEST, "target", "xvdb", "timeoutSeconds", 20L));
    guestThread.join(BOUND.toMillis());
    assertThat(hosta.leftovers()).isEmpty();
    assertThat(hosta.daemon().midPoints().all()).isEmpty();
  }

  @Test
  void aMigrationCarriesWhatIsPending() throws Exception {
    Blkfront guest = runningGuest();
    GuestIo first = write(guest, 1);
    await("the first write", guest, first::isDone);
    EmbeddedDomain source = hosta.hypervisor().domain(1);

    EmbeddedDomain destination = beginMigration();
    List<GuestIo> pending = suspendWithWrites(guest, source);
    hostb.hookOk(GUEST, "started", "begin", xml(destination, xvdb));
    destination.unpause();
    guest.resume(destination);
    source.destroy();
    hosta.hookOk(GUEST, "stopped", "end", xml(source, xvdb));
    hosta.hookOk(GUEST, "release", "end", xml(null, xvdb));

    await("pending writes", guest, () -> pending.stream().allMatch(GuestIo::isDone));
    assertThat(pending).noneMatch(GuestIo::hasFailed);
    GuestIo last = write(guest, 9);
    await("a write at the destination", guest, last::isDone);
    assertWritten(1);
    assertWritten(2);
    assertWritten(3);
    assertWritten(9);
    await("nothing left at the source", () -> hosta.leftovers().isEmpty());
    assertThat(hosta.hypervisor().zombies()).isEmpty();
    Object migrations = hostb.daemon().control().handle(Map.of("command", "migrations"));
    String id = String.valueOf(Json.objects(migrations).get(0).get("id"));
    Map<String, Object> detail =
        Json.object(hostb.daemon().control().handle(Map.of("command", "migrations", "which", id)));
    assertThat(Json.objects(detail.get("timeline")))
        .extracting(line -> line.get("event"))
        .contains("precopy", "hand_over", "take_over", "redirect");
    List<Map<String, Object>> ofDomain =
        Json.objects(
            hostb.daemon().control().handle(Map.of("command", "migrations", "which", GUEST)));
    assertThat(ofDomain).hasSize(1);
    assertThat(ofDomain.get(0).get("id")).isEqualTo(detail.get("id"));
    assertThat(ofDomain.get(0)).containsKeys("timeline", "blackout");
    Map<String, Object> blackout = Json.object(detail.get("blackout"));
    assertThat(Json.objects(blackout.get("marks")))
        .extracting(mark -> mark.get("event"))
        .contains("hook answered");
  }

  @Test
  void aFailedMigrationLeavesTheGuestAtItsSource() throws Exception {
    hosta.close();
    hostb.close();
    startHosts(ImmutableMap.of("destination.sealed", "fail"));
    Blkfront guest = runningGuest();
    EmbeddedDomain source = hosta.hypervisor().domain(1);
    EmbeddedDomain destination = beginMigration();
    List<GuestIo> pending = suspendWithWrites(guest, source);
    HookReply reply = hostb.hook(GUEST, "started", "begin", xml(destination, xvdb));
    assertThat(reply.exitCode()).isEqualTo(1);
    assertThat(reply.message()).isNotEmpty();
    destination.destroy();
    hostb.hookOk(GUEST, "stopped", "end", xml(destination, xvdb));
    hostb.hookOk(GUEST, "stopped", "end", xml(destination, xvdb));
    hostb.hookOk(GUEST, "release", "end", xml(null, xvdb));
    source.resume();
    await("pending writes", guest, () -> pending.stream().allMatch(GuestIo::isDone));
    assertThat(pending).noneMatch(GuestIo::hasFailed);
    assertWritten(2);
    assertWritten(3);
    await("nothing left at the destination", () -> hostb.leftovers().isEmpty());
    assertThat(guest.failure()).isEmpty();
  }

  /** Up to the restored, paused domain at hostb, whose id there is another one. */
  private EmbeddedDomain beginMigration() {
    hostb.hypervisor().createDomain().destroy();
    hostb.hookOk(GUEST, "migrate", "begin", "");
    hostb.hookOk(GUEST, "prepare", "begin", xml(null, xvdb));
    hostb.hookOk(GUEST, "start", "begin", xml(null, xvdb));
    EmbeddedDomain destination = hostb.createDomain(GUEST, uuid);
    awaitNodes(hostb, destination, XVDB);
    return destination;
  }

  /** Two writes whose answers the guest has not seen when it is suspended. */
  private static List<GuestIo> suspendWithWrites(Blkfront guest, EmbeddedDomain source) {
    List<GuestIo> pending = List.of(write(guest, 2), write(guest, 3));
    guest.poll();
    guest.suspend();
    source.suspend();
    return pending;
  }

  @Test
  void statusTellsWhichPeersAnswer() throws Exception {
    ControlEndpoint.Handler control = hosta.daemon().control();
    assertThat(peersOf(control))
        .singleElement()
        .satisfies(
            peer ->
                assertThat(peer)
                    .containsEntry("name", "hostb")
                    .containsEntry("state", "connected"));
    hostb.stopDaemon();
    assertThat(peersOf(control))
        .singleElement()
        .satisfies(
            peer ->
                assertThat(peer)
                    .containsEntry("state", "unreachable")
                    .containsEntry("problem", "hostb does not run"));
  }

  private static List<Map<String, Object>> peersOf(ControlEndpoint.Handler control)
      throws ControlException {
    return Json.objects(Json.object(control.handle(Map.of("command", "status"))).get("peers"));
  }

  /** Without, hook "started" has every answer in its order, whenever the guest was suspended. */
  private boolean parks = true;

  /** hostb's daemon is killed when it hears the answer number so many of its peer; 0: never. */
  private int answersUntilKill;

  /** What ends a thread of a daemon without a word, as SIGKILL does. */
  private static final class Killed extends Error {
    private static final long serialVersionUID = 1L;
  }

  private void killInTime() {
    if (answersUntilKill > 0 && --answersUntilKill == 0) {
      throw new Killed();
    }
  }

  @Test
  void aDestinationRestartedBetweenItsHooksTakesOver() throws Exception {
    Blkfront guest = runningGuest();
    EmbeddedDomain source = hosta.hypervisor().domain(1);
    EmbeddedDomain destination = beginMigration();
    hostb.startDaemon();
    assertThat(statesAtB()).containsExactly(MidPoint.State.EXPECTING);
    List<GuestIo> pending = suspendWithWrites(guest, source);
    hostb.hookOk(GUEST, "started", "begin", xml(destination, xvdb));
    destination.unpause();
    guest.resume(destination);
    source.destroy();
    await("pending writes", guest, () -> pending.stream().allMatch(GuestIo::isDone));
    assertThat(pending).noneMatch(GuestIo::hasFailed);
    assertWritten(2);
    assertWritten(3);
  }

  /** Its source has no such port: nothing is plugged into it here. */
  @Test
  void aGuestThatComesWithAUsbPortThatItsSourceHasNotIsNotLetIn() throws Exception {
    Blkfront guest = runningGuest();
    EmbeddedDomain destination = beginMigration();
    String usb = xvdb + "<n:usb port='1' source='usb-soft:keyboard'/>";
    hostb.hookOk(GUEST, "start", "begin", xml(null, usb));
    List<GuestIo> pending = suspendWithWrites(guest, hosta.hypervisor().domain(1));
    assertThat(hostb.hook(GUEST, "started", "begin", xml(destination, usb)).message())
        .contains("USB port 1 of " + GUEST)
        .contains("was not handed over by the source");
    hosta.hypervisor().domain(1).resume();
    await("pending writes", guest, () -> pending.stream().allMatch(GuestIo::isDone));
  }

  /**
   * libvirt hears no answer to hook "started" (the script refuses then), destroys the domain at the
   * destination and lets the guest go on at the source.
   */
  @ParameterizedTest
  @EnumSource(KilledAfter.class)
  void aDestinationKilledInHookStartedGivesTheGuestBack(KilledAfter moment) throws Exception {
    parks = false;
    Blkfront guest = runningGuest();
    EmbeddedDomain source = hosta.hypervisor().domain(1);
    EmbeddedDomain destination = beginMigration();
    List<GuestIo> pending = suspendWithWrites(guest, source);
    switch (moment) {
      case SEAL, TAKE_OVER -> {
        answersUntilKill = moment == KilledAfter.SEAL ? 1 : 2;
        assertThatThrownBy(() -> hostb.hook(GUEST, "started", "begin", xml(destination, xvdb)))
            .isInstanceOf(Killed.class);
        hostb.startDaemon();
        assertThat(statesAtB()).containsExactly(MidPoint.State.EXPECTING);
      }
      case ANSWER -> {
        hostb.hookOk(GUEST, "started", "begin", xml(destination, xvdb));
        hostb.startDaemon();
        assertThat(statesAtB()).containsExactly(MidPoint.State.SERVING);
      }
    }
    destination.destroy();
    hostb.hookOk(GUEST, "stopped", "end", xml(destination, xvdb));
    hostb.hookOk(GUEST, "release", "end", xml(null, xvdb));
    source.resume();
    await("pending writes", guest, () -> pending.stream().allMatch(GuestIo::isDone));
    assertThat(pending).noneMatch(GuestIo::hasFailed);
    GuestIo last = write(guest, 9);
    await("a write back at the source", guest, last::isDone);
    assertWritten(2);
    assertWritten(3);
    assertWritten(9);
    await("nothing left at the destination", () -> hostb.leftovers().isEmpty());
    await("its mid-points ended", () -> hostb.daemon().midPoints().all().isEmpty());
    assertThat(hostb.hypervisor().zombies()).isEmpty();
    assertThat(guest.failure()).isEmpty();
  }

  /** The last thing that a killed destination has heard or done. */
  private enum KilledAfter {
    SEAL,
    TAKE_OVER,
    ANSWER
  }

  private List<MidPoint.State> statesAtB() {
    return hostb.daemon().midPoints().all().stream()
        .map(disk -> disk.midPoint().status().state())
        .toList();
  }

  @Test
  void withoutTheSourceAStockGuestIsNotLetIn() {
    hosta.stopDaemon();
    hostb.hookOk(GUEST, "migrate", "begin", "");
    HookReply starts = hostb.hook(GUEST, "start", "begin", xml(null, ""));
    assertThat(starts.exitCode()).isEqualTo(1);
    assertThat(starts.message())
        .contains("could not be asked to wait for that: hosta (hosta does not run)")
        .contains("[stock-disks] unanswered = \"ignore\"");
    // A plain start of it is nobody's business.
    hostb.hookOk(GUEST, "start", "begin", xml(null, ""));
  }

  @Test
  void withoutTheSourceADomainWithDisksIsNotLetIn() {
    runningGuest();
    hosta.stopDaemon();
    HookReply announced = hostb.hook(GUEST, "migrate", "begin", "");
    HookReply starts = hostb.hook(GUEST, "start", "begin", xml(null, xvdb));
    assertThat(announced.exitCode() + starts.exitCode()).isPositive();
    assertThat(hostb.leftovers()).isEmpty();
  }
}

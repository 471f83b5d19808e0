package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.file.FileDevice;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.MetadataException;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.vdevice.block.frontend.GuestIo;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A disk that is put under its running guest in the place of another one, through all of a daemon.
 * After each switch the old disk is overwritten, and the guest reads all that it wrote.
 */
@Timeout(120)
final class DiskSwapTest {
  private static final Duration BOUND = Duration.ofSeconds(60);
  private static final int XVDB = DiskName.devid("xvdb");
  private static final UUID DOMAIN = new UUID(1, 1);
  private static final int BLOCK = 4096;
  private static final int BLOCKS = 2048;
  private static final long SIZE = (long) BLOCKS * BLOCK;
  private static final long SLOW = 1 << 20;

  @TempDir private Path directory;
  private final Random random = new Random(20261129);
  private final Map<Integer, Byte> written = new HashMap<>();
  private final Libvirt libvirt = new Libvirt();

  /** Opens of "away:" that fail yet. */
  private final AtomicInteger awayFor = new AtomicInteger();

  /** What the authority of "away:" was told. */
  private final List<String> authority = new CopyOnWriteArrayList<>();

  private final AtomicInteger notesFail = new AtomicInteger();

  private EmulatedHost host;
  private EmbeddedDomain domain;
  private Blkfront guest;
  private byte next;

  /** A libvirt that may be away. */
  private static final class Libvirt implements DiskDefinitions {
    private volatile boolean away;
    private volatile String source = "";

    @Override
    public boolean changeSource(
        UUID domain, Definition definition, String target, String oldSource, String newSource)
        throws MetadataException {
      if (away) {
        throw new MetadataException("libvirt is away, for the test");
      }
      source = newSource;
      return definition == Definition.LIVE;
    }
  }

  /** A file whose server is away at times. */
  private final class Away implements DeviceKind {
    @Override
    public Device open(String text, OpenOptions options) throws DeviceException {
      if (awayFor.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        throw new DeviceException(text + " is away, for the test");
      }
      options
          .user()
          .ifPresent(
              user -> authority.add((options.anew() ? "anew " : "open ") + user.generation()));
      return new WithAuthority(
          FileDevice.open(text, options.readOnly(), 4, true, System::nanoTime));
    }
  }

  /** Where the guest's disk is, as this device's authority is told. */
  private final class WithAuthority extends ForwardingDevice {
    WithAuthority(Device device) {
      super(device);
    }

    @Override
    public CompletableFuture<Void> moved(String to) {
      authority.add("moved to " + to);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public CompletableFuture<Void> arrived() {
      if (notesFail.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        return CompletableFuture.failedFuture(new DeviceException("no room for it, for the test"));
      }
      authority.add("arrived");
      return CompletableFuture.completedFuture(null);
    }
  }

  @BeforeEach
  void start() throws Exception {
    host =
        new EmulatedHost(
            "hosta",
            directory,
            ImmutableMap.of(),
            new DeviceOpener(true, ImmutableMap.of("away", new Away())));
    host.definitions(libvirt);
    host.startDaemon();
    byte[] content = new byte[(int) SIZE];
    random.nextBytes(content);
    Files.write(file("old"), content);
    startGuest("file:" + file("old"));
    for (int block = 0; block < BLOCKS; block += 97) {
      write(block);
    }
  }

  @AfterEach
  void close() {
    host.close();
  }

  private Path file(String name) {
    return directory.resolve(name + ".raw");
  }

  private String made(String name, long sizeBytes) throws IOException {
    Files.write(file(name), new byte[(int) sizeBytes]);
    return "file:" + file(name);
  }

  private void startGuest(String source) {
    String disk = "<n:disk target='xvdb' source='" + source + "'/>";
    host.hookOk("web1", "prepare", "begin", EmulatedHost.xml("web1", DOMAIN, null, disk));
    host.hookOk("web1", "start", "begin", EmulatedHost.xml("web1", DOMAIN, null, disk));
    domain = host.createDomain("web1", DOMAIN);
    host.hookOk("web1", "started", "begin", EmulatedHost.xml("web1", DOMAIN, domain, disk));
    domain.unpause();
    guest = new Blkfront(domain, XVDB, BlkfrontOptions.DEFAULT, () -> {});
    await("connection", () -> guest.connection() == Blkfront.Connection.CONNECTED);
  }

  private void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + BOUND.toNanos();
    while (true) {
      guest.poll();
      if (condition.getAsBoolean()) {
        return;
      }
      assertThat(System.nanoTime()).as("waiting for: " + what).isLessThan(deadline);
      LockSupport.parkNanos(Duration.ofMillis(1).toNanos());
    }
  }

  private void write(int block) {
    byte value = ++next;
    ByteBuffer data = ByteBuffer.allocate(BLOCK);
    for (int i = 0; i < BLOCK; i++) {
      data.put(i, value);
    }
    GuestIo io = guest.write((long) block * BLOCK, data, done -> {});
    await("a write", io::isDone);
    assertThat(io.hasFailed()).as("write of block %s", block).isFalse();
    io.free();
    written.put(block, value);
  }

  /** Writes while it waits. */
  private void writesUntil(String what, BooleanSupplier condition) {
    await(
        what,
        () -> {
          write(random.nextInt(BLOCKS));
          return condition.getAsBoolean();
        });
  }

  private void verify() {
    written.forEach(
        (block, value) -> {
          GuestIo io = guest.read((long) block * BLOCK, BLOCK, done -> {});
          await("a read", io::isDone);
          ByteBuffer data = io.data();
          for (int i = 0; i < BLOCK; i += 512) {
            assertThat(data.get(i)).as("block %s, byte %s", block, i).isEqualTo(value);
          }
          io.free();
        });
  }

  /** Nobody reads it any more. */
  private void overwriteOld() throws IOException {
    byte[] noise = new byte[(int) SIZE];
    random.nextBytes(noise);
    Files.write(file("old"), noise);
  }

  private Map<String, Object> ask(Map<String, Object> request) throws ControlException {
    return Json.object(host.daemon().control().handle(request));
  }

  private Map<String, Object> swap(String source, Object... more) throws ControlException {
    Map<String, Object> request = new TreeMap<>();
    request.put("command", "swap");
    request.put("domain", "web1");
    request.put("target", "xvdb");
    request.put("source", source);
    for (int i = 0; i < more.length; i += 2) {
      request.put(String.valueOf(more[i]), more[i + 1]);
    }
    return ask(request);
  }

  private Map<String, Object> job(String action, Object... more) throws ControlException {
    Map<String, Object> request = new TreeMap<>();
    request.put("command", "job");
    request.put("domain", "web1");
    request.put("target", "xvdb");
    request.put("action", action);
    for (int i = 0; i < more.length; i += 2) {
      request.put(String.valueOf(more[i]), more[i + 1]);
    }
    return ask(request);
  }

  private boolean isIn(String state) {
    try {
      return job("show").get("state").equals(state);
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  private Map<String, Object> device() throws ControlException {
    Object devices = host.daemon().control().handle(Map.of("command", "devices"));
    return Json.object(((List<?>) devices).get(0));
  }

  private String node(String name) {
    return host.store()
        .read("/local/domain/0/backend/netchannel/%d/%d/%s".formatted(domain.domid(), XVDB, name))
        .orElse("");
  }

  private void isSwitchedTo(String source) throws Exception {
    writesUntil("the end of the job", () -> isIn("done"));
    overwriteOld();
    assertThat(device()).containsEntry("source", source).containsEntry("state", "serving");
    assertThat(node("params")).isEqualTo(source);
    assertThat(node("follower")).isEmpty();
    assertThat(libvirt.source).isEqualTo(source);
    assertThat(job("show").get("metadata")).isEqualTo(Map.of("live", "written", "config", "none"));
    writesUntil("some more", () -> random.nextInt(20) == 0);
    verify();
  }

  @Test
  void theNewDiskHasAllThatTheGuestWrites() throws Exception {
    String source = made("new", SIZE);
    assertThat(swap(source))
        .containsEntry("old", "file:" + file("old"))
        .containsEntry("new", source)
        .containsEntry("target", "xvdb")
        .containsEntry("pivot", "auto");
    isSwitchedTo(source);
    assertThat(job("show"))
        .containsEntry("leftBytes", 0L)
        .containsEntry("sizeBytes", SIZE)
        .containsKey("switchedAfterMillis");
  }

  @Test
  void aLargerOneThatIsMadeForItWillDo() throws Exception {
    String source = "file:" + file("created");
    swap(source, "create", true, "destIsZero", true);
    isSwitchedTo(source);
    assertThat(Files.size(file("created"))).isEqualTo(SIZE);
    assertThatThrownBy(() -> swap("file:" + file("old"), "create", true))
        .hasMessageContaining("expected nothing there, found a file");
    String larger = made("larger", SIZE + BLOCK);
    swap(larger);
    writesUntil("the second switch", () -> isIn("done"));
    assertThat(device()).containsEntry("source", larger);
  }

  @Test
  void aRestartGoesOnWithIt() throws Exception {
    String source = made("new", SIZE);
    swap(source, "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > SIZE / 4);
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    assertThat(job("show").get("new")).isEqualTo(source);
    job("bandwidth", "bandwidth", 0L);
    isSwitchedTo(source);
  }

  private long copied() {
    try {
      Object copied = job("show").get("copiedBytes");
      return copied == null ? 0 : (Long) copied;
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aNewDiskThatIsAwayAtTheRestartIsWaitedForWithoutTheGuest() throws Exception {
    Files.write(file("new"), new byte[(int) SIZE]);
    String source = "away:" + file("new");
    swap(source, "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    host.stopDaemon();
    awayFor.set(2);
    host.startDaemon();
    writesUntil("that it waits", () -> isIn("paused"));
    assertThat(job("show").get("reason").toString()).contains("is away, for the test");
    job("bandwidth", "bandwidth", 0L);
    isSwitchedTo(source);
  }

  @Test
  void aSwitchThatLibvirtDoesNotKnowYetOutlivesTheDaemon() throws Exception {
    libvirt.away = true;
    String source = made("new", SIZE);
    swap(source);
    writesUntil("the switch", () -> isIn("switched"));
    overwriteOld();
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    assertThat(isIn("switched")).isTrue();
    assertThat(device()).containsEntry("source", source);
    verify();
    assertThat(job("show").get("metadataProblem").toString()).contains("libvirt is away");
    libvirt.away = false;
    host.daemon().libvirtIsBack();
    isSwitchedTo(source);
  }

  @Test
  void theAuthoritiesOfBothDevicesLearnWhereTheDiskIs() throws Exception {
    Files.write(file("new"), new byte[(int) SIZE]);
    String source = "away:" + file("new");
    notesFail.set(1);
    swap(source);
    writesUntil("that the first note fails", () -> notesFail.get() == 0);
    isSwitchedTo(source);
    assertThat(authority).containsExactly("anew 1", "arrived");
    authority.clear();
    String home = made("home", SIZE);
    swap(home);
    writesUntil("the way back", () -> isIn("done"));
    assertThat(authority).containsExactly("moved to " + home);
    assertThat(device()).containsEntry("source", home);
  }

  /** A crash between the record and the nodes. */
  @Test
  void theJournalIsRightWhereTheNodesAreNot() throws Exception {
    libvirt.away = true;
    String source = made("new", SIZE);
    swap(source);
    writesUntil("the switch", () -> isIn("switched"));
    overwriteOld();
    host.stopDaemon();
    host.store()
        .write(
            "/local/domain/0/backend/netchannel/%d/%d/params".formatted(domain.domid(), XVDB),
            "file:" + file("old"));
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    assertThat(node("params")).isEqualTo(source);
    verify();
  }

  @Test
  void givenUpTheOldOneIsTheDisk() throws Exception {
    swap(made("new", SIZE), "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    job("abort");
    writesUntil("the end", () -> isIn("aborted"));
    assertThat(job("show").get("reason")).isEqualTo("given up by hand");
    Files.write(file("new"), new byte[(int) SIZE]);
    assertThat(device()).containsEntry("source", "file:" + file("old"));
    assertThat(node("follower")).isEmpty();
    verify();
    String other = made("other", SIZE);
    swap(other);
    isSwitchedTo(other);
  }

  @Test
  void toldToWaitItStaysInSyncUntilToldToSwitch() throws Exception {
    String source = made("new", SIZE);
    swap(source, "pivot", "manual");
    writesUntil("sync", () -> isIn("sync"));
    writesUntil("a while", () -> random.nextInt(20) == 0);
    assertThat(isIn("sync")).isTrue();
    job("pivot");
    isSwitchedTo(source);
  }

  @Test
  void pausedItCopiesNothingAlsoAfterARestart() throws Exception {
    String source = made("new", SIZE);
    swap(source, "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    job("pause");
    assertThat(isIn("paused")).isTrue();
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    writesUntil("a while", () -> random.nextInt(20) == 0);
    assertThat(isIn("paused")).isTrue();
    assertThat(copied()).isZero();
    job("bandwidth", "bandwidth", 0L);
    assertThat(isIn("paused")).isTrue();
    job("resume");
    isSwitchedTo(source);
  }

  @Test
  void whatCannotTakeItsPlaceIsRefused() throws Exception {
    assertThatThrownBy(() -> swap(made("small", SIZE - BLOCK)))
        .hasMessageContaining("is smaller: expected at least %d bytes".formatted(SIZE));
    Files.createSymbolicLink(file("link"), file("old"));
    assertThatThrownBy(() -> swap("file+cache:" + file("link")))
        .hasMessageContaining("is the disk already");
    assertThatThrownBy(() -> swap("file:" + file("missing"))).isInstanceOf(ControlException.class);
    assertThatThrownBy(() -> job("pivot")).hasMessageContaining("no job of xvdb");
    assertThat((List<?>) host.daemon().control().handle(Map.of("command", "jobs"))).isEmpty();
    swap(made("new", SIZE), "bandwidth", SLOW);
    assertThatThrownBy(() -> swap(made("other", SIZE)))
        .hasMessageContaining("has a job already, to file:" + file("new"));
    verify();
  }

  @Test
  void aGuestThatEndsTakesItsJobAlong() throws Exception {
    swap(made("new", SIZE), "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    end();
    await("the end of the job", () -> isIn("aborted"));
    startGuest("file:" + file("old"));
    verify();
  }

  private void end() {
    host.store().remove(Guest.path(domain.domid()));
    domain.destroy();
    await("its end", () -> host.daemon().midPoints().ofDomain(DOMAIN).isEmpty());
  }

  @Test
  void nobodyStartsFromADiskThatWasLeftWithoutAWord() throws Exception {
    String source = made("new", SIZE);
    swap(source);
    isSwitchedTo(source);
    end();
    String disk = "<n:disk target='xvdb' source='file:" + file("old") + "'/>";
    host.hookOk("web1", "prepare", "begin", EmulatedHost.xml("web1", DOMAIN, null, disk));
    host.hookOk("web1", "start", "begin", EmulatedHost.xml("web1", DOMAIN, null, disk));
    domain = host.createDomain("web1", DOMAIN);
    assertThat(
            host.hook("web1", "started", "begin", EmulatedHost.xml("web1", DOMAIN, domain, disk))
                .message())
        .contains("was switched to " + source)
        .contains("netchannel job web1 xvdb");
    end();
    startGuest(source);
    verify();
    end();
    job("forget");
    startGuest("file:" + file("old"));
  }

  /** What the first life of the disk had copied is nothing to the second one. */
  @Test
  void aJobDoesNotOutliveItsGuestAlsoWhenNobodySawItGo() throws Exception {
    swap(made("new", SIZE), "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    host.stopDaemon();
    Files.move(
        file("old"), file("hidden")); // its disk is not served again, so nobody carries the job
    host.startDaemon();
    host.store().remove(Guest.path(domain.domid()));
    domain.destroy();
    await("its end", () -> host.daemon().midPoints().ofDomain(DOMAIN).isEmpty());
    Files.move(file("hidden"), file("old"));
    startGuest("file:" + file("old"));
    await("the end of the job", () -> isIn("aborted"));
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    writesUntil("a while", () -> random.nextInt(20) == 0);
    assertThat(isIn("aborted")).isTrue();
    assertThat(node("follower")).isEmpty();
    verify();
  }

  @Test
  void whatIsBecomingADiskIsNobodyElses() throws Exception {
    String target = made("new", SIZE);
    swap(target, "bandwidth", SLOW);
    EmbeddedDomain other = host.createDomain("web2", new UUID(1, 2));
    Map<String, Object> attach = new TreeMap<>();
    attach.putAll(
        Map.of("command", "attach-disk", "domain", "web2", "target", "xvdb", "source", target));
    assertThatThrownBy(() -> ask(attach)).hasMessageContaining("is becoming xvdb of web1");
    attach.put("source", made("web2", SIZE));
    ask(attach);
    assertThat(other.domid()).isNotEqualTo(domain.domid());
    assertThatThrownBy(
            () ->
                ask(
                    Map.of(
                        "command", "swap", "domain", "web2", "target", "xvdb", "source", target)))
        .hasMessageContaining("is becoming xvdb of web1");
  }

  /** It is what the text of a refused start advises. */
  @Test
  void toWriteTheXmlByHandDoesNotKeepTheJobFromItsEnd() throws Exception {
    libvirt.away = true;
    String source = made("new", SIZE);
    swap(source);
    writesUntil("the switch", () -> isIn("switched"));
    job("write-metadata");
    libvirt.away = false;
    job("write-metadata");
    isSwitchedTo(source);
  }
}

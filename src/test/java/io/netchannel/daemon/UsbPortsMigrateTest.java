package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.Phase;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.HookReply;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TestCertificateAuthority;
import io.netchannel.tls.TlsFiles;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.vdevice.block.frontend.GuestIo;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import io.netchannel.xen.Waiting;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/**
 * A guest with a disk, a keyboard that types numbers and a device that counts what it is sent, on
 * its way between two hosts. What is plugged stays at the first one.
 */
@Timeout(180)
final class UsbPortsMigrateTest {
  private static final String GUEST = "g1";
  private static final UUID DOMAIN = new UUID(7, 11);
  private static final int XVDB = 51728;
  private static final int BLOCK_BYTES = 4096;

  /** What the hosts call each other: names that their certificates prove, and that are known. */
  private static final String A = "localhost";

  private static final String B = "127.0.0.1";
  private static final String KEYBOARD = "usb-soft:keyboard,every=2ms";
  private static final String SINK = "usb-soft:sourcesink,serial=4E4330303032";

  @TempDir private Path directory;
  private final TestCertificateAuthority authority =
      new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());

  private Path image;
  private HostStorage storageA;
  private HostStorage storageB;
  private EmulatedHost hosta;
  private EmulatedHost hostb;
  private EmbeddedDomain domain;
  private Blkfront disk;
  private UsbGuest keyboard;
  private UsbGuest sink;
  private final Typed typed = new Typed();
  private final List<UsbDevice> kept = new ArrayList<>();

  /** By target, as the domain's XML has them. */
  private final Map<String, String> sources = new HashMap<>(Map.of("usb1", KEYBOARD, "usb2", SINK));

  private long sent;

  /** What the guest has asked its keyboard for just after it resumed. */
  private Optional<GuestUrb> inWindow = Optional.empty();

  @BeforeEach
  void start() throws Exception {
    image = directory.resolve("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(1 << 20);
    }
    authority.init(directory.resolve("pki"));
    storageA = storage(A);
    storageB = storage(B);
    hosta = host(A, B, () -> hostb, storageA);
    hostb = host(B, A, () -> hosta, storageB);
    hosta.definitions(this::changeSource);
    hostb.definitions(this::changeSource);
    hosta.startDaemon();
    hostb.startDaemon();
  }

  /** Both hosts' libvirts, of the domain where it runs: what its XML says of a port. */
  private synchronized boolean changeSource(
      UUID of, Definition definition, String target, String oldSource, String newSource) {
    if (definition == Definition.CONFIG || !sourceOf(target).equals(oldSource)) {
      return false;
    }
    sources.put(target, newSource);
    return true;
  }

  private synchronized String sourceOf(String target) {
    return sources.get(target);
  }

  private HostStorage storage(String name) throws Exception {
    Path home = Files.createDirectories(directory.resolve("server-" + name));
    Path etc = directory.resolve("etc-" + name);
    authority.host(directory.resolve("pki"), etc, name);
    HostStorage storage =
        HostStorage.open(
            DaemonConfiguration.parse(
                "test.toml",
                """
                [daemon]
                name = "%1$s"
                run-directory = "%2$s"
                state-directory = "%2$s"
                [server]
                listen = "127.0.0.1:0"
                """
                    .formatted(name, home)),
            Optional.of(new HostTls(TlsFiles.libvirt(etc))));
    storage.listenToOthers();
    return storage;
  }

  private EmulatedHost host(
      String name, String peer, Supplier<EmulatedHost> other, HostStorage storage) {
    ImmutableMap.Builder<String, String> faults = ImmutableMap.builder();
    for (Point point : Point.values()) {
      faults.put(point.key(), "file " + fault(point));
    }
    EmulatedHost host =
        new EmulatedHost(
            name,
            directory,
            faults.buildOrThrow(),
            new DirectPeer(name, peer, () -> other.get().peerService()));
    host.usb(storage.usb(), storage.stayingUsb());
    return host;
  }

  private Path fault(Point point) {
    return directory.resolve("fault-" + point.key());
  }

  @AfterEach
  void stop() {
    hosta.close();
    hostb.close();
    kept.forEach(UsbDevice::close);
    storageA.close();
    storageB.close();
  }

  private String devices(String more) {
    return "<n:disk target='xvdb' source='file:%s'/>".formatted(image)
        + "<n:usb port='1' source='%s'%s/>".formatted(sourceOf("usb1"), more)
        + "<n:usb port='2' source='%s'%s/>".formatted(sourceOf("usb2"), more);
  }

  private String xml(EmbeddedDomain of, String more) {
    return EmulatedHost.xml(GUEST, DOMAIN, of, devices(more));
  }

  /**
   * Hardware outlives a daemon, and stays as it is set; these devices would go with the last who
   * has them open.
   */
  private void outlivesDaemons(String port, String source) throws Exception {
    kept.add(
        storageA
            .usb()
            .open(
                source,
                UsbOpenOptions.of(UsbOpenOptions.User.device(DOMAIN, port, 0, ImmutableSet.of()))));
  }

  private void run(Driver driver, String more) throws Exception {
    outlivesDaemons("usb1", KEYBOARD);
    outlivesDaemons("usb2", SINK);
    hosta.hookOk(GUEST, "prepare", "begin", xml(null, more));
    hosta.hookOk(GUEST, "start", "begin", xml(null, more));
    domain = hosta.createDomain(GUEST, DOMAIN);
    hosta.hookOk(GUEST, "started", "begin", xml(domain, more));
    domain.unpause();
    disk = new Blkfront(domain, XVDB, BlkfrontOptions.DEFAULT, () -> {});
    keyboard = new UsbGuest(domain, 1, driver).plugged();
    sink = new UsbGuest(domain, 2, driver).plugged();
    keyboard.enumerate();
    sink.enumerate();
    works();
  }

  /** The disk takes a block, the keyboard types, the sink counts: nothing is lost or doubled. */
  private void works() {
    GuestIo write = disk.write(0, ByteBuffer.wrap(new byte[BLOCK_BYTES]), done -> {});
    Waiting.until(
        "the disk",
        () -> {
          disk.poll();
          return write.isDone();
        });
    assertThat(write.hasFailed()).isFalse();
    typed.reads(keyboard, 6, inWindow);
    inWindow = Optional.empty();
    assertThat(sink.done(sink.write(8192)).status()).isZero();
    sent += 8192 / Long.BYTES * 2;
    assertThat(sink.sink()).containsExactly(sent, 0L, 0L);
    assertThat(keyboard.driver().failure()).isEmpty();
    assertThat(sink.driver().failure()).isEmpty();
  }

  private EmbeddedDomain begin(EmulatedHost to, String more) {
    to.hypervisor().createDomain().destroy(); // so that its id is another one there
    to.hookOk(GUEST, "migrate", "begin", "");
    to.hookOk(GUEST, "prepare", "begin", xml(null, more));
    to.hookOk(GUEST, "start", "begin", xml(null, more));
    return to.createDomain(GUEST, DOMAIN);
  }

  /** As libxl and the guest do it: it is asked, its drivers freeze, it stands still. */
  private void suspend(EmulatedHost from) {
    from.store().write("/local/domain/" + domain.domid() + "/control/shutdown", "suspend");
    keyboard.freeze();
    sink.freeze();
    disk.suspend();
    domain.suspend();
  }

  /** The hook is over: the guest runs there, and its domain here is gone. */
  private void resume(EmulatedHost from, EmbeddedDomain next, String more) {
    EmbeddedDomain before = domain;
    next.restore(before);
    next.unpause();
    disk.resume(next);
    keyboard.resume(next);
    sink.resume(next);
    domain = next;
    inWindow = Optional.of(keyboard.awaitReport()); // before it has a ring there
    before.destroy();
    from.hookOk(GUEST, "stopped", "end", xml(before, more));
    from.hookOk(GUEST, "release", "end", xml(null, more));
  }

  private void migrate(EmulatedHost from, EmulatedHost to) {
    EmbeddedDomain next = begin(to, "");
    suspend(from);
    to.hookOk(GUEST, "started", "begin", xml(next, ""));
    resume(from, next, "");
    works();
    Waiting.until("both agree", () -> isOver(from) && isOver(to));
    Waiting.until("nothing is left", () -> from.leftovers().isEmpty());
    Waiting.until(
        "its XML says where its devices are",
        () ->
            to.daemon().usbPorts().all().stream()
                .allMatch(
                    port -> port.details().source().orElseThrow().equals(sourceOf(port.target()))));
  }

  /** The newest of its migrations has moved the guest for good. */
  private static boolean isOver(EmulatedHost host) {
    return host.daemon().coordinator().migrations().list().get(0).phase() == Phase.COMMIT;
  }

  private static List<Map<String, Object>> shown(EmulatedHost host) throws ControlException {
    return Json.objects(host.daemon().control().handle(Map.of("command", "devices")));
  }

  private static Stream<Object> shownSources(EmulatedHost host) throws ControlException {
    return shown(host).stream()
        .filter(device -> device.get("kind").equals("usb"))
        .map(device -> device.get("source"));
  }

  private List<String> exports(HostStorage storage) throws Exception {
    return Json.objects(storage.exports().handle(Map.of("command", "exports"))).stream()
        .map(export -> String.valueOf(export.get("name")))
        .toList();
  }

  @ParameterizedTest
  @EnumSource
  void aGuestGoesWithItsDevicesAndComesBack(Driver driver) throws Exception {
    run(driver, "");
    migrate(hosta, hostb);
    assertThat(keyboard.driver().speeds()).as("the guest saw no unplug").hasSize(1);
    assertThat(shownSources(hostb))
        .allSatisfy(source -> assertThat(source).asString().startsWith("netchannel://" + A + ":"));
    assertThat(exports(storageA)).containsExactly(DOMAIN + "-usb1", DOMAIN + "-usb2");
    migrate(hostb, hosta);
    migrate(hosta, hostb);
    migrate(hostb, hosta);
    assertThat(keyboard.driver().speeds()).hasSize(1);
    assertThat(sink.driver().speeds()).hasSize(1);
    assertThat(shownSources(hosta)).containsExactly(KEYBOARD, SINK);
    Waiting.until(
        "the device is its host's alone",
        () -> {
          try {
            return exports(storageA).isEmpty();
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
        });
  }

  /** Whatever fails, and wherever: the guest goes on at its source with all that it had. */
  @ParameterizedTest
  @EnumSource(
      value = Point.class,
      mode = Mode.MATCH_ALL,
      names = {"(SOURCE|DESTINATION).*"})
  void anAbortGivesTheDevicesBack(Point point) throws Exception {
    run(Driver.FIXED, "");
    Files.writeString(fault(point), "fail");
    HookReply announced = hostb.hook(GUEST, "migrate", "begin", "");
    if (announced.exitCode() == 0) {
      hostb.hookOk(GUEST, "prepare", "begin", xml(null, ""));
      hostb.hookOk(GUEST, "start", "begin", xml(null, ""));
      EmbeddedDomain next = hostb.createDomain(GUEST, DOMAIN);
      suspend(hosta);
      assertThat(hostb.hook(GUEST, "started", "begin", xml(next, "")).exitCode()).isNotZero();
      next.destroy();
      hostb.hookOk(GUEST, "stopped", "end", xml(next, ""));
      hostb.hookOk(GUEST, "release", "end", xml(null, ""));
      domain.resume();
    }
    works();
    assertThat(keyboard.driver().speeds()).hasSize(1);
    Files.delete(fault(point));
    Waiting.until("nothing is left", () -> hostb.leftovers().isEmpty());
    migrate(hosta, hostb);
  }

  /** Each daemon is killed where it stands, and the next one goes on: there, or here. */
  @ParameterizedTest
  @EnumSource
  void aDaemonThatIsKilledOnTheWayIsSurvived(Kill kill) throws Exception {
    run(Driver.FIXED, "");
    EmbeddedDomain next = begin(hostb, "");
    switch (kill) {
      case SOURCE_IN_PRECOPY -> hosta.startDaemon();
      case DESTINATION_IN_PRECOPY -> hostb.startDaemon();
      case SOURCE_SEALED, DESTINATION_SEALED, SOURCE_AT_THE_END, DESTINATION_AT_THE_END -> {}
    }
    suspend(hosta);
    switch (kill) {
      case SOURCE_SEALED -> {
        awaitPhase(hosta, Phase.HAND_OVER);
        hosta.startDaemon();
      }
      case DESTINATION_SEALED -> {
        awaitPhase(hostb, Phase.HAND_OVER);
        hostb.startDaemon();
      }
      case SOURCE_IN_PRECOPY,
          DESTINATION_IN_PRECOPY,
          SOURCE_AT_THE_END,
          DESTINATION_AT_THE_END -> {}
    }
    HookReply started = hostb.hook(GUEST, "started", "begin", xml(next, ""));
    if (kill == Kill.SOURCE_SEALED && started.exitCode() != 0) {
      // Its seal went with it, and the next one may be another.
      assertThat(started.message()).contains("take-over refused");
      next.destroy();
      hostb.hookOk(GUEST, "stopped", "end", xml(next, ""));
      domain.resume();
      works();
      return;
    }
    assertThat(started.exitCode()).as(started.message()).isZero();
    switch (kill) {
      case SOURCE_AT_THE_END -> hosta.startDaemon();
      case DESTINATION_AT_THE_END -> hostb.startDaemon();
      case SOURCE_IN_PRECOPY, DESTINATION_IN_PRECOPY, SOURCE_SEALED, DESTINATION_SEALED -> {}
    }
    resume(hosta, next, "");
    works();
    assertThat(keyboard.driver().speeds()).hasSize(1);
    Waiting.until("both agree", () -> isOver(hosta) && isOver(hostb));
  }

  private enum Kill {
    SOURCE_IN_PRECOPY,
    DESTINATION_IN_PRECOPY,
    SOURCE_SEALED,
    DESTINATION_SEALED,
    SOURCE_AT_THE_END,
    DESTINATION_AT_THE_END
  }

  private static void awaitPhase(EmulatedHost host, Phase phase) {
    Waiting.until(
        phase.toString(),
        () ->
            host.daemon().coordinator().migrations().list().stream()
                .anyMatch(migration -> migration.phase() == phase));
  }

  @Test
  void aStickOfAGuestThatCannotResumeIsRefusedInWords() throws Exception {
    String stick = "<n:usb port='3' source='usb-soft:stick,size=1M'/>";
    String with = EmulatedHost.xml(GUEST, DOMAIN, null, stick);
    hosta.hookOk(GUEST, "prepare", "begin", with);
    hosta.hookOk(GUEST, "start", "begin", with);
    domain = hosta.createDomain(GUEST, DOMAIN);
    hosta.hookOk(GUEST, "started", "begin", EmulatedHost.xml(GUEST, DOMAIN, domain, stick));
    domain.unpause();
    try (UsbGuest guest = new UsbGuest(domain, 3, Driver.STOCK).plugged()) {
      guest.enumerate();
      Waiting.until(
          "the gate", () -> hosta.daemon().usbPorts().all().get(0).obstacle().isPresent());
      HookReply refused = hostb.hook(GUEST, "migrate", "begin", "");
      assertThat(refused.exitCode()).isNotZero();
      assertThat(refused.message())
          .contains("usb3")
          .contains("feature-resume")
          .contains("migrate=\"replug\"")
          .contains("detach-usb");
      assertThat(hosta.daemon().coordinator().migrations().list()).as("nothing begun").isEmpty();
      assertThat(exports(storageA)).isEmpty();
      guest.until("it goes on", () -> true);
    }
  }

  /** The guest sees that its devices go and come; what it sends then gets through. */
  @ParameterizedTest
  @EnumSource
  void aPortThatReplugsIsUnpluggedAndPluggedAgain(Driver driver) throws Exception {
    String replug = " migrate='replug'";
    run(driver, replug);
    EmbeddedDomain next = begin(hostb, replug);
    hosta.store().write("/local/domain/" + domain.domid() + "/control/shutdown", "suspend");
    keyboard.until("it is unplugged", () -> keyboard.driver().speed() == 0);
    sink.until("it is unplugged", () -> sink.driver().speed() == 0);
    suspend(hosta);
    hostb.hookOk(GUEST, "started", "begin", xml(next, replug));
    resume(hosta, next, replug);
    assertThat(keyboard.done(inWindow.orElseThrow()).status()).as("nothing is there").isNotZero();
    keyboard.plugged();
    sink.plugged();
    assertThat(keyboard.driver().speeds()).hasSize(3);
    keyboard.enumerate();
    sink.enumerate();
    assertThat(sink.done(sink.write(4096)).status()).isZero();
    typed.begins();
    typed.reads(keyboard, 6, Optional.empty());
  }

  @Test
  void aPortThatReplugsIsPluggedAgainWhenTheGuestStays() throws Exception {
    String replug = " migrate='replug'";
    run(Driver.STOCK, replug);
    Files.writeString(fault(Point.DESTINATION_SEALED), "fail");
    EmbeddedDomain next = begin(hostb, replug);
    hosta.store().write("/local/domain/" + domain.domid() + "/control/shutdown", "suspend");
    keyboard.until("it is unplugged", () -> keyboard.driver().speed() == 0);
    sink.until("it is unplugged", () -> sink.driver().speed() == 0);
    suspend(hosta);
    assertThat(hostb.hook(GUEST, "started", "begin", xml(next, replug)).exitCode()).isNotZero();
    next.destroy();
    domain.resume();
    keyboard.plugged();
    sink.plugged();
    assertThat(keyboard.driver().speeds()).hasSize(3);
  }

  @Test
  void noPortIsPluggedWhileTheGuestMigrates() throws Exception {
    run(Driver.FIXED, "");
    EmbeddedDomain unused = begin(hostb, "");
    assertThat(
            catchThrowable(
                () ->
                    hosta
                        .daemon()
                        .control()
                        .handle(Map.of("command", "detach-usb", "domain", GUEST, "port", 1L))))
        .hasMessageContaining("is being migrated");
  }

  /** A save ends the domain; the restored one is a domain of its own with the same memory. */
  @Test
  void aGuestThatIsSavedAndRestoredHasItsDevices() throws Exception {
    run(Driver.FIXED, "");
    suspend(hosta);
    EmbeddedDomain before = domain;
    before.destroy();
    hosta.hookOk(GUEST, "stopped", "end", xml(before, ""));
    hosta.hookOk(GUEST, "release", "end", xml(null, ""));
    Waiting.until("all has gone", () -> hosta.leftovers().isEmpty());
    hosta.hookOk(GUEST, "prepare", "begin", xml(null, ""));
    hosta.hookOk(GUEST, "start", "begin", xml(null, ""));
    EmbeddedDomain next = hosta.createDomain(GUEST, DOMAIN);
    next.restore(before);
    hosta.hookOk(GUEST, "started", "begin", xml(next, ""));
    next.unpause();
    disk.resume(next);
    keyboard.resume(next);
    sink.resume(next);
    domain = next;
    works();
    assertThat(keyboard.driver().speeds()).hasSize(1);
  }

  /** The numbers that a keyboard types, each once, in their order. */
  private static final class Typed {
    private final List<Integer> digits = new ArrayList<>();
    private long last;
    private boolean begun;

    void begins() {
      begun = false;
      digits.clear();
    }

    void reads(UsbGuest guest, int numbers, Optional<GuestUrb> asked) {
      Optional<GuestUrb> next = asked;
      for (int read = 0; read < numbers; ) {
        GuestUrb report = guest.done(next.orElseGet(guest::awaitReport));
        next = Optional.empty();
        assertThat(report.status()).isZero();
        int key = report.bytes(2, 1)[0];
        if (key == 40) { // Enter
          read++;
          number();
        } else if (key != 0) {
          digits.add(key == 39 ? 0 : key - 29);
        }
      }
    }

    private void number() {
      long number = 0;
      for (int digit : digits) {
        number = number * 10 + digit;
      }
      digits.clear();
      if (begun) {
        assertThat(number).isEqualTo(last + 1);
      }
      begun = true;
      last = number;
    }
  }
}

package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.usb.ForwardingUsbDevice;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.device.usb.soft.SoftDevices;
import io.netchannel.device.usb.soft.SoftKeyboard;
import io.netchannel.device.usb.soft.SoftPort;
import io.netchannel.device.usb.soft.SoftSourceSink;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import io.netchannel.xen.Waiting;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** USB ports of a guest, from the hooks and from commands to the guest's driver. */
@Timeout(120)
final class UsbPortsTest {
  private static final UUID DOMAIN = new UUID(7, 8);
  private static final String SOURCE_SINK = "usb-soft:sourcesink";
  private static final String KEPT = "kept:it";

  @TempDir private Path directory;
  private final ScheduledExecutorService executor = Executors.newSingleThreadScheduledExecutor();
  private final DeviceOpener disks = new DeviceOpener();
  private final SoftPort kept =
      new SoftPort(new SoftSourceSink("4E4330303032"), executor, System::nanoTime);
  private final SoftKeyboard keyboard = new SoftKeyboard("4E4330303033", Optional.empty());
  private final SoftPort keyboards = new SoftPort(keyboard, executor, System::nanoTime);
  private final KeptUsb keptKeyboard = new KeptUsb(keyboards);
  private final UsbOpener usb =
      new UsbOpener(
          ImmutableMap.of(
              SoftDevices.SCHEME,
              new SoftDevices(executor, System::nanoTime, disks),
              "kept",
              new KeptUsb(kept),
              "keyboard",
              keptKeyboard,
              "taken",
              (text, options) -> new Taken(kept),
              "broken",
              (text, options) -> {
                throw new DeviceException("no such bus");
              }),
          ImmutableMap.of());

  private EmulatedHost host;
  private EmbeddedDomain domain;

  /** One that a program of the host has. */
  private static final class Taken extends ForwardingUsbDevice {
    Taken(UsbDevice device) {
      super(device);
    }

    @Override
    public Optional<String> problem() {
      return Optional.of("some program has it");
    }

    @Override
    public void close() {}
  }

  @BeforeEach
  void start() throws Exception {
    host = new EmulatedHost("hosta", directory, ImmutableMap.of(), disks);
    host.usb(usb);
    host.startDaemon();
  }

  @AfterEach
  void stop() {
    host.close();
    kept.close();
    keyboards.close();
    executor.shutdownNow();
  }

  private static String port(int number, String source) {
    return "<n:usb port='%d' source='%s'/>".formatted(number, source);
  }

  /** As libvirt starts a domain. */
  private void startDomain(String devices) {
    host.hookOk("g1", "prepare", "begin", EmulatedHost.xml("g1", DOMAIN, null, devices));
    host.hookOk("g1", "start", "begin", EmulatedHost.xml("g1", DOMAIN, null, devices));
    domain = host.createDomain("g1", DOMAIN);
    host.hookOk("g1", "started", "begin", EmulatedHost.xml("g1", DOMAIN, domain, devices));
    domain.unpause();
  }

  private Map<String, Object> call(String command, Object... more) throws ControlException {
    ImmutableMap.Builder<String, Object> request = ImmutableMap.builder();
    request.put("command", command).put("domain", "g1");
    for (int i = 0; i < more.length; i += 2) {
      request.put((String) more[i], more[i + 1]);
    }
    return Json.object(host.daemon().control().handle(request.buildOrThrow()));
  }

  private Map<String, Object> shown(int port) throws ControlException {
    return Json.objects(host.daemon().control().handle(Map.of("command", "devices"))).stream()
        .filter(device -> device.get("target").equals("usb" + port))
        .findFirst()
        .orElseThrow();
  }

  @ParameterizedTest
  @EnumSource
  void aPortOfTheMetadataIsThereWhenTheGuestRuns(Driver driver) throws Exception {
    startDomain(port(1, SOURCE_SINK) + port(2, "usb-soft:keyboard"));
    assertThat(shown(1)).containsEntry("driver", "module missing").containsEntry("port", 1);
    try (UsbGuest guest = new UsbGuest(domain, 1, driver).plugged()) {
      guest.enumerate();
      assertThat(guest.done(guest.write(4096)).status()).isZero();
      assertThat(guest.sink()).containsExactly(1024L, 0L, 0L);
      assertThat(guest.done(guest.read(1000)).actualBytes()).isEqualTo(1000);
      Waiting.until(
          "it is told", () -> host.daemon().usbPorts().all().get(0).status().pending() == 0);
      assertThat(shown(1))
          .containsEntry("kind", "usb")
          .containsEntry("domain", "g1")
          .containsEntry("state", "serving")
          .containsEntry("source", SOURCE_SINK)
          .containsEntry("pending", 0)
          .containsEntry("problem", null)
          .containsEntry("driver", driver == Driver.FIXED ? "fixed" : "stock");
      assertThat(Json.object(shown(1).get("plugged"))).containsEntry("speed", "480M");
      assertThat(Json.object(shown(2).get("plugged"))).containsEntry("speed", "12M");
    }
  }

  @Test
  void aPortThatCannotBeServedIsToldBeforeTheDomainIsMade() {
    var reply =
        host.hook(
            "g1",
            "start",
            "begin",
            EmulatedHost.xml("g1", DOMAIN, null, port(1, "broken:x") + port(2, SOURCE_SINK)));
    assertThat(reply.exitCode()).isNotZero();
    assertThat(reply.message()).contains("USB port 1 cannot be served: no such bus");
  }

  @Test
  void aDomainThatHasGoneLeavesNothing() throws Exception {
    startDomain(port(1, SOURCE_SINK) + port(2, KEPT));
    try (UsbGuest guest = new UsbGuest(domain, 2, Driver.STOCK).plugged()) {
      guest.enumerate();
      guest.done(guest.read(4096));
    }
    host.store().remove("/local/domain/" + domain.domid());
    Waiting.until("all is gone", () -> host.leftovers().isEmpty());
    Waiting.until("it is forgotten", () -> host.daemon().usbPorts().all().isEmpty());
    startDomain(port(2, KEPT));
    try (UsbGuest guest = new UsbGuest(domain, 2, Driver.STOCK).plugged()) {
      guest.enumerate();
    }
  }

  @Test
  void aRunningGuestGetsAPortAndLosesIt() throws Exception {
    startDomain("");
    assertThat(call("attach-usb", "port", 3L, "source", SOURCE_SINK))
        .containsEntry("target", "usb3")
        .containsEntry("state", "serving");
    assertThatThrownBy(() -> call("attach-usb", "port", 3L, "source", SOURCE_SINK))
        .hasMessageContaining("has a USB port 3 already");
    try (UsbGuest guest = new UsbGuest(domain, 3, Driver.STOCK).plugged()) {
      guest.enumerate();
      assertThat(guest.done(guest.write(512)).status()).isZero();
      Thread detach = new Thread(() -> detach(3));
      detach.start();
      Waiting.until(
          "the guest's controller is removed",
          () -> {
            if (guest.driver().isConnected()) {
              guest.driver().poll();
            }
            return !detach.isAlive();
          });
      detach.join();
    }
    assertThat(host.leftovers()).isEmpty();
    assertThatThrownBy(() -> call("detach-usb", "port", 3L))
        .hasMessageContaining("has no Netchannel USB port 3");
  }

  /** Of two who attach it at the same time one gets it, and the other does not take it away. */
  @Test
  void aPortIsPublishedOnce() {
    startDomain(port(1, KEPT));
    UsbPorts ports = host.daemon().usbPorts();
    PortDetails again = PortDetails.expecting(new Guest("g1", DOMAIN, domain.domid()), 1, false);
    assertThatThrownBy(() -> ports.publishNew(again)).hasMessageContaining("usb1 is there already");
    assertThat(ports.all()).hasSize(1).allMatch(ServedPort::isServing);
  }

  /** It may be so for ever: what waits while a guest waits is done all the same. */
  @Test
  void nobodyWaitsForWhatIsTaken() throws Exception {
    startDomain(port(1, "taken:it"));
    assertThat(shown(1)).containsEntry("problem", "some program has it");
    assertThat(host.daemon().guestWaits()).isFalse();
  }

  private void detach(int port) {
    try {
      call("detach-usb", "port", (long) port, "timeoutSeconds", 60L);
    } catch (ControlException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void aGuestWithoutADriverHasNothingToLetGoOf() throws Exception {
    startDomain(port(1, SOURCE_SINK));
    call("detach-usb", "port", 1L);
    assertThat(host.leftovers()).isEmpty();
  }

  @Test
  void aPortThatCannotBeServedIsNotAttached() throws Exception {
    startDomain("");
    assertThatThrownBy(() -> call("attach-usb", "port", 1L, "source", "broken:x"))
        .hasMessageContaining("no such bus");
    assertThatThrownBy(() -> call("attach-usb", "port", 32L, "source", SOURCE_SINK))
        .hasMessageContaining("expected a port from 1 to 31, found 32");
    assertThat(host.leftovers()).isEmpty();
  }

  /** Each request ends once, and what the guest sends afterwards gets through. */
  @Test
  void aRestartOfTheDaemonUnderLoadIsSurvived() throws Exception {
    startDomain(port(1, KEPT));
    long generation = host.daemon().usbPorts().all().get(0).details().generation();
    try (UsbGuest guest = new UsbGuest(domain, 1, Driver.STOCK).plugged()) {
      guest.enumerate();
      List<GuestUrb> reads = new ArrayList<>();
      for (int round = 0; round < 3; round++) {
        IntStream.range(0, 8).forEach(i -> reads.add(guest.read(4096)));
        host.stopDaemon();
        IntStream.range(0, 4).forEach(i -> reads.add(guest.read(4096)));
        host.startDaemon();
        guest.until("all end", () -> guest.driver().outstanding() == 0);
      }
      assertThat(reads).allSatisfy(urb -> assertThat(urb.timesGivenBack()).isEqualTo(1));
      assertThat(guest.driver().speeds()).as("the guest saw no unplug").hasSize(1);
      assertThat(guest.done(guest.write(4096)).status()).isZero();
    }
    ServedPort port = host.daemon().usbPorts().all().get(0);
    assertThat(port.isServing()).isTrue();
    assertThat(port.details().source()).contains(KEPT);
    assertThat(port.details().generation()).isGreaterThanOrEqualTo(generation);
    assertThat(port.guest()).isEqualTo(new Guest("g1", DOMAIN, domain.domid()));
  }

  /**
   * What waited at the device ends with an error, once; what its driver sends then gets through.
   */
  @Test
  void aKeyArrivesAfterARestart() throws Exception {
    startDomain(port(1, "keyboard:it"));
    try (UsbGuest guest = new UsbGuest(domain, 1, Driver.STOCK).plugged()) {
      guest.enumerate();
      GuestUrb report = guest.awaitReport();
      guest.until("it is at the device", () -> keptKeyboard.atDevice() == 1);
      host.stopDaemon();
      host.startDaemon();
      assertThat(guest.done(report).status()).isEqualTo(-UrbStatus.PROTOCOL.errno());
      GuestUrb again = guest.awaitReport();
      assertThat(keyboard.type("b")).isEqualTo(1);
      assertThat(guest.done(again).status()).isZero();
      assertThat(again.bytes(2, 1)).containsExactly(5);
      assertThat(guest.driver().speeds()).hasSize(1);
    }
  }

  @Test
  void whatADomainHadThatWentWhileNoDaemonRanIsRemoved() throws Exception {
    startDomain(port(1, KEPT));
    host.stopDaemon();
    host.store().remove("/local/domain/" + domain.domid());
    host.startDaemon();
    assertThat(host.leftovers()).isEmpty();
    assertThat(host.daemon().usbPorts().all()).isEmpty();
  }

  /** Its device stays here: where no other host could use it the guest stays, too. */
  @Test
  void aGuestWhoseDeviceNobodyElseReachesIsNotLetGo() throws Exception {
    startDomain(port(1, KEPT));
    assertThat(host.daemon().devices().obstacle(DOMAIN)).isEmpty();
    EmulatedHost other =
        new EmulatedHost(
            "hostb",
            directory.resolve("b"),
            ImmutableMap.of(),
            new DeviceOpener(),
            new DirectPeer("hostb", "hosta", host::peerService));
    try {
      other.startDaemon();
      var refused = other.hook("g1", "migrate", "begin", "");
      assertThat(refused.exitCode()).isNotZero();
      assertThat(refused.message())
          .contains("USB port usb1 of g1: what is plugged there stays on this host")
          .contains("the device server of this host");
      assertThat(host.daemon().coordinator().migrations().list()).as("nothing begun").isEmpty();
      assertThat(shown(1)).containsEntry("state", "serving");
    } finally {
      other.close();
    }
  }
}

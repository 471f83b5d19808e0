package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import io.netchannel.xen.Waiting;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A guest of one host with a USB device that another one exports. */
@Timeout(120)
final class RemoteUsbPortsTest {
  private static final UUID DOMAIN = new UUID(7, 9);

  @TempDir private Path directory;
  private HostStorage server;
  private HostStorage client;
  private EmulatedHost host;
  private EmbeddedDomain domain;
  private String source;

  @BeforeEach
  void start() throws Exception {
    server = storage("store", "[[export]]\nname = \"sink\"\nusb = \"usb-soft:sourcesink\"\n");
    var unused = server.exports();
    client = storage("client", "");
    source =
        "netchannel+unix:///usb/sink?socket=" + directory.resolve("store").resolve("export.sock");
    host = new EmulatedHost("hosta", directory, ImmutableMap.of());
    host.usb(client.usb());
    host.startDaemon();
    domain = host.createDomain("g1", DOMAIN);
    domain.unpause();
  }

  private HostStorage storage(String name, String exports)
      throws IOException, ConfigurationException {
    Path home = Files.createDirectory(directory.resolve(name));
    return HostStorage.open(
        DaemonConfiguration.parse(
            "test.toml",
            """
            [daemon]
            name = "%1$s"
            run-directory = "%2$s"
            state-directory = "%2$s"
            %3$s
            """
                .formatted(name, home, exports)),
        Optional.empty());
  }

  @AfterEach
  void stop() {
    host.close();
    client.close();
    server.close();
  }

  private UsbGuest attach() throws Exception {
    host.daemon()
        .control()
        .handle(Map.of("command", "attach-usb", "domain", "g1", "port", 1L, "source", source));
    UsbGuest guest = new UsbGuest(domain, 1, Driver.STOCK).plugged();
    guest.enumerate();
    return guest;
  }

  private Map<String, Object> export() throws Exception {
    return Json.objects(server.exports().handle(Map.of("command", "exports"))).get(0);
  }

  @Test
  void aGuestUsesItAndTheServerShowsWho() throws Exception {
    try (UsbGuest guest = attach()) {
      assertThat(guest.done(guest.write(64 << 10)).status()).isZero();
      assertThat(guest.sink()).containsExactly(16L << 10, 0L, 0L);
      assertThat(guest.done(guest.read(4096)).actualBytes()).isEqualTo(4096);
      assertThat(export()).containsEntry("kind", "usb").containsEntry("name", "sink");
      assertThat(Json.objects(export().get("clients")))
          .extracting(each -> each.get("client"))
          .containsExactly(DOMAIN + "/usb1");
      assertThatThrownBy(
              () -> server.exports().handle(Map.of("command", "unexport", "name", "sink")))
          .hasMessageContaining("sink");
    }
    host.store().remove("/local/domain/" + domain.domid());
    Waiting.until("it is forgotten", () -> host.daemon().usbPorts().all().isEmpty());
    server.exports().handle(Map.of("command", "unexport", "name", "sink"));
  }

  /** The server has the device meanwhile: nothing is done twice, and the guest sees no unplug. */
  @Test
  void aRestartOfTheGuestsDaemonUnderLoadIsSurvived() throws Exception {
    try (UsbGuest guest = attach()) {
      List<GuestUrb> all = new ArrayList<>();
      for (int round = 0; round < 3; round++) {
        IntStream.range(0, 6).forEach(i -> all.add(guest.write(4096)));
        IntStream.range(0, 6).forEach(i -> all.add(guest.read(4096)));
        host.stopDaemon();
        host.startDaemon();
        guest.until("all end", () -> guest.driver().outstanding() == 0);
      }
      assertThat(all).allSatisfy(urb -> assertThat(urb.timesGivenBack()).isEqualTo(1));
      assertThat(guest.sink().get(2)).as("written again").isZero();
      assertThat(guest.driver().speeds()).hasSize(1);
    }
  }

  @Test
  void whatIsNoUsbDeviceIsRefusedInWords() {
    assertThatThrownBy(
            () ->
                host.daemon()
                    .control()
                    .handle(
                        Map.of(
                            "command",
                            "attach-usb",
                            "domain",
                            "g1",
                            "port",
                            1L,
                            "source",
                            source.replace("/usb/sink", "/usb/none"))))
        .hasMessageContaining("none");
    assertThat(host.leftovers()).isEmpty();
  }
}

package io.netchannel.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Without TLS: on loopback addresses only, on either side. */
@Timeout(60)
final class PlainTcpTest {
  private static final long SEED = 46;

  @TempDir Path directory;
  private ServerHarness harness;

  @BeforeEach
  void start() throws Exception {
    harness = new ServerHarness(directory, SEED);
  }

  @AfterEach
  void stop() {
    harness.close();
  }

  @Test
  void servesProgramsOfThisHost() throws Exception {
    int port =
        harness.server().listenPlain(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    String source = "netchannel+tcp://127.0.0.1:" + port + "/" + ServerHarness.EXPORT;
    try (Device device = harness.open(source, ServerHarness.as(ServerHarness.CLIENT, 1))) {
      byte[] data = new byte[4096];
      data[7] = 7;
      assertThat(Requests.write(device, 4096, data)).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 4096, 4096)).isEqualTo(data);
    }
  }

  @Test
  void noOtherAddressIsListenedAt() {
    assertThatThrownBy(() -> harness.server().listenPlain(new InetSocketAddress("0.0.0.0", 0)))
        .hasMessageContaining("expected a loopback address");
  }

  @Test
  void noOtherAddressIsConnectedTo() {
    for (String host : new String[] {"192.0.2.1", "localhost", "[2001:db8::1]"}) {
      assertThatThrownBy(
              () ->
                  harness.open(
                      "netchannel+tcp://" + host + ":16517/vol7",
                      ServerHarness.as(ServerHarness.CLIENT, 1)))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("nothing encrypts it");
    }
  }
}

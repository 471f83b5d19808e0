package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.net.HostAndPort;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** When a server's address is that of this host, which has 10.0.0.5 and 10.0.0.6. */
final class ThisHostTest {
  private static final int PORT = 16516;

  private static ThisHost listening(String address) {
    return new ThisHost(
        "HostA",
        HostAndPort.fromString(address).withDefaultPort(PORT),
        ip ->
            ip.isLoopbackAddress()
                || ip.getHostAddress().equals("10.0.0.5")
                || ip.getHostAddress().equals("10.0.0.6"));
  }

  @Test
  void itsNameAndPortAreEnough() {
    ThisHost host = listening("0.0.0.0");
    assertThat(host.isCalled(HostAndPort.fromParts("hosta", PORT))).isTrue();
    assertThat(host.isCalled(HostAndPort.fromParts("hosta", PORT + 1)))
        .as("another daemon's")
        .isFalse();
    assertThat(host.isCalled(HostAndPort.fromParts("hosta.example", PORT)))
        .as("left to the name service")
        .isFalse();
    host.listensAt(4711);
    assertThat(host.isCalled(HostAndPort.fromParts("hosta", 4711))).isTrue();
    assertThat(host.isCalled(HostAndPort.fromParts("hosta", PORT))).isFalse();
  }

  @ParameterizedTest
  @CsvSource({
    "0.0.0.0,   10.0.0.5,  16516, true",
    "0.0.0.0,   127.0.0.1, 16516, true",
    "0.0.0.0,   10.0.0.9,  16516, false",
    "0.0.0.0,   10.0.0.5,  16517, false",
    "10.0.0.5,  10.0.0.5,  16516, true",
    "10.0.0.5,  10.0.0.6,  16516, false",
    // Debian's address of a host's own name.
    "10.0.0.5,  127.0.1.1, 16516, true",
    "127.0.0.2, 127.0.0.2, 16516, true",
    "127.0.0.2, 127.0.0.3, 16516, false",
  })
  void anAddressIsItsOwnWhereItsServerListens(String listens, String address, int port, boolean own)
      throws Exception {
    assertThat(listening(listens).isAt(new InetSocketAddress(InetAddress.getByName(address), port)))
        .isEqualTo(own);
  }

  @Test
  void whatTheNameServiceDoesNotKnowIsNot() {
    assertThat(listening("0.0.0.0").isAt(InetSocketAddress.createUnresolved("hosta", PORT)))
        .isFalse();
    assertThat(
            new ThisHost("hosta", HostAndPort.fromParts("0.0.0.0", PORT))
                .isAt(new InetSocketAddress(InetAddress.getLoopbackAddress(), PORT)))
        .as("of the interfaces of this machine")
        .isTrue();
  }
}

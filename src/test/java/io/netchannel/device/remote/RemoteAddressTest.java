package io.netchannel.device.remote;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.junit.jupiter.api.Test;

final class RemoteAddressTest {
  @Test
  void addresses() throws Exception {
    InetAddress loopback = InetAddress.getByAddress(new byte[] {127, 0, 0, 1});
    assertThat(RemoteAddress.parseTcp("//127.0.0.1/vol7").resolve())
        .isEqualTo(new InetSocketAddress(loopback, 16516));
    assertThat(RemoteAddress.parseTcp("//127.0.0.1:5/vol7").resolve())
        .isEqualTo(new InetSocketAddress(loopback, 5));
  }

  /** An address without a number would be looked up again where nothing may wait. */
  @Test
  void anUnknownHostIsAnError() throws Exception {
    RemoteAddress nowhere = RemoteAddress.parseTcp("//[::g]/vol7");
    assertThatThrownBy(nowhere::resolve)
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("unknown host");
  }
}

package io.netchannel.device.remote;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.net.HostAndPort;
import io.netchannel.device.DeviceException;
import io.netchannel.wire.ExportKind;
import java.io.UncheckedIOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class RemoteAddressTest {
  @Test
  void addresses() throws Exception {
    InetAddress loopback = InetAddress.getByAddress(new byte[] {127, 0, 0, 1});
    assertThat(RemoteAddress.parseTcp("//127.0.0.1/vol7").resolve())
        .containsExactly(new InetSocketAddress(loopback, 16516));
    assertThat(RemoteAddress.parseTcp("//127.0.0.1:5/vol7").resolve())
        .containsExactly(new InetSocketAddress(loopback, 5));
  }

  @ParameterizedTest
  @CsvSource({
    "//my_host:5/vol7, netchannel://my_host:5/vol7, my_host",
    "//[fe80::1%25br-lan]/vol7, netchannel://[fe80::1%25br-lan]:16516/vol7, fe80::1",
    "//[fe80::1%br-lan]:5/vol7, netchannel://[fe80::1%25br-lan]:5/vol7, fe80::1",
    "//[fd00::2]:5/vol7, netchannel://[fd00::2]:5/vol7, fd00::2",
  })
  void areReadAsUrisHaveThem(String text, String written, String certified) throws Exception {
    RemoteAddress address = RemoteAddress.parseTcp(text);
    assertThat(address).hasToString(written);
    assertThat(address.certified()).isEqualTo(certified);
    assertThat(RemoteAddress.parseTcp(written.substring(written.indexOf(':') + 1)))
        .isEqualTo(address);
  }

  @Test
  void theInterfaceOfALinkLocalAddressIsUsed() throws Exception {
    InetSocketAddress found =
        (InetSocketAddress) RemoteAddress.parseTcp("//[fe80::1%251]/vol7").resolve().get(0);
    assertThat(((Inet6Address) found.getAddress()).getScopeId()).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"//user@hosta/v", "//hosta:0/v", "//hosta:x/v", "//fd00::2/v", "//[hosta]/v"})
  void othersAreRefused(String text) {
    assertThatThrownBy(() -> RemoteAddress.parseTcp(text))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("expected netchannel://host[:port]/name");
  }

  @Test
  void anAddressThatDidNotServeIsTriedLast() {
    SocketAddress first = new InetSocketAddress(1);
    SocketAddress second = new InetSocketAddress(2);
    AddressOrder order = new AddressOrder();
    assertThat(order.sorted(List.of(first, second))).containsExactly(first, second);
    order.note(first, false);
    assertThat(order.sorted(List.of(first, second))).containsExactly(second, first);
    order.note(second, false);
    assertThat(order.sorted(List.of(first, second))).containsExactly(first, second);
    order.note(second, true);
    assertThat(order.sorted(List.of(first, second))).containsExactly(second, first);
  }

  /** An address without a number would be looked up again where nothing may wait. */
  @Test
  void anUnknownHostIsAnError() throws Exception {
    RemoteAddress nowhere =
        new RemoteAddress(
            ExportKind.DISK,
            false,
            Optional.of(HostAndPort.fromParts("::g", 5)),
            Optional.empty(),
            "vol7");
    assertThatThrownBy(nowhere::resolve)
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("unknown host");
  }
}

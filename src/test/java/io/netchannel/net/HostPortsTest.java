package io.netchannel.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.net.HostAndPort;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class HostPortsTest {
  @ParameterizedTest
  @CsvSource({
    "hosta, hosta, 7",
    "hosta:, hosta, 7",
    "my_host:16515, my_host, 16515",
    "_srv.my_host.example:1, _srv.my_host.example, 1",
    "192.0.2.1:1, 192.0.2.1, 1",
    "[2001:db8::1]:5, 2001:db8::1, 5",
    "[2001:db8::1], 2001:db8::1, 7",
    "2001:db8::1, 2001:db8::1, 7",
    "[fe80::1%25eth0]:5, fe80::1%eth0, 5",
    "[fe80::1%eth0]:5, fe80::1%eth0, 5",
    "[fe80::1%25br-lan.7], fe80::1%br-lan.7, 7",
    "[fe80::1%2], fe80::1%2, 7",
    "[fe80::1%25], fe80::1%25, 7",
    "[fe80::1%2525], fe80::1%25, 7",
    "[::ffff:192.0.2.1]:5, ::ffff:192.0.2.1, 5",
  })
  void isReadAndWritten(String text, String host, int port) {
    HostAndPort read = HostPorts.parse(text, 7);
    assertThat(read).isEqualTo(HostAndPort.fromParts(host, port));
    assertThat(HostPorts.parse(HostPorts.uriText(read), 9)).isEqualTo(read);
  }

  @ParameterizedTest
  @CsvSource({
    "'', no host",
    ":7, no host",
    "user@hosta, user name",
    "my_user:secret@my_host:5, user name",
    "hosta:x, port",
    "hosta:65536, ort",
    "hosta:-1, ort",
    "[fe80::1%]:5, no network interface",
    "[fe80::1%eth0%1]:5, no network interface's name",
    "[fe80::1%25a%25b]:5, no network interface's name",
    "'[fe80::1%eth 0]:5', no network interface's name",
    "[hosta]:5, bracketed",
    "[192.0.2.1]:5, bracketed",
    "[fe80::1::2]:5, no IPv6 address",
    "[fe80::1, bracket",
    "hosta:1:2, no IPv6 address",
    "%w:5, percent sign",
    "192.0.2.1%eth0:5, percent sign",
  })
  void isRefusedWithTheReason(String text, String words) {
    assertThatThrownBy(() -> HostPorts.parse(text, 7))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(words);
  }

  @ParameterizedTest
  @CsvSource({"fe80::1%eth0, fe80::1", "2001:db8::1, 2001:db8::1", "hosta, hosta"})
  void aCertificateKnowsNoInterface(String host, String known) {
    assertThat(HostPorts.withoutZone(host)).isEqualTo(known);
  }
}

package io.netchannel.device.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.DeviceException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class NbdUriTest {
  @ParameterizedTest
  @CsvSource({
    "nbd://hosta, hosta, 10809, ''",
    "nbd://hosta/, hosta, 10809, ''",
    "nbd://hosta/disk, hosta, 10809, disk",
    "nbd://hosta.example:20000/a/b, hosta.example, 20000, a/b",
    "nbd://192.0.2.1//slash, 192.0.2.1, 10809, /slash",
    "nbd://[2001:db8::1]:5/x, 2001:db8::1, 5, x",
    "nbd://hosta/a%20b%25+c, hosta, 10809, a b%+c",
    "nbd://my_host:11809/, my_host, 11809, ''",
    "nbd://my_host:/x, my_host, 10809, x",
    "nbd://my%5Fhost/x, my_host, 10809, x",
    "nbd://[fe80::1%25eth0]/x, fe80::1%eth0, 10809, x",
    "nbd://[fe80::1%eth0]:5/x, fe80::1%eth0, 5, x",
    "nbd://[fe80::1%25br-lan]/x, fe80::1%br-lan, 10809, x",
  })
  void namesAServer(String text, String host, int port, String name) throws Exception {
    assertThat(NbdUri.parse(text)).isEqualTo(NbdUri.tcp(host, port, name));
  }

  @ParameterizedTest
  @CsvSource({
    "nbd+unix:///?socket=/run/a.sock, /run/a.sock, ''",
    "nbd+unix:///disk?socket=/run/a.sock, /run/a.sock, disk",
    "nbd+unix:///disk?socket=/run/a%20b%26+.sock, /run/a b&+.sock, disk",
  })
  void namesASocket(String text, String socket, String name) throws Exception {
    assertThat(NbdUri.parse(text)).isEqualTo(NbdUri.unix(Path.of(socket), name));
  }

  @Test
  void boundsTheWaitForALostServer() throws Exception {
    assertThat(NbdUri.parse("nbd://h/x").reconnect()).isEmpty();
    assertThat(NbdUri.parse("nbd://h/x?reconnect=90").reconnect())
        .isEqualTo(Optional.of(Duration.ofSeconds(90)));
    assertThat(NbdUri.parse("nbd+unix:///x?socket=/s&reconnect=0").reconnect())
        .isEqualTo(Optional.of(Duration.ZERO));
  }

  @Test
  void mayWriteThrough() throws Exception {
    assertThat(NbdUri.parse("nbd://h/x").writeThrough()).isFalse();
    assertThat(NbdUri.parse("nbd://h/x?cache=writeback").writeThrough()).isFalse();
    assertThat(NbdUri.parse("nbd://h/x?cache=writethrough").writeThrough()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nbd://hosta/",
        "nbd://hosta/x?reconnect=1&cache=writethrough",
        "nbd://hosta/x?cache=writethrough",
        "nbd://hosta/e%CC%81%F0%9F%98%80",
        "nbd+unix:///x?socket=/run/a.sock&cache=writethrough",
        "nbd://hosta:1/a%20b%25+c?reconnect=7",
        "nbd://[2001:db8::1]:5/x",
        "nbd://[fe80::1%25br-lan]:5//x/y",
        "nbd://my_host:11809/x?reconnect=7",
        "nbd+unix:///?socket=/run/a.sock",
        "nbd+unix:///a%20b?socket=/run/a%20b%26%2Bc%25.sock&reconnect=86400",
      })
  void isWrittenAsItIsRead(String text) throws Exception {
    NbdUri uri = NbdUri.parse(text);
    assertThat(NbdUri.parse(uri.toString())).isEqualTo(uri);
  }

  @ParameterizedTest
  @CsvSource({
    "nbd:localhost, another form",
    "nbd:///x, no host",
    "nbd://a b/x, Illegal character",
    "nbd://h/x#y, another form",
    "nbd://user@h/x, a user name",
    "nbd://my_user:secret@my_host/x, a user name",
    "nbd://:10809/x, no host",
    "nbd://fe80::1/x, without its brackets",
    "nbd://[fe80::1%25]x/, bracket",
    "nbd://[my_host]/x, bracketed",
    "nbd://h%2Fx/x, no host's name",
    "nbd://%25w/x, percent sign",
    "nbd://h:x/x, port",
    "nbd://höst/x, xn--",
    "nbd://h/x?socket=/s, a socket beside a host",
    "nbd+unix://h/x?socket=/s, found a host",
    "nbd+unix:///x, no absolute path of a socket",
    "nbd+unix:///x?socket=s, no absolute path of a socket",
    "nbd+unix:///x?socket=/a%00b, zero byte",
    "nbd+unix:///x?socket=/a&socket=/b, twice",
    "nbds://h/x, another scheme",
    "nbd://h/x?reconnect=-1, not 0 to",
    "nbd://h/x?reconnect=86401, not 0 to",
    "nbd://h/x?tls-certificates=/pki, unknown parameter tls-certificates",
    "nbd://h/x?cache=none, not writeback or writethrough",
    "nbd://h:0/x, no port of 1 to 65535",
    "nbd://h:65536/x, Port number out of range",
    "nbd://h/x?reconnect, not name=value",
  })
  void refusesWhatItDoesNotUnderstand(String text, String words) {
    assertThatThrownBy(() -> NbdUri.parse(text))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("expected nbd://HOST[:PORT]/NAME or nbd+unix:///NAME?socket=PATH")
        .hasMessageContaining(words);
  }
}

package io.netchannel.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class HookMessageTest {
  @Test
  void decodesWordsAndXml() {
    assertThat(decode("hook my%20guest%25%c3%a9 migrate begin -\n<domain>\n</domain>\n"))
        .isEqualTo(new HookCall("my guest%é", "migrate", "begin", "-", "<domain>\n</domain>\n"));
    assertThat(decode("hook g reconnect begin %\n"))
        .isEqualTo(new HookCall("g", "reconnect", "begin", "", ""));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "hook g start begin -",
        "hook g start begin\n",
        "hook g start begin - -\n",
        "look g start begin -\n",
        "hook g%2 start begin -\n",
        "hook g%zz start begin -\n",
        "\n",
      })
  void saysWhatItExpected(String message) {
    assertThatThrownBy(() -> decode(message)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void encodesReplies() {
    assertThat(HookMessage.encodeReply(HookReply.OK)).asString().isEqualTo("0\n");
    assertThat(HookMessage.encodeReply(HookReply.refuse("no\nway")))
        .asString()
        .as("in one line of libvirt's log")
        .isEqualTo("1\nno; way\n");
  }

  private static HookCall decode(String message) {
    return HookMessage.decodeCall(message.getBytes(StandardCharsets.UTF_8));
  }
}

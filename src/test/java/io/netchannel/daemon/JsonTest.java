package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class JsonTest {
  @Test
  void whatIsWrittenIsReadAgain() {
    Map<String, Object> value = new LinkedHashMap<>();
    value.put("text", "a \"quoted\" \u00e4\n");
    value.put("number", Long.MAX_VALUE);
    value.put("real", 0.5);
    value.put("yes", true);
    value.put("nothing", null);
    value.put("list", Arrays.asList(1L, List.of(), Map.of("a", "b")));
    assertThat(Json.parse(Json.write(value))).isEqualTo(value);
    assertThat(Json.parse(Json.writePretty(value))).isEqualTo(value);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "{", "{\"a\":}", "{} {}", "[1", "nope"})
  void whatIsNotJsonIsRefused(String text) {
    assertThatThrownBy(() -> Json.parse(text)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void deepNestingDoesNotOverflowTheStack() {
    assertThatThrownBy(() -> Json.parse("[".repeat(500) + "]".repeat(500)))
        .isInstanceOf(IllegalArgumentException.class);
  }
}

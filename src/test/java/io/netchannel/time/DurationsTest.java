package io.netchannel.time;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Splitter;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class DurationsTest {
  /** All that any place of the product has ever understood. */
  @ParameterizedTest
  @CsvSource({
    "50us, PT0.00005S",
    "300ms, PT0.3S",
    "10s, PT10S",
    "2m, PT2M",
    "2min, PT2M",
    "1h, PT1H",
    "0s, PT0S",
    "999999999s, PT999999999S"
  })
  void understands(String text, Duration expected) {
    assertThat(Durations.parse(text)).contains(expected);
  }

  @Test
  void spacesDoNotMatter() {
    assertThat(Durations.parse(" 30 s ")).contains(Duration.ofSeconds(30));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "10", "s", "-1s", "1.5s", "1d", "1 minute", "1000000000s", "1s 1s"})
  void refuses(String text) {
    assertThat(Durations.parse(text)).isEmpty();
  }

  @Test
  void itsExamplesAreSome() {
    for (String example : Splitter.onPattern(", | or ").split(Durations.EXAMPLES)) {
      assertThat(Durations.parse(example)).as(example).isPresent();
    }
  }
}

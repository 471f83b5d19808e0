package io.netchannel.text;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class SizesTest {
  /** All that the configuration has ever understood. */
  @ParameterizedTest
  @CsvSource({
    "512K, 524288",
    "50M, 52428800",
    "2G, 2147483648",
    "2g, 2147483648",
    "8MiB, 8388608",
    "8MB, 8388608",
    "' 8 M ', 8388608",
    "0K, 0",
    "999999999G, 1073741822926258176"
  })
  void understands(String text, long bytes) {
    assertThat(Sizes.parse(text)).hasValue(bytes);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "M", "50", "-1M", "1.5M", "1T", "50M/s", "1000000000K", "1M 1M"})
  void refuses(String text) {
    assertThat(Sizes.parse(text)).isEmpty();
  }
}

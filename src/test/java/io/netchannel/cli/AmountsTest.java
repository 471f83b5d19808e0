package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class AmountsTest {
  @ParameterizedTest
  @CsvSource({
    "0, 0 B",
    "1023, 1023 B",
    "1024, 1.0 KiB",
    "1610612736, 1.5 GiB",
    "1125899906842624, 1.0 PiB",
    "9223372036854775807, 8192.0 PiB"
  })
  void sizes(long bytes, String words) {
    assertThat(Amounts.size(bytes)).isEqualTo(words);
  }

  @ParameterizedTest
  @CsvSource({
    "44344884428, 103079215104, 41.3 of 96.0 GiB",
    "0, 103079215104, 0.0 of 96.0 GiB",
    "12, 1000, 12 of 1000 B"
  })
  void parts(long bytes, long total, String words) {
    assertThat(Amounts.part(bytes, total)).isEqualTo(words);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0 B/s",
    "9, 9 B/s",
    "3250586, 3.1 MiB/s",
    "190840832, 182 MiB/s",
    "10485760, 10 MiB/s"
  })
  void rates(long bytes, String words) {
    assertThat(Amounts.rate(bytes)).isEqualTo(words);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0 ms",
    "999, 999 ms",
    "1000, 1.0 s",
    "9999, 9.9 s",
    "10000, 10 s",
    "59999, 59 s",
    "60000, 1 min",
    "552000, 9 min 12 s",
    "3599999, 59 min 59 s",
    "3600000, 1 h",
    "7500000, 2 h 5 min"
  })
  void times(long millis, String words) {
    assertThat(Amounts.time(millis)).isEqualTo(words);
  }

  @ParameterizedTest
  @CsvSource({"0, 0 s", "59, 59 s", "60, 1 min", "241, 5 min", "300, 5 min", "7441, 2 h 5 min"})
  void estimates(long seconds, String words) {
    assertThat(Amounts.estimate(seconds)).isEqualTo(words);
  }
}

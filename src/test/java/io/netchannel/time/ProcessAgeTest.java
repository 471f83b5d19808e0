package io.netchannel.time;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;

final class ProcessAgeTest {
  /** Of proc(5), with a name that tries to be two fields. */
  private static final String STAT =
      "4711 (net) chan (x) S 1 4711 4711 0 -1 4194560 99 0 0 0 12 3 0 0 20 0 37 0 360050 1 2 3\n";

  @Test
  void itIsTheHostsAgeLessThatAtTheStart() {
    assertThat(ProcessAge.of(STAT, "3602.75 7100.10\n")).isEqualTo(Duration.ofMillis(2_250));
  }

  /** Both are rounded down, to 10 ms each. */
  @Test
  void itIsNeverNegative() {
    assertThat(ProcessAge.of(STAT, "3600.49 7100.10\n")).isEqualTo(Duration.ZERO);
  }

  @Test
  void whatIsNotAProcessIsRefused() {
    assertThatThrownBy(() -> ProcessAge.of("4711 (short) S 1 2\n", "1.00 1.00\n"))
        .isInstanceOf(IllegalArgumentException.class);
  }

  /** It has been loaded and has run tests: that is more than one step of the kernel's clock. */
  @Test
  void thisProcessHasAnAge() {
    Duration first = ProcessAge.now();
    assertThat(first).isPositive();
    assertThat(ProcessAge.now()).isGreaterThanOrEqualTo(first);
  }
}

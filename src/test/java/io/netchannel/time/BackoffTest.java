package io.netchannel.time;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class BackoffTest {
  private static final Duration FIRST = Duration.ofMillis(50);
  private static final Duration LONGEST = Duration.ofSeconds(2);

  @Test
  void doublesUpToTheLongestAndBeginsAnew() {
    Backoff backoff = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(30));
    assertThat(IntStream.range(0, 7).mapToObj(i -> backoff.next().toSeconds()))
        .containsExactly(1L, 2L, 4L, 8L, 16L, 30L, 30L);
    backoff.reset();
    assertThat(backoff.next()).isEqualTo(Duration.ofSeconds(1));
  }

  @Test
  void manyDoNotComeBackAsOne() {
    Backoff plain = new Backoff(FIRST, LONGEST);
    Backoff one = Backoff.scattered(FIRST, LONGEST, new Random(1));
    Backoff other = Backoff.scattered(FIRST, LONGEST, new Random(2));
    for (int attempt = 0; attempt < 100; attempt++) {
      Duration whole = plain.next();
      Duration delay = one.next();
      assertThat(delay).isBetween(whole.dividedBy(2), whole).isNotEqualTo(other.next());
    }
  }

  @Test
  void aDelayOfNothingIsRefused() {
    assertThatThrownBy(() -> new Backoff(Duration.ZERO, LONGEST))
        .hasMessageContaining("expected 0 < first <= longest");
    assertThatThrownBy(() -> new Backoff(LONGEST, FIRST))
        .hasMessageContaining("expected 0 < first <= longest");
  }
}

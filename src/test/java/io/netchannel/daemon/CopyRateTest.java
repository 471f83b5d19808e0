package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

final class CopyRateTest {
  private static final long MIB = 1 << 20;

  private final CopyRate rate = new CopyRate();

  /** As often as it is looked at. */
  private void runs(int fromSecond, int toSecond, long beganWith, long bytesPerSecond) {
    for (int tenth = fromSecond * 10; tenth <= toSecond * 10; tenth++) {
      long bytes = beganWith + (tenth - fromSecond * 10L) * bytesPerSecond / 10;
      rate.at(TimeUnit.MILLISECONDS.toNanos(tenth * 100L), bytes);
    }
  }

  @Test
  void nothingIsKnownInTheBeginning() {
    rate.at(5, 0);
    assertThat(rate.bytesPerSecond()).isZero();
    assertThat(rate.left(MIB)).isEmpty();
  }

  @Test
  void whatIsShownIsTheRateOfTheLastSeconds() {
    runs(0, 60, 0, 100 * MIB);
    assertThat(rate.bytesPerSecond()).isEqualTo(100 * MIB);
    assertThat(rate.left(1000 * MIB)).contains(Duration.ofSeconds(10));
    runs(60, 80, 6000 * MIB, MIB);
    assertThat(rate.bytesPerSecond()).isEqualTo(MIB);
  }

  @Test
  void oneThatStandsStillTakesForEver() {
    runs(0, 20, 0, MIB);
    runs(20, 40, 20 * MIB, 0);
    assertThat(rate.bytesPerSecond()).isZero();
    assertThat(rate.left(MIB)).isEmpty();
  }
}

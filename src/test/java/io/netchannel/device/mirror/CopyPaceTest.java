package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

final class CopyPaceTest {
  private static final long MILLI = TimeUnit.MILLISECONDS.toNanos(1);

  private final CopyPace pace = new CopyPace(0);
  private long nanos;

  @Test
  void anIdleGuestIsNotWaitedFor() {
    assertThat(pace.allowed()).isEqualTo(CopyPace.MOST);
    windows(1, 0, 0);
    assertThat(pace.allowed()).isEqualTo(CopyPace.ALONE);
    guest(1, MILLI);
    assertThat(pace.allowed()).as("somebody is there").isEqualTo(CopyPace.MOST);
    windows(1, 1, MILLI);
    assertThat(pace.allowed()).isEqualTo(CopyPace.MOST);
  }

  /** A guest that stands still because of the copies is no reason for more of them. */
  @Test
  void whoHasBeenSlowedDownIsGivenTimeToBeBack() {
    windows(4, 100, MILLI);
    windows(5, 100, 5 * MILLI);
    assertThat(pace.allowed()).isEqualTo(1);
    windows(1, 5, 50 * MILLI);
    assertThat(pace.allowed()).isEqualTo(2);
  }

  @Test
  void aGuestIsMeasuredWithoutCopiesFirst() {
    windows(1, 100, MILLI);
    assertThat(pace.allowed()).isZero();
    windows(3, 100, MILLI);
    assertThat(pace.allowed()).isEqualTo(CopyPace.MOST);
  }

  @Test
  void copiesAreHalvedWhileTheGuestIsSlowerByHalfAndAMillisecond() {
    windows(4, 100, MILLI);
    windows(5, 100, 2 * MILLI);
    assertThat(pace.allowed()).isEqualTo(CopyPace.MOST);
    windows(1, 100, 5 * MILLI);
    assertThat(pace.allowed()).isEqualTo(CopyPace.MOST / 2);
    windows(5, 100, 5 * MILLI);
    assertThat(pace.allowed()).as("never none").isEqualTo(1);
  }

  /** A twentieth of the requests may be as slow as they like. */
  @Test
  void itIsTheNinetyFifthThatCounts() {
    windows(4, 100, MILLI);
    for (int window = 0; window < 5; window++) {
      guest(96, MILLI);
      guest(4, 500 * MILLI);
      nanos += CopyPace.WINDOW_NANOS;
      pace.tick(nanos);
    }
    assertThat(pace.allowed()).isEqualTo(CopyPace.MOST);
  }

  @Test
  void aLoadThatHasChangedIsMeasuredAgain() {
    windows(4, 100, MILLI);
    windows(97, 100, 20 * MILLI);
    assertThat(pace.allowed()).isEqualTo(1);
    windows(5, 100, 20 * MILLI);
    windows(9, 100, 20 * MILLI);
    assertThat(pace.allowed()).isEqualTo(CopyPace.MOST);
  }

  @Test
  void theBandwidthIsKept() {
    pace.bandwidth(1_000_000);
    long taken = 0;
    for (int step = 0; step < 1000; step++) {
      nanos += 10 * MILLI;
      while (pace.take(262_144, nanos)) {
        taken += 262_144;
      }
    }
    assertThat(taken).isBetween(9_000_000L, 11_000_000L);
    pace.bandwidth(0);
    assertThat(pace.take(1L << 30, nanos)).isTrue();
  }

  private void windows(int count, int requests, long each) {
    for (int window = 0; window < count; window++) {
      guest(requests, each);
      nanos += CopyPace.WINDOW_NANOS;
      pace.tick(nanos);
    }
  }

  private void guest(int requests, long each) {
    for (int i = 0; i < requests; i++) {
      pace.guestWaited(each);
    }
  }
}

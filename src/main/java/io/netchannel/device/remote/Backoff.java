package io.netchannel.device.remote;

import java.time.Duration;
import java.util.random.RandomGenerator;

/** Delays between attempts: doubled up to a bound, and never the same for two devices. */
final class Backoff {
  private final long firstMillis;
  private final long longestMillis;
  private final RandomGenerator random;
  private long nextMillis;

  Backoff(Duration first, Duration longest, RandomGenerator random) {
    firstMillis = first.toMillis();
    longestMillis = longest.toMillis();
    this.random = random;
    nextMillis = firstMillis;
  }

  /** The next delay: the half of the current bound and a random part of the other half. */
  long nextMillis() {
    long bound = nextMillis;
    nextMillis = Math.min(2 * bound, longestMillis);
    return bound / 2 + random.nextLong(bound / 2 + 1);
  }

  /** It worked. */
  void reset() {
    nextMillis = firstMillis;
  }
}

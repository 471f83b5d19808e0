package io.netchannel.device.nbd;

import java.util.Random;
import java.util.concurrent.TimeUnit;

/**
 * When to try again to reach a lost server: at once, then after 50 ms, 100 ms ... 2 s, each less a
 * random part of up to a half, so that the clients of a server that comes back do not come as one.
 */
final class Reconnection {
  private static final long FIRST_DELAY_MILLIS = 50;

  /** A guest waits: a server that is back is found soon, and one that is down costs little. */
  private static final long LONGEST_DELAY_MILLIS = 2000;

  private final Random random;
  private long nextMillis;

  Reconnection(Random random) {
    this.random = random;
  }

  /** How long to wait before the next try. */
  long delayMillis() {
    long delay = nextMillis;
    nextMillis = Math.min(LONGEST_DELAY_MILLIS, Math.max(FIRST_DELAY_MILLIS, 2 * delay));
    return delay - (long) (random.nextDouble() * delay / 2);
  }

  /**
   * A connection was lost. One that was of use for long enough makes its loss a new one; a server
   * that breaks at a request again and again, when that is repeated, is not tried ever faster.
   *
   * @param replies it brought
   * @param livedNanos how long it lasted
   */
  void lost(long replies, long livedNanos) {
    if (replies > 0 && livedNanos >= TimeUnit.MILLISECONDS.toNanos(LONGEST_DELAY_MILLIS)) {
      nextMillis = 0;
    }
  }
}

package io.netchannel.device.nbd;

import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.Random;

/**
 * When to try again to reach a lost server: at once, then after 50 ms, 100 ms ... 2 s, each less a
 * random part of up to a half, so that the clients of a server that comes back do not come as one.
 */
final class Reconnection {
  private static final Duration FIRST_DELAY = Duration.ofMillis(50);

  /** A guest waits: a server that is back is found soon, and one that is down costs little. */
  private static final Duration LONGEST_DELAY = Duration.ofSeconds(2);

  private final Backoff backoff;
  private boolean atOnce = true;

  Reconnection(Random random) {
    backoff = Backoff.scattered(FIRST_DELAY, LONGEST_DELAY, random);
  }

  /** How long to wait before the next try. */
  long delayMillis() {
    if (atOnce) {
      atOnce = false;
      return 0;
    }
    return backoff.next().toMillis();
  }

  /**
   * A connection was lost. One that was of use for long enough makes its loss a new one; a server
   * that breaks at a request again and again, when that is repeated, is not tried ever faster.
   *
   * @param replies it brought
   * @param livedNanos how long it lasted
   */
  void lost(long replies, long livedNanos) {
    if (replies > 0 && livedNanos >= LONGEST_DELAY.toNanos()) {
      backoff.reset();
      atOnce = true;
    }
  }
}

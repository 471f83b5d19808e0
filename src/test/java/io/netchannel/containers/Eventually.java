package io.netchannel.containers;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** Assertions on what other hosts do in their own time. */
final class Eventually {
  /** Reconnecting takes up to 20 s by itself; this is for busy machines too. */
  private static final Duration BOUND = Duration.ofSeconds(90);

  /** A command in a container costs a tenth of a second of a processor, and several classes ask. */
  private static final long POLL_MILLIS = 500;

  private Eventually() {}

  static void holds(ThrowingCallable assertion) {
    holds(BOUND, assertion);
  }

  /** Tries it again and again; fails as it did the last time when the bound passes. */
  static void holds(Duration bound, ThrowingCallable assertion) {
    long end = System.nanoTime() + bound.toNanos();
    while (true) {
      try {
        assertion.call();
        return;
      } catch (Throwable e) {
        if (System.nanoTime() - end > 0) {
          throw new AssertionError("in vain for " + bound + ": " + e.getMessage(), e);
        }
      }
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(POLL_MILLIS));
    }
  }
}

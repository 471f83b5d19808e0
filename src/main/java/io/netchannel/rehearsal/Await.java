package io.netchannel.rehearsal;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** Waits for conditions, each with a bound. */
public final class Await {
  private static final Duration PERIOD = Duration.ofMillis(1);

  private Await() {}

  /**
   * Waits until the condition is true.
   *
   * @param what completes "waited 5 s for ..."
   * @throws IllegalStateException when the bound passes first
   */
  public static void until(String what, Duration bound, BooleanSupplier condition) {
    if (!within(bound, condition)) {
      throw new IllegalStateException(
          "waited %d s for %s, in vain".formatted(bound.toSeconds(), what));
    }
  }

  /**
   * Waits until the condition is true; false when the bound passes first.
   *
   * @throws IllegalStateException when the thread is interrupted
   */
  public static boolean within(Duration bound, BooleanSupplier condition) {
    long begun = System.nanoTime();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - begun > bound.toNanos()) {
        return false;
      }
      if (Thread.currentThread().isInterrupted()) {
        throw new IllegalStateException("interrupted while waiting");
      }
      LockSupport.parkNanos(PERIOD.toNanos());
    }
    return true;
  }
}

package io.netchannel.xen;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** Waits for what another thread or process does. */
public final class Waiting {
  /** Far more than anything here takes; reached only when it does not happen at all. */
  private static final Duration BOUND = Duration.ofSeconds(60);

  private static final Duration POLL = Duration.ofMillis(1);

  private Waiting() {}

  /** Returns once {@code condition} holds, and fails when it does not within the bound. */
  public static void until(String what, BooleanSupplier condition) {
    long end = System.nanoTime() + BOUND.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - end > 0) {
        throw new AssertionError("waited %s in vain: %s".formatted(BOUND, what));
      }
      LockSupport.parkNanos(POLL.toNanos());
    }
  }
}

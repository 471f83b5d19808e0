package io.netchannel.device.filter;

import java.time.Duration;
import java.util.Random;

/** A random time, up to a longest one. */
public final class Jitter {
  private final Random random;
  private final long mostNanos;

  /** Of this random source, whose numbers are taken one at a time. */
  public Jitter(Random random, Duration most) {
    this.random = random;
    mostNanos = most.toNanos();
  }

  /** The next one; any thread. */
  public synchronized long nextNanos() {
    return mostNanos == 0 ? 0 : (long) (random.nextDouble() * mostNanos);
  }
}

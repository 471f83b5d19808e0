package io.netchannel.daemon;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** How fast a copy goes: over the last ten seconds, so that the number can be read. */
final class CopyRate {
  private static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** Between two samples at least: what is shown changes once a second. */
  private static final long STEP_NANOS = TimeUnit.SECONDS.toNanos(1);

  private record Sample(long nanos, long bytes) {}

  // Guarded by this.
  private final Deque<Sample> samples = new ArrayDeque<>();

  /**
   * Takes note of how far it is.
   *
   * @param bytes since the begin; never less than before
   */
  synchronized void at(long nanos, long bytes) {
    if (samples.isEmpty() || nanos - samples.getLast().nanos >= STEP_NANOS) {
      samples.addLast(new Sample(nanos, bytes));
    }
    // One that is older stays: the window begins there.
    while (samples.size() > 2 && nanos - samples.getFirst().nanos > WINDOW_NANOS) {
      samples.removeFirst();
    }
  }

  synchronized long bytesPerSecond() {
    if (samples.size() < 2) {
      return 0;
    }
    long nanos = samples.getLast().nanos - samples.getFirst().nanos;
    double bytes = samples.getLast().bytes - samples.getFirst().bytes;
    return (long) (bytes * TimeUnit.SECONDS.toNanos(1) / nanos);
  }

  /** How long what is left takes at that rate; empty when it does not go on. */
  Optional<Duration> left(long bytesLeft) {
    long rate = bytesPerSecond();
    return rate == 0 ? Optional.empty() : Optional.of(Duration.ofSeconds(bytesLeft / rate));
  }
}

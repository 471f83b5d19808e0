package io.netchannel.midpoint;

import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * One attempt to seal, and the completion of its flush.
 *
 * <pre>
 *   DRAINING --nothing at the device: the manifest is known--> FLUSHING --flushed--> FLUSHED
 * </pre>
 *
 * A new object per attempt: the flush of one that ran out of time cannot be taken for a later
 * one's.
 */
final class Seal implements Completion {
  final CompletableFuture<Manifest> result = new CompletableFuture<>();
  final Duration bound;
  final long startNanos;
  final int incomplete;

  /** Null while DRAINING. */
  Manifest manifest;

  private final Consumer<Manifest> known;

  private final Runnable wake;
  private volatile Outcome flushed;

  Seal(Duration bound, long startNanos, int incomplete, Consumer<Manifest> known, Runnable wake) {
    this.bound = bound;
    this.startNanos = startNanos;
    this.incomplete = incomplete;
    this.known = known;
    this.wake = wake;
  }

  boolean isOverdue(long nowNanos) {
    return nowNanos - startNanos > bound.toNanos();
  }

  /** Nothing is at the device any more. */
  void know(Manifest what) {
    manifest = what;
    known.accept(what);
  }

  /** Null until the flush is complete. */
  Outcome flushed() {
    return flushed;
  }

  @Override
  public void complete(Outcome outcome) {
    flushed = outcome;
    wake.run();
  }
}

package io.netchannel.midpoint;

import io.netchannel.device.Completion;
import io.netchannel.device.Custody;
import io.netchannel.device.Outcome;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * One attempt to seal, and the completion of its flush.
 *
 * <pre>
 *   DRAINING --nothing at the device: the manifest is known--> FLUSHING --flushed--> FLUSHED
 *   ASKING ----the authority's custody is known, and with it the manifest-----------> FLUSHED
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

  /** Empty for a device without an authority. */
  private final Optional<CompletableFuture<Custody>> custody;

  private final Consumer<Manifest> known;
  private final Runnable wake;
  private volatile Outcome flushed;

  Seal(
      Duration bound,
      long startNanos,
      int incomplete,
      Optional<CompletableFuture<Custody>> custody,
      Consumer<Manifest> known,
      Runnable wake) {
    this.bound = bound;
    this.startNanos = startNanos;
    this.incomplete = incomplete;
    this.custody = custody;
    this.known = known;
    this.wake = wake;
    custody.ifPresent(
        future -> {
          var unused = future.whenComplete((result, failure) -> wake.run());
        });
  }

  boolean leaves() {
    return custody.isPresent();
  }

  /** What is left to the authority; empty while it is not known, and when there is none. */
  Optional<Custody> left() {
    return custody.filter(CompletableFuture::isDone).map(CompletableFuture::join);
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

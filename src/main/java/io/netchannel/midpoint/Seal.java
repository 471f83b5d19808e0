package io.netchannel.midpoint;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Completion;
import io.netchannel.device.Custody;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.StorageState;
import io.netchannel.midpoint.Manifest.Entry;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * One attempt to seal, and the completion of its flush. What a seal is to the mid-point, and what
 * becomes of it when it fails, is {@link MidPoint}'s.
 *
 * <pre>
 *   DRAINING --nothing at the device: the manifest is known--> FLUSHING --flushed--> FLUSHED
 *   ASKING ----the authority's custody is known, and with it the manifest-----------> FLUSHED
 * </pre>
 *
 * A new object per attempt: the flush of one that ran out of time cannot be taken for a later
 * one's. Owned by the agent's thread.
 */
final class Seal implements Completion {
  /** What a step has led to. */
  enum Progress {
    WAITS,
    SEALED,
    FAILED
  }

  /** Of the mid-point; what the seal needs of it. */
  record Parts(
      MidPointId id,
      long generation,
      RequestFlow flow,
      Device device,
      MidPointTrace trace,
      Runnable wake) {}

  private final CompletableFuture<Manifest> result = new CompletableFuture<>();
  private final Parts parts;
  private final Duration bound;
  private final long dataBytes;
  private final long startNanos;
  private final Consumer<Manifest> known;
  private final int incomplete;

  /** Writes that were at the device at its beginning. */
  private final int writesBefore;

  /** Empty for a device without an authority. */
  private final Optional<CompletableFuture<Custody>> custody;

  /** Null while DRAINING or ASKING. */
  private Manifest manifest;

  private volatile Outcome flushed;
  private Exception failure;

  /**
   * Begins it.
   *
   * @param dataBytes what the manifest may have of data
   * @param known told the manifest as soon as it is known
   */
  Seal(Parts parts, Duration bound, long dataBytes, long startNanos, Consumer<Manifest> known) {
    this.parts = parts;
    this.bound = bound;
    this.dataBytes = dataBytes;
    this.startNanos = startNanos;
    this.known = known;
    incomplete = parts.flow().table().issuedCount();
    writesBefore = parts.flow().writesAtDevice();
    custody = parts.device().custody();
    custody.ifPresent(
        future -> {
          var unused = future.whenComplete((held, problem) -> parts.wake().run());
        });
  }

  /** Whether what is at the device is left to its authority. */
  boolean leaves() {
    return custody.isPresent();
  }

  /** Completed by the mid-point, which first has to have become what it says. */
  CompletableFuture<Manifest> result() {
    return result;
  }

  /** Null while it is not known. */
  Manifest manifest() {
    return manifest;
  }

  /** How many requests were at the device at its beginning. */
  int incomplete() {
    return incomplete;
  }

  /** Of a seal that has FAILED. */
  Exception failure() {
    return failure;
  }

  /** Goes on as far as it gets without waiting. */
  Progress advance(long nowNanos) {
    if (nowNanos - startNanos > bound.toNanos()) {
      return fail(
          new TimeoutException(
              "%s: %d requests and %s at the device after %d ms; is its storage stuck?"
                  .formatted(
                      parts.id(),
                      parts.flow().table().issuedCount(),
                      manifest == null ? "no flush" : "a flush",
                      TimeUnit.NANOSECONDS.toMillis(bound.toNanos()))));
    }
    return leaves() ? ask() : drain();
  }

  private Progress ask() {
    if (!custody.get().isDone()) {
      return Progress.WAITS;
    }
    Custody held = custody.get().join();
    parts.flow().reap(); // what completed before that was known counts
    know(parts.flow().entries(held.writes(), dataBytes), Optional.of(withDone(held.storage())));
    parts.flow().left();
    trace();
    return Progress.SEALED;
  }

  /**
   * The state is that of the moment of custody. A write that has been answered since then is done
   * in the manifest, and nobody asks for it by its name: that it is not flushed is known here only.
   */
  private StorageState withDone(StorageState atCustody) {
    boolean done = parts.flow().writesAtDevice() < writesBefore;
    return new StorageState(atCustody.identity(), atCustody.unflushed() || done);
  }

  private Progress drain() {
    if (parts.flow().table().issuedCount() > 0) {
      return Progress.WAITS;
    }
    if (manifest == null) {
      // First of all it travels: the guest stands still.
      know(parts.flow().entries(dataBytes), Optional.empty());
      parts.device().flush(this);
      trace();
    }
    Outcome outcome = flushed;
    if (outcome == null) {
      return Progress.WAITS;
    }
    return switch (outcome) {
      case OK, UNSUPPORTED -> Progress.SEALED;
      case IO_ERROR, NO_SPACE ->
          fail(
              new IllegalStateException(
                  "%s: the device could not be flushed (%s); another host might not see what the guest has written"
                      .formatted(parts.id(), outcome)));
    };
  }

  private void know(List<Entry> entries, Optional<StorageState> left) {
    manifest =
        new Manifest(
            parts.generation(),
            parts.device().geometry().sizeBytes(),
            incomplete,
            ImmutableList.copyOf(entries),
            left);
    known.accept(manifest);
  }

  private void trace() {
    parts.trace().seal(parts.generation(), manifest.pending(), incomplete);
    manifest.entries().forEach(parts.trace()::hand);
  }

  private Progress fail(Exception reason) {
    failure = reason;
    return Progress.FAILED;
  }

  @Override
  public void complete(Outcome outcome) {
    flushed = outcome;
    parts.wake().run();
  }
}

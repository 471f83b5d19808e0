package io.netchannel.midpoint;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * One attempt to seal; how its kind of device comes to its manifest is the kind's. What a seal is
 * to the mid-point, and what becomes of it when it fails, is {@link MidPoint}'s.
 *
 * <pre>
 *   going on --the kind's steps, its manifest is known on the way--> SEALED
 *       +------bound passed, or the kind cannot--------------------> FAILED
 * </pre>
 *
 * A new object per attempt: what comes late of one that ran out of time cannot be taken for a later
 * one's. Owned by the agent's thread.
 *
 * @param <M> its kind's manifest
 */
public abstract class Seal<M extends Manifest> {
  /** What a step has led to. */
  public enum Progress {
    WAITS,
    SEALED,
    FAILED
  }

  /**
   * What is asked for.
   *
   * @param bound how long it may take
   * @param dataBytes what the manifest may have of data
   * @param known told the manifest as soon as it is known
   */
  public record Terms<M>(Duration bound, long dataBytes, Consumer<M> known) {}

  private final CompletableFuture<M> result = new CompletableFuture<>();
  private final DeviceFlow<?, M, ?, ?> flow;
  private final Terms<M> terms;
  private final long startNanos;
  private final int incomplete;

  /** Null while it is not known. */
  private M manifest;

  private Exception failure;

  /** Begins it. */
  protected Seal(DeviceFlow<?, M, ?, ?> flow, Terms<M> terms) {
    this.flow = flow;
    this.terms = terms;
    startNanos = flow.nowNanos();
    incomplete = flow.table().issuedCount();
  }

  /** Goes on as far as it gets without waiting. */
  protected abstract Progress step();

  /** What it waits for at the device beside requests, for people: " and ..."; empty for nothing. */
  protected String waitsFor() {
    return "";
  }

  /** The bound, then the kind's steps. */
  final Progress advance() {
    if (flow.nowNanos() - startNanos > terms.bound().toNanos()) {
      return fail(
          new TimeoutException(
              "%s: %d requests%s at the device after %d ms; is it stuck?"
                  .formatted(
                      flow.id(),
                      flow.table().issuedCount(),
                      waitsFor(),
                      TimeUnit.NANOSECONDS.toMillis(terms.bound().toNanos()))));
    }
    return step();
  }

  /** Completed by the mid-point, which first has to have become what it says. */
  final CompletableFuture<M> result() {
    return result;
  }

  /** Null while it is not known. */
  protected final M manifest() {
    return manifest;
  }

  /** How many requests were at the device at its beginning. */
  protected final int incomplete() {
    return incomplete;
  }

  /** What the manifest may have of data. */
  protected final long dataBytes() {
    return terms.dataBytes();
  }

  /** Of a seal that has FAILED. */
  final Exception failure() {
    return failure;
  }

  /** It is known. */
  protected final void know(M found) {
    manifest = found;
    terms.known().accept(found);
  }

  protected final Progress fail(Exception reason) {
    failure = reason;
    return Progress.FAILED;
  }
}

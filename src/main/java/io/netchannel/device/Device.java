package io.netchannel.device;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A block device that requests are sent to: a file, a block device, an NBD export or a device on
 * another host; or a filter around one of them.
 *
 * <p>Requests are asynchronous and may complete in any order on any thread, also on the caller's
 * before the method returns. The device may run overlapping requests in any order: who needs an
 * order waits for the completion. Offsets and lengths are in bytes, multiples of {@link
 * DeviceGeometry#logicalBlockBytes}, within the device; the caller has validated that.
 *
 * <p>A submitted request is always completed, exactly once, even when the device is closed
 * meanwhile. No method throws for an I/O problem.
 */
public interface Device extends Backend {

  /** Size, block sizes and abilities, fixed while the device is open. */
  DeviceGeometry geometry();

  /**
   * Reads {@code data.remaining()} bytes at {@code offsetBytes} into {@code data}.
   *
   * @param data a direct buffer, aligned as {@link BlockBuffers} makes them; owned by the device
   *     until completion; its position and limit are left as they are
   */
  void read(long offsetBytes, ByteBuffer data, Completion completion);

  /** Writes {@code data.remaining()} bytes at {@code offsetBytes}; {@code data} as for reads. */
  void write(long offsetBytes, ByteBuffer data, Completion completion);

  /** Makes every write that completed before this call durable. */
  void flush(Completion completion);

  /** Tells that the range is not needed any more; reading it afterwards gives zeros or old data. */
  void discard(long offsetBytes, long lengthBytes, Completion completion);

  /**
   * Makes the range read as zeros, without data on the way. As a write it is durable only with the
   * next flush, and until then a crash of the device may bring back what was there.
   *
   * <p>After {@link Outcome#UNSUPPORTED} the range has what it had, or zeros: the caller writes
   * zeros instead. Some devices can tell that only when they have tried, see {@link
   * DeviceGeometry#canZero}.
   *
   * @param mayDeallocate whether the device may give the range's storage back, as a hole; a write
   *     there may find it full afterwards. If not, the range keeps what storage it has
   */
  default void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    completion.complete(Outcome.UNSUPPORTED);
  }

  /**
   * Which parts of a range are known to read as zeros without reading them. A hint for who copies
   * the device: never wrong, but for what is written meanwhile, and often incomplete. Does not wait
   * for the storage, and always completes, never exceptionally: what cannot be found out is data.
   *
   * @return completed on any thread, which must not be kept waiting
   */
  default CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
    return CompletableFuture.completedFuture(Extents.ALL_DATA);
  }

  /**
   * The same device for a caller with a thread to spare: where it has threads of its own, it may
   * then run reads and writes on the caller's, which is quicker than to hand them over.
   *
   * @param evenIfItWaits false for what surely ends in microseconds only (data in memory), true
   *     also for what waits for the storage
   * @return this, or a view of it; never closed by itself
   */
  default Device onCallersThread(boolean evenIfItWaits) {
    return this;
  }

  /**
   * What is here is one of two legs of the user's disk from now on: with a newer generation its
   * authority lets in only who knows of both ({@link OpenOptions#leg}). What a device without an
   * authority of its own does not care for.
   */
  default void becomesLeg() {}

  /**
   * The user's disk is elsewhere from now on, and what is here will be out of date. Its authority
   * keeps that in mind: nobody gets in any more as the same user with a newer generation, unless it
   * comes to overwrite all of it ({@link OpenOptions#anew}) or a person says that it may. This
   * device goes on as it is, may be opened again with the same generation, and is closed as ever;
   * it keeps its generation from then on. Told twice is the same as once.
   *
   * @param to the new place in words; what is too long is cut
   * @return completed when that is durable, at once where there is no authority; never waits for
   *     the storage or the network. While the authority cannot be reached it waits as requests do.
   *     Completed exceptionally with the reason when it is not noted, as the authority is too old
   *     or cannot store it, and when the device is closed first, which leaves open whether it is.
   *     On any thread, which must not be kept waiting
   */
  default CompletableFuture<Void> moved(String to) {
    return CompletableFuture.completedFuture(null);
  }

  /**
   * What is here is the user's disk from now on: the end of what was begun with {@link
   * OpenOptions#anew}, and of {@link #moved}. Told twice is the same as once: who does not know
   * whether it was noted, as it was killed just then, opens the device anew and tells it again.
   *
   * @return as that of {@link #moved}; an authority that is too old refuses nobody, and has nothing
   *     to note
   */
  default CompletableFuture<Void> arrived() {
    return CompletableFuture.completedFuture(null);
  }

  /**
   * What its authority has of the user. The authority finishes that before it lets a newer
   * generation in and then tells what became of it, so whoever goes on elsewhere need not wait for
   * it here. Known soon, whatever the storage and the network do; what completes before it is known
   * has been told before.
   *
   * @return empty when there is no such authority: what is at the device has to be waited for
   */
  default Optional<CompletableFuture<Custody>> custody() {
    return Optional.empty();
  }

  /**
   * What became of a write that it was opened with ({@link Inheritance}).
   *
   * @return empty when the authority does not know: it is not done and never will be by itself
   */
  default Optional<Outcome> inherited(RequestName write) {
    return Optional.empty();
  }

  /**
   * Whether writes that it has completed may be lost, because they were not flushed: no flush of it
   * succeeds any more, until it is opened anew. Waits for nothing.
   */
  default boolean hasLostWrites() {
    return false;
  }
}

package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import io.netchannel.device.BlockBuffers;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * Page-aligned direct buffers in sizes of powers of two, from a page to the longest request. Owned
 * by one thread.
 *
 * <p>Free buffers are kept for their size; when the budget is needed for another size they are let
 * go, and the collector frees them.
 */
final class BufferPool {
  private static final int SMALLEST_BYTES = BlockBuffers.ALIGNMENT_BYTES;
  private static final int SMALLEST_LOG2 = Integer.numberOfTrailingZeros(SMALLEST_BYTES);
  private static final int CLASSES =
      Integer.numberOfTrailingZeros(MidPointLimits.MAX_REQUEST_BYTES) - SMALLEST_LOG2 + 1;

  private final long budgetBytes;
  private final List<ArrayDeque<ByteBuffer>> free = new ArrayList<>(CLASSES);
  private long usedBytes;
  private long idleBytes;

  BufferPool(long budgetBytes) {
    this.budgetBytes = budgetBytes;
    for (int i = 0; i < CLASSES; i++) {
      free.add(new ArrayDeque<>());
    }
  }

  /**
   * A buffer with position 0 and limit {@code lengthBytes}, its content undefined.
   *
   * @return null when the budget does not allow it
   */
  ByteBuffer acquire(long lengthBytes) {
    checkArgument(
        lengthBytes > 0 && lengthBytes <= MidPointLimits.MAX_REQUEST_BYTES,
        "a request of %s bytes: expected 1 to %s",
        lengthBytes,
        MidPointLimits.MAX_REQUEST_BYTES);
    int sizeClass = sizeClass(lengthBytes);
    int sizeBytes = SMALLEST_BYTES << sizeClass;
    if (usedBytes + sizeBytes > budgetBytes) {
      return null;
    }
    ByteBuffer buffer = free.get(sizeClass).pollLast();
    if (buffer == null) {
      trimIdle(budgetBytes - usedBytes - sizeBytes);
      buffer = BlockBuffers.allocate(sizeBytes);
    } else {
      idleBytes -= sizeBytes;
    }
    usedBytes += sizeBytes;
    return buffer.clear().limit((int) lengthBytes);
  }

  void release(ByteBuffer buffer) {
    int sizeBytes = buffer.capacity();
    usedBytes -= sizeBytes;
    checkState(usedBytes >= 0, "a buffer of %s bytes was released twice", sizeBytes);
    free.get(sizeClass(sizeBytes)).addLast(buffer);
    idleBytes += sizeBytes;
  }

  /** What can still be acquired. */
  long availableBytes() {
    return budgetBytes - usedBytes;
  }

  private void trimIdle(long keepBytes) {
    for (int i = CLASSES - 1; i >= 0 && idleBytes > keepBytes; i--) {
      while (idleBytes > keepBytes && free.get(i).pollLast() != null) {
        idleBytes -= (long) SMALLEST_BYTES << i;
      }
    }
  }

  private static int sizeClass(long lengthBytes) {
    return lengthBytes <= SMALLEST_BYTES
        ? 0
        : Long.SIZE - Long.numberOfLeadingZeros(lengthBytes - 1) - SMALLEST_LOG2;
  }
}

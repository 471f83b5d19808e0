package io.netchannel.vdevice;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What both ends of a ring agree on: four indexes at the start of the shared memory, then as many
 * slots as fit, rounded down to a power of two (io/ring.h, DEFINE_RING_TYPES). A slot holds a
 * request and later a response, not to the same request.
 *
 * <p>Indexes run freely over 32 bits and wrap; only differences mean something.
 */
public final class SharedRing {
  /** Index after the last request, written by the frontend. */
  public static final int REQ_PROD_OFFSET = 0;

  /** The frontend notifies when req_prod passes this, written by the backend. */
  public static final int REQ_EVENT_OFFSET = 4;

  /** Index after the last response, written by the backend. */
  public static final int RSP_PROD_OFFSET = 8;

  /** The backend notifies when rsp_prod passes this, written by the frontend. */
  public static final int RSP_EVENT_OFFSET = 12;

  /** Four indexes and padding. */
  public static final int HEADER_BYTES = 64;

  /** Ring pages are page aligned, so every index is aligned and its load or store atomic. */
  private static final VarHandle INDEX =
      MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private SharedRing() {}

  /** The number of slots in {@code memoryBytes} of ring pages. */
  public static int slots(int memoryBytes, int slotBytes) {
    return Integer.highestOneBit((memoryBytes - HEADER_BYTES) / slotBytes);
  }

  /**
   * Reads an index the other end writes. What the other end stored before it is visible after:
   * without that, a slot could be read as it was before it was filled.
   */
  public static int readIndex(ByteBuffer memory, int offset) {
    return (int) INDEX.getAcquire(memory, offset);
  }

  /**
   * How many requests of a ring have no response yet, for somebody who is neither end of it.
   *
   * @param slots of the ring: a frontend has never more requests out
   * @throws RingBrokenException when the indexes cannot be those of such a ring
   */
  public static int unanswered(ByteBuffer memory, int slots) throws RingBrokenException {
    // The responses first: with a frontend that runs, too many are seen unanswered, never too few.
    int answered = readIndex(memory, RSP_PROD_OFFSET);
    int requested = readIndex(memory, REQ_PROD_OFFSET);
    if (Integer.compareUnsigned(requested - answered, slots) > 0) {
      throw new RingBrokenException(
          "req_prod is %s and rsp_prod %s on a ring of %d slots"
              .formatted(
                  Integer.toUnsignedString(requested), Integer.toUnsignedString(answered), slots));
    }
    return requested - answered;
  }

  /**
   * Writes an index of our own. What we stored before is visible to whoever reads the index:
   * without that, the other end could read a slot that is not filled yet.
   */
  public static void writeIndex(ByteBuffer memory, int offset, int index) {
    INDEX.setRelease(memory, offset, index);
  }

  /**
   * Whether a producer that moved from {@code before} to {@code after} has passed {@code event}.
   */
  public static boolean passed(int event, int before, int after) {
    return Integer.compareUnsigned(after - event, after - before) < 0;
  }
}

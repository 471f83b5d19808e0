package io.netchannel.server.nbd;

import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * Slots of a connection: bounded in number and memory, used again and again. Guarded by its owner.
 */
final class SlotPool {
  /** Data of all requests of one connection, what is kept for later ones included. */
  private static final int WINDOW_BYTES = RequestHeader.MAX_PAYLOAD_BYTES;

  /** Requests of one connection; a client that sends more waits. */
  static final int MAX_REQUESTS = 512;

  private static final int SMALLEST_BYTES = 4096;
  private static final int CLASSES =
      Integer.numberOfTrailingZeros(WINDOW_BYTES)
          - Integer.numberOfTrailingZeros(SMALLEST_BYTES)
          + 1;

  private final Consumer<Slot> done;
  private final BooleanSupplier stopped;
  private final Slot[] idle = new Slot[CLASSES];
  private long allocatedBytes;
  private int inUse;

  SlotPool(Consumer<Slot> done, BooleanSupplier stopped) {
    this.done = done;
    this.stopped = stopped;
  }

  /** Null when there is no room now. */
  Slot obtain(int dataBytes) {
    if (inUse == MAX_REQUESTS) {
      return null;
    }
    int kind = kindOf(dataBytes);
    Slot slot = idle[kind];
    if (slot != null) {
      idle[kind] = slot.next;
      slot.next = null;
    } else {
      int bytes = SMALLEST_BYTES << kind;
      makeRoom(bytes);
      if (allocatedBytes + bytes > WINDOW_BYTES) {
        return null;
      }
      slot = new Slot(bytes, done, stopped);
      allocatedBytes += bytes;
    }
    inUse++;
    return slot;
  }

  /** Drops idle ones, the largest first. */
  private void makeRoom(int bytes) {
    for (int i = CLASSES - 1; i >= 0; i--) {
      while (idle[i] != null && allocatedBytes + bytes > WINDOW_BYTES) {
        allocatedBytes -= idle[i].capacityBytes;
        idle[i] = idle[i].next;
      }
    }
  }

  private static int kindOf(int dataBytes) {
    return dataBytes <= SMALLEST_BYTES
        ? 0
        : Integer.SIZE
            - Integer.numberOfLeadingZeros(dataBytes - 1)
            - Integer.numberOfTrailingZeros(SMALLEST_BYTES);
  }

  int inUse() {
    return inUse;
  }

  /** One that was obtained is not used, and not given back either. */
  void abandon() {
    inUse--;
  }

  void giveBack(Slot slot) {
    int kind = kindOf(slot.capacityBytes);
    slot.next = idle[kind];
    idle[kind] = slot;
    inUse--;
  }
}

package io.netchannel.vdevice;

import java.nio.ByteBuffer;

/**
 * Holds the responses of a ring back that has more of them to give than requests ({@link
 * InheritedRequests}). A response lies in the slot that has its own index: whoever gives one ahead
 * of the request with that index may write over a request that nobody has taken.
 *
 * <pre>
 *                        index of the response
 *      below req_cons: covered            from req_cons on: uncovered
 *   written: the slot is copied           written while req_prod is req_cons: nothing is in the slot
 *                                         else held, until requests are taken
 * </pre>
 *
 * What remains is a frontend that puts a request into the slot in that instant, before it takes the
 * response. It takes responses as soon as it is notified, and a driver with one device mostly waits
 * for this very answer: such responses are counted.
 */
final class ResponseCredit {
  private final BackRing ring;
  private final ByteBuffer memory;
  private final int slotBytes;

  /** Held responses, one after the other, used in turn. */
  private final ByteBuffer held;

  private final int capacity;
  private int first;
  private int count;
  private long uncovered;

  /**
   * @param memory of the ring
   * @param inherited how many responses may be ahead of the requests
   */
  ResponseCredit(BackRing ring, ByteBuffer memory, int inherited) {
    this.ring = ring;
    this.memory = memory;
    slotBytes = ring.slotBytes();
    capacity = inherited + 1; // one that is covered passes through
    held = ByteBuffer.allocate(capacity * slotBytes).order(memory.order());
  }

  /**
   * Takes a response.
   *
   * @return the index that it has, or will have
   */
  int respond(TakenRequest request) {
    request.writeResponse(held, (first + count) % capacity * slotBytes);
    count++;
    writeCovered();
    return ring.responses() + count - 1;
  }

  /** Writes what may be written now; before a push. */
  void settle() {
    writeCovered();
    while (count > 0 && ring.requestProducer() == ring.consumer()) {
      write();
      uncovered++;
    }
  }

  private void writeCovered() {
    while (count > 0 && ring.responses() - ring.consumer() < 0) {
      write();
    }
  }

  private void write() {
    memory.put(ring.responseOffset(), held, first * slotBytes, slotBytes);
    ring.responded();
    first = (first + 1) % capacity;
    count--;
  }

  /** How many uncovered ones were written. */
  long uncovered() {
    return uncovered;
  }
}

package io.netchannel.vdevice.block.frontend;

import io.netchannel.vdevice.SharedRing;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;

/**
 * The frontend's end of a shared ring (io/ring.h). It trusts the backend no more than blkfront
 * does: responses are copied, and more of them than there can be are refused.
 *
 * <p>Used by one thread.
 */
public final class FrontRing {
  private final ByteBuffer memory;
  private final int slotBytes;
  private final int size;

  /** Index of the next request to put (req_prod_pvt). */
  private int requests;

  /** What the backend has been shown of {@link #requests}. */
  private int pushed;

  /** Index of the next response to take (rsp_cons). */
  private int consumer;

  /** Makes an empty ring of zeroed pages (XEN_FRONT_RING_INIT). */
  public FrontRing(ByteBuffer memory, int slotBytes) {
    this.memory = memory;
    this.slotBytes = slotBytes;
    size = SharedRing.slots(memory.capacity(), slotBytes);
    SharedRing.writeIndex(memory, SharedRing.REQ_EVENT_OFFSET, 1);
    SharedRing.writeIndex(memory, SharedRing.RSP_EVENT_OFFSET, 1);
  }

  public int size() {
    return size;
  }

  /** The ring's pages. */
  public ByteBuffer memory() {
    return memory;
  }

  public boolean isFull() {
    return requests - consumer >= size;
  }

  /** Position of the slot for the next request; {@link #put} moves on. */
  public int requestOffset() {
    return slotOffset(requests);
  }

  /** The slot at {@link #requestOffset} is filled. */
  public void put() {
    requests++;
  }

  /**
   * Makes requests visible (RING_PUSH_REQUESTS_AND_CHECK_NOTIFY).
   *
   * @return whether the backend asked to be notified
   */
  public boolean push() {
    int before = pushed;
    pushed = requests;
    SharedRing.writeIndex(memory, SharedRing.REQ_PROD_OFFSET, requests);
    VarHandle.fullFence();
    return SharedRing.passed(
        SharedRing.readIndex(memory, SharedRing.REQ_EVENT_OFFSET), before, requests);
  }

  /** Responses that wait to be taken; more than {@link #size} when the backend is broken. */
  public int responses() {
    return SharedRing.readIndex(memory, SharedRing.RSP_PROD_OFFSET) - consumer;
  }

  /** Copies the next response to {@code target}, from position 0. */
  public void take(ByteBuffer target) {
    target.put(0, memory, slotOffset(consumer), target.capacity());
    VarHandle.loadLoadFence();
    consumer++;
  }

  /**
   * The end of an interrupt handler (RING_FINAL_CHECK_FOR_RESPONSES): rsp_event becomes one after
   * the responses taken.
   *
   * @return whether more responses came meanwhile
   */
  public boolean finalCheckForResponses() {
    SharedRing.writeIndex(memory, SharedRing.RSP_EVENT_OFFSET, consumer + 1);
    VarHandle.fullFence();
    return responses() != 0;
  }

  private int slotOffset(int index) {
    return SharedRing.HEADER_BYTES + (index & (size - 1)) * slotBytes;
  }
}

package io.netchannel.vdevice;

import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The backend's end of one shared ring, for any protocol built on io/ring.h.
 *
 * <p>The shared memory belongs to a guest we do not trust. Everything that decides something is
 * kept privately: which request is next, which response is next. The indexes we publish are never
 * read back, and a slot is copied once before anybody looks at it.
 *
 * <p>Used by one thread.
 */
public final class BackRing {
  private final ByteBuffer memory;
  private final int slotBytes;
  private final int size;

  /** Index of the next request to take (req_cons). */
  private int consumer;

  /** Index of the next response to give (rsp_prod_pvt). */
  private int responses;

  /** What the frontend has been shown of {@link #responses} (rsp_prod). */
  private int published;

  /**
   * A ring that has just been made by the frontend (BACK_RING_INIT).
   *
   * @param memory the mapped pages, little endian
   * @param slotBytes the larger of request and response
   */
  public BackRing(ByteBuffer memory, int slotBytes) {
    this(memory, slotBytes, 0, 0);
  }

  private BackRing(ByteBuffer memory, int slotBytes, int responses, int consumer) {
    if (memory.order() != ByteOrder.LITTLE_ENDIAN) {
      throw new IllegalArgumentException("ring memory must be little endian, as the guest is");
    }
    this.memory = memory;
    this.slotBytes = slotBytes;
    size = SharedRing.slots(memory.capacity(), slotBytes);
    this.responses = responses;
    published = responses;
    this.consumer = consumer;
  }

  /**
   * A ring in use (BACK_RING_ATTACH). As each request gets one response, the next request to take
   * follows from how many were answered and how many were taken and not answered.
   *
   * @param answered the shared rsp_prod
   * @throws RingBrokenException when the indexes in shared memory cannot belong to that
   */
  public static BackRing attach(ByteBuffer memory, int slotBytes, int answered, int unanswered)
      throws RingBrokenException {
    return attach(memory, slotBytes, answered, unanswered, 0);
  }

  /**
   * A ring in use that has also given answers to requests which were never on it.
   *
   * @param answered requests of this ring
   * @param ahead how many answers there were of others ({@link InheritedRequests})
   */
  static BackRing attach(ByteBuffer memory, int slotBytes, int answered, int unanswered, int ahead)
      throws RingBrokenException {
    BackRing ring = new BackRing(memory, slotBytes, answered + ahead, answered + unanswered);
    ring.waiting();
    return ring;
  }

  /** The number of slots. */
  public int size() {
    return size;
  }

  int slotBytes() {
    return slotBytes;
  }

  /** Index of the next request to take. */
  public int consumer() {
    return consumer;
  }

  /** How many requests wait to be taken. */
  public int waiting() throws RingBrokenException {
    int producer = requestProducer();
    // A frontend never has more requests out than the ring has slots (RING_REQUEST_PROD_OVERFLOW).
    // Following a larger index would read slots over and over, up to four billion times. Responses
    // may be ahead of the requests (InheritedRequests).
    if (Integer.compareUnsigned(producer - consumer, size) > 0 || producer - responses > size) {
      throw new RingBrokenException(
          "req_prod is %s with %s requests taken and %s answered on a ring of %d slots"
              .formatted(
                  Integer.toUnsignedString(producer),
                  Integer.toUnsignedString(consumer),
                  Integer.toUnsignedString(responses),
                  size));
    }
    return producer - consumer;
  }

  /**
   * Copies the next request out of shared memory and moves on. Only after {@link #waiting} has said
   * that there is one.
   *
   * @param target gets the slot's bytes from position 0
   */
  public void take(ByteBuffer target) {
    target.clear();
    target.put(0, memory, slotOffset(consumer), slotBytes);
    // The compiler may not read the slot again in place of the copy: what is validated must be what
    // is
    // used, whatever the guest writes meanwhile.
    VarHandle.loadLoadFence();
    consumer++;
  }

  /**
   * To be asked before going to sleep: asks the frontend to notify about the next request, and
   * tells whether one came meanwhile (RING_FINAL_CHECK_FOR_REQUESTS).
   */
  public boolean finalCheckForRequests() throws RingBrokenException {
    if (waiting() > 0) {
      return true;
    }
    SharedRing.writeIndex(memory, SharedRing.REQ_EVENT_OFFSET, consumer + 1);
    // The frontend stores req_prod, then reads req_event; we store req_event, then read req_prod.
    // Without
    // a full fence on both sides each may read the old value: a request nobody is told of.
    VarHandle.fullFence();
    return waiting() > 0;
  }

  /** Position in the ring memory where the next response is to be written. */
  public int responseOffset() {
    return slotOffset(responses);
  }

  /** Index of the next response to give. */
  int responses() {
    return responses;
  }

  /**
   * The response at {@link #responseOffset} is complete; the frontend sees it after {@link #push}.
   *
   * @return its index
   */
  public int responded() {
    return responses++;
  }

  /**
   * Makes the responses visible (RING_PUSH_RESPONSES_AND_CHECK_NOTIFY).
   *
   * @return whether the frontend asked to be notified
   */
  public boolean push() {
    int before = published;
    if (responses == before) {
      return false;
    }
    published = responses;
    // A release store: responses are in memory before the index that makes the frontend read them.
    SharedRing.writeIndex(memory, SharedRing.RSP_PROD_OFFSET, responses);
    // As in finalCheckForRequests: without it both may look away, and the frontend waits for ever.
    VarHandle.fullFence();
    return SharedRing.passed(responseEvent(), before, responses);
  }

  /** The frontend's rsp_event: blkfront sets it to one after the responses it has taken. */
  public int responseEvent() {
    return SharedRing.readIndex(memory, SharedRing.RSP_EVENT_OFFSET);
  }

  /** Index after the last response the frontend can see. */
  public int published() {
    return published;
  }

  /** The frontend's req_prod. */
  public int requestProducer() {
    return SharedRing.readIndex(memory, SharedRing.REQ_PROD_OFFSET);
  }

  private int slotOffset(int index) {
    return SharedRing.HEADER_BYTES + (index & (size - 1)) * slotBytes;
  }
}

package io.netchannel.vdevice.usb;

import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.InheritedRequests;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.vdevice.SharedRing;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.GrantTable;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The ring that a guest has used at another host: the drivers of one that resumes put their
 * requests there before a stock xen-hcd has made a new ring, with grants of the new domain. Nobody
 * is told, nobody answers, and the guest's driver keeps their ids.
 *
 * <pre>
 *             rsp_prod        req_cons                req_prod
 *                |               |                       |
 *   ... answered | unanswered    | orphans: at most 16   |
 *       both as the other host has left them             as the guest says
 * </pre>
 *
 * The page is copied once and looked at then. It may be anything: a frontend that has freed it says
 * so ({@link UsbPort#resumes}), but one that lies, or a guest that writes there meanwhile, gets no
 * more than its own requests refused. All of it fits what is known, or nothing is taken.
 */
final class OldRing implements InheritedRequests {
  /** Ids of xen-hcd are places in a table as long as the ring. */
  private static final int SLOTS = SharedRing.slots(GrantTable.PAGE_BYTES, UrbLayout.SLOT_BYTES);

  private static final ByteBuffer NO_PAGE = ByteBuffer.allocate(0);

  private final ByteBuffer page;
  private final int first;
  private final int count;

  /** Why the page is not what it was; empty when it is. */
  private final String problem;

  private int taken;

  private OldRing(ByteBuffer page, int first, int count, int taken, String problem) {
    this.page = page;
    this.first = first;
    this.count = count;
    this.taken = taken;
    this.problem = problem;
  }

  /** One of which a process before this one has taken all. */
  static OldRing taken(int count) {
    return new OldRing(NO_PAGE, 0, count, count, "");
  }

  /** One that a process before this one could read, and this one cannot. */
  static OldRing unreadable(int count, String problem) {
    return new OldRing(NO_PAGE, 0, count, 0, problem);
  }

  /**
   * Reads the orphans.
   *
   * @throws RingBrokenException when the page is not the ring of {@code mark}, or has what a
   *     frontend does not write
   * @throws io.netchannel.xen.XenException when it cannot be looked at
   */
  static OldRing read(ForeignMemory memory, DeviceAddress address, RingMark mark)
      throws RingBrokenException {
    ByteBuffer page = ByteBuffer.allocate(GrantTable.PAGE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    try (ForeignMemory.Mapping mapping = memory.map(address.domid(), mark.gfn())) {
      page.put(0, mapping.memory(), 0, GrantTable.PAGE_BYTES);
      VarHandle.loadLoadFence(); // what is checked is what is used
    }
    int count = checkIndexes(page, mark);
    boolean[] seen = new boolean[SLOTS];
    for (int orphan = 0; orphan < count; orphan++) {
      int slot = slotOffset(mark.requestConsumer() + orphan);
      int id = Short.toUnsignedInt(page.getShort(slot + UrbLayout.ID));
      if (id >= SLOTS || seen[id]) {
        throw new RingBrokenException(
            "request %d has id %d: expected one below %d that no other has"
                .formatted(orphan, id, SLOTS));
      }
      seen[id] = true;
      checkSegments(memory, address, page, slot, id);
    }
    return new OldRing(page, mark.requestConsumer(), count, 0, "");
  }

  private static int checkIndexes(ByteBuffer page, RingMark mark) throws RingBrokenException {
    int responseProducer = page.getInt(SharedRing.RSP_PROD_OFFSET);
    int requestEvent = page.getInt(SharedRing.REQ_EVENT_OFFSET);
    // The other host may have taken requests and not yet asked for events of the next one.
    int unasked = mark.requestConsumer() + 1 - requestEvent;
    if (responseProducer != mark.responseProducer()
        || Integer.compareUnsigned(unasked, SLOTS) > 0) {
      throw new RingBrokenException(
          "rsp_prod is %s and req_event %s: expected %s and %s, or at most %d less, as the other host left them"
              .formatted(
                  Integer.toUnsignedString(responseProducer),
                  Integer.toUnsignedString(requestEvent),
                  Integer.toUnsignedString(mark.responseProducer()),
                  Integer.toUnsignedString(mark.requestConsumer() + 1),
                  SLOTS));
    }
    int untaken = responseProducer + 1 - page.getInt(SharedRing.RSP_EVENT_OFFSET);
    if (Integer.compareUnsigned(untaken, SLOTS) > 0) {
      throw new RingBrokenException(
          "rsp_event is %s with rsp_prod %s: expected at most one more, and at most %d less"
              .formatted(
                  Integer.toUnsignedString(page.getInt(SharedRing.RSP_EVENT_OFFSET)),
                  Integer.toUnsignedString(responseProducer),
                  SLOTS));
    }
    int requestProducer = page.getInt(SharedRing.REQ_PROD_OFFSET);
    int count = requestProducer - mark.requestConsumer();
    if (Integer.compareUnsigned(count, SLOTS) > 0 || requestProducer - responseProducer > SLOTS) {
      throw new RingBrokenException(
          "req_prod is %s with %s requests taken and %s answered on a ring of %d slots"
              .formatted(
                  Integer.toUnsignedString(requestProducer),
                  Integer.toUnsignedString(mark.requestConsumer()),
                  Integer.toUnsignedString(responseProducer),
                  SLOTS));
    }
    return count;
  }

  /** Of those that an unlink has not, nothing is read. */
  private static void checkSegments(
      ForeignMemory memory, DeviceAddress address, ByteBuffer page, int slot, int id)
      throws RingBrokenException {
    int pipe = page.getInt(slot + UrbLayout.PIPE);
    if ((pipe & UrbLayout.UNLINK) != 0) {
      return;
    }
    int data = Short.toUnsignedInt(page.getShort(slot + UrbLayout.SEGMENT_COUNT));
    int table =
        PipeType.of(pipe) == PipeType.ISOCHRONOUS
            ? (int) (page.getLong(slot + UrbLayout.SETUP) >>> UrbLayout.TABLE_SEGMENT_COUNT_SHIFT)
            : 0;
    if (data + table > UrbLayout.MAX_SEGMENTS) {
      throw new RingBrokenException(
          "request with id %d has %d and %d segments, at most %d fit"
              .formatted(id, data, table, UrbLayout.MAX_SEGMENTS));
    }
    for (int segment = 0; segment < data + table; segment++) {
      int position = slot + UrbLayout.SEGMENTS + segment * UrbLayout.SEGMENT_BYTES;
      int offset = Short.toUnsignedInt(page.getShort(position + 4));
      int bytes = Short.toUnsignedInt(page.getShort(position + 6));
      if (bytes == 0 || offset + bytes > GrantTable.PAGE_BYTES) {
        throw new RingBrokenException(
            "request with id %d has a segment of %d bytes at %d of its page"
                .formatted(id, bytes, offset));
      }
      int reference = page.getInt(position);
      boolean granted =
          memory
              .grantEntry(address.domid(), reference)
              .filter(entry -> entry.grantee() == address.backendDomid())
              .isPresent();
      if (!granted) {
        throw new RingBrokenException(
            "request with id %d has grant %s, which is not granted to domain %d"
                .formatted(id, Integer.toUnsignedString(reference), address.backendDomid()));
      }
    }
  }

  @Override
  public int count() {
    return count;
  }

  @Override
  public int waiting() {
    return count - taken;
  }

  @Override
  public void take(ByteBuffer target) throws RingBrokenException {
    if (!problem.isEmpty()) {
      throw new RingBrokenException(problem);
    }
    target.put(0, page, slotOffset(first + taken), UrbLayout.SLOT_BYTES);
    taken++;
  }

  /**
   * A process before this one has taken this one: it comes again by what that wrote down. It has
   * taken those before it, too.
   *
   * @throws RingBrokenException when one of these was not written down: it was refused, and nobody
   *     knows whether the guest has its answer
   */
  void skip(long number) throws RingBrokenException {
    if (number > taken) {
      throw new RingBrokenException(
          "request %d of the ring of before was taken, but only %d before it are accounted for"
              .formatted(number, taken));
    }
    taken = (int) Math.max(taken, number + 1);
  }

  private static int slotOffset(int index) {
    return SharedRing.HEADER_BYTES + (index & (SLOTS - 1)) * UrbLayout.SLOT_BYTES;
  }
}

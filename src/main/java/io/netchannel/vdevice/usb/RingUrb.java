package io.netchannel.vdevice.usb;

import io.netchannel.vdevice.RequestRing;
import io.netchannel.vdevice.TakenRequest;
import io.netchannel.xen.GrantCopy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * A port's request, taken off a ring.
 *
 * <p>Encoded (little endian, at most {@link UrbRequest#MAX_ENCODED_BYTES}); the kind's own 16 bits
 * in the head are the flags, and {@link #WAS_ADDRESSED}:
 *
 * <pre>
 *    0  head ({@link TakenRequest})
 *   24  pipe (32), segments of data (16), of the packet descriptors (16)
 *   32  setup, or what is in its place (64)
 *   40  packets (32), unused (32)
 *   48  number among the requests of its connection (64), that of the URB to unlink (64)
 *   64  segments: grant reference (32), offset in page (16), length (16)
 *    :  packets: offset (32), length (32)
 * </pre>
 */
final class RingUrb extends TakenRequest implements UrbRequest {
  private static final int FORMAT = 1;
  private static final int PIPE = HEAD_BYTES;
  private static final int DATA_SEGMENTS = 28;
  private static final int TABLE_SEGMENTS = 30;
  private static final int SETUP = 32;
  private static final int PACKETS = 40;
  private static final int SEQUENCE = 48;
  private static final int TARGET = 56;
  private static final int HEADER_BYTES = 64;
  private static final int PACKET_BYTES = 8;

  /** Beside the flags, in an encoded SET_ADDRESS. */
  private static final int WAS_ADDRESSED = 0x100;

  /** SET_ADDRESS in the first two bytes of a setup: to the device, standard, no data (USB 2.0). */
  private static final long SET_ADDRESS = 0x0500;

  private static final long SET_ADDRESS_MASK = 0xffff;

  private static final int GONE = -1;

  /** An unlink of nothing. */
  static final long NO_TARGET = -1;

  private static final int EXDEV = 18;
  private static final int[] NO_PACKETS = {};

  private final UrbRing ring;

  private int pipe;
  private int flags;
  private long setup;
  private boolean wasAddressed;

  /** Which device it is for, as {@link UrbParser#device} counts. */
  private int device;

  private int lengthBytes;

  /** Its number among the requests of its connection: ids are used again. */
  private long sequence;

  /** Of an unlink: the number of its URB. */
  private long target;

  private int dataSegments;
  private int segments;
  private final int[] references = new int[UrbLayout.MAX_SEGMENTS];
  private final int[] pageOffsets = new int[UrbLayout.MAX_SEGMENTS];
  private final int[] segmentBytes = new int[UrbLayout.MAX_SEGMENTS];

  private int packets;
  private int[] packetOffsets = NO_PACKETS;
  private int[] packetBytes = NO_PACKETS;
  private int[] packetActualBytes = NO_PACKETS;
  private int[] packetErrno = NO_PACKETS;

  // ---- the answer
  private boolean relieved;
  private int status;
  private int actualBytes;
  private int startFrame;
  private int errorCount;

  RingUrb(RequestRing<RingUrb> requests, int place, UrbRing ring) {
    super(requests, place);
    this.ring = ring;
  }

  /** Starts a new use; segments and packets follow. */
  void reset(int newId, int newPipe, int newFlags, long newSetup, long newSequence) {
    begin(newId);
    pipe = newPipe;
    flags = newFlags;
    setup = newSetup;
    sequence = newSequence;
    target = NO_TARGET;
    wasAddressed = false;
    device = GONE;
    lengthBytes = 0;
    dataSegments = 0;
    segments = 0;
    packets = 0;
    relieved = false;
    ring.begun(this);
  }

  void addDataSegment(int reference, int pageOffset, int bytes) {
    addTableSegment(reference, pageOffset, bytes);
    dataSegments = segments;
    lengthBytes += bytes;
  }

  /** One more of the packet descriptors; after those of the data. */
  void addTableSegment(int reference, int pageOffset, int bytes) {
    references[segments] = reference;
    pageOffsets[segments] = pageOffset;
    segmentBytes[segments] = bytes;
    segments++;
  }

  /** Bytes of the packet descriptors. */
  int tableBytes() {
    int bytes = 0;
    for (int segment = dataSegments; segment < segments; segment++) {
      bytes += segmentBytes[segment];
    }
    return bytes;
  }

  void addPacket(int offset, int bytes) {
    if (packetOffsets.length == 0) {
      packetOffsets = new int[MAX_PACKETS];
      packetBytes = new int[MAX_PACKETS];
      packetActualBytes = new int[MAX_PACKETS];
      packetErrno = new int[MAX_PACKETS];
    }
    packetOffsets[packets] = offset;
    packetBytes[packets] = bytes;
    packetActualBytes[packets] = 0;
    packetErrno[packets] = EXDEV;
    packets++;
  }

  void wasAddressed(boolean yes) {
    wasAddressed = yes;
  }

  void device(int newDevice) {
    device = newDevice;
  }

  /** The frontend has too few slots: it is answered as if nothing had come ({@link RingRelief}). */
  void relieve() {
    relieved = true;
  }

  boolean isRelieved() {
    return relieved;
  }

  long sequence() {
    return sequence;
  }

  /**
   * An unlink is about the URB that had the id when it was taken, not about one that gets it later.
   */
  void target(long newTarget) {
    target = newTarget;
  }

  long target() {
    return target;
  }

  boolean hasTarget() {
    return target != NO_TARGET;
  }

  boolean isWaiting() {
    return isOutstanding();
  }

  /** Whether it is an IN that waits until the device has something. */
  boolean isParkedIn() {
    return isOutstanding()
        && !isUnlink()
        && isIn()
        && (type() == PipeType.INTERRUPT || type() == PipeType.BULK);
  }

  @Override
  public PipeType type() {
    return PipeType.of(pipe);
  }

  @Override
  public int endpoint() {
    return (isIn() ? UrbLayout.IN : 0) | endpointNumber();
  }

  int endpointNumber() {
    return pipe >>> UrbLayout.ENDPOINT_SHIFT & UrbLayout.ENDPOINT_MASK;
  }

  /** The address that the guest gave the device; 0 before that. */
  int deviceAddress() {
    return pipe >>> UrbLayout.ADDRESS_SHIFT & UrbLayout.ADDRESS_MASK;
  }

  @Override
  public boolean isIn() {
    long direction = type() == PipeType.CONTROL && !isUnlink() ? setup : pipe;
    return (direction & UrbLayout.IN) != 0;
  }

  @Override
  public int lengthBytes() {
    return lengthBytes;
  }

  @Override
  public long setup() {
    return type() == PipeType.CONTROL && !isUnlink() ? setup : 0;
  }

  @Override
  public boolean shortNotOk() {
    return (flags & UrbLayout.SHORT_NOT_OK) != 0;
  }

  @Override
  public int interval() {
    return switch (type()) {
      case ISOCHRONOUS, INTERRUPT -> field(UrbLayout.INTERVAL_SHIFT);
      case CONTROL, BULK -> 0;
    };
  }

  /** 16 of the 64 bits that mean something for each type of pipe. */
  private int field(int shift) {
    return (int) (setup >>> shift) & 0xffff;
  }

  @Override
  public int packets() {
    return packets;
  }

  @Override
  public int packetOffset(int packet) {
    return packetOffsets[packet];
  }

  @Override
  public int packetBytes(int packet) {
    return packetBytes[packet];
  }

  int packetActualBytes(int packet) {
    return packetActualBytes[packet];
  }

  int packetErrno(int packet) {
    return packetErrno[packet];
  }

  @Override
  public boolean isUnlink() {
    return (pipe & UrbLayout.UNLINK) != 0;
  }

  /** The id of the URB that this unlink is about. */
  int unlinkedId() {
    return field(UrbLayout.UNLINK_ID_SHIFT);
  }

  @Override
  public Optional<UrbRequest> unlinked() {
    return hasTarget() ? ring.urb(target) : Optional.empty();
  }

  @Override
  public Optional<UrbRequest> unlink() {
    return isUnlink() ? Optional.empty() : ring.unlinkOf(sequence);
  }

  @Override
  public boolean isSetAddress() {
    // The type first: in other transfers there is something else in these bytes.
    return type() == PipeType.CONTROL && !isUnlink() && (setup & SET_ADDRESS_MASK) == SET_ADDRESS;
  }

  @Override
  public boolean followsReset() {
    return isSetAddress() && wasAddressed && deviceAddress() == 0;
  }

  @Override
  public boolean isForGone() {
    return !isUnlink() && !ring.isThere(device);
  }

  @Override
  public boolean copyFromGuest(ByteBuffer data) {
    checkHeld();
    GrantCopy batch = ring.guest().batch(GrantCopy.Direction.FROM_GUEST, data);
    addRange(batch, 0, 0, lengthBytes);
    return isConnected() && ring.guest().copy(batch);
  }

  @Override
  public boolean copyToGuest(ByteBuffer data, int actual) {
    checkHeld();
    checkActual(actual, lengthBytes);
    GrantCopy batch = ring.guest().batch(GrantCopy.Direction.TO_GUEST, data);
    if (type() == PipeType.ISOCHRONOUS) {
      for (int packet = 0; packet < packets; packet++) {
        addRange(batch, 0, packetOffsets[packet], packetActualBytes[packet]);
      }
    } else {
      addRange(batch, 0, 0, actual);
    }
    return isConnected() && ring.guest().copy(batch);
  }

  /** Adds {@code bytes} of the packet descriptors, from the first on. */
  void addTable(GrantCopy batch, int bytes) {
    addRange(batch, dataSegments, 0, bytes);
  }

  /**
   * Adds what lies from {@code from} on in the area that begins with a segment; local positions are
   * those in the area.
   */
  private void addRange(GrantCopy batch, int firstSegment, int from, int bytes) {
    int end = from + bytes;
    int start = 0;
    for (int segment = firstSegment; start < end; segment++) {
      int next = start + segmentBytes[segment];
      int first = Math.max(start, from);
      int last = Math.min(next, end);
      if (first < last) {
        batch.add(references[segment], pageOffsets[segment] + first - start, last - first, first);
      }
      start = next;
    }
  }

  @Override
  public void packetDone(int packet, int actual, int errno) {
    checkHeld();
    checkActual(actual, packetBytes[packet]);
    packetActualBytes[packet] = actual;
    packetErrno[packet] = errno;
  }

  @Override
  public int respond(int errno, int newActualBytes, int newStartFrame, int newErrorCount) {
    checkUnanswered();
    checkActual(newActualBytes, lengthBytes);
    if (unlinked().isPresent()) {
      throw new IllegalStateException("%s is answered before URB %d".formatted(this, unlinkedId()));
    }
    status = UsbifStatus.of(errno);
    if (errno == UsbifStatus.CANCELLED_ERRNO
        && (relieved || ring.isRelievable(this))
        && unlink().isEmpty()) {
      // Only we wanted it to end, this process or the one before; the guest knows nothing of that.
      status = UsbifStatus.OK;
    }
    actualBytes = newActualBytes;
    startFrame = newStartFrame;
    errorCount = newErrorCount;
    if (packets > 0 && isConnected() && !ring.descriptors().write(this)) {
      status = UsbifStatus.IOERROR;
    }
    int index = answer();
    ring.ended(this);
    return index;
  }

  /** Answers one that is not served: its segments and packets may be anything. */
  void refuse(int errno) {
    status = UsbifStatus.of(errno);
    actualBytes = 0;
    startFrame = 0;
    errorCount = 0;
    answer();
    ring.ended(this);
  }

  private void checkActual(int actual, int asked) {
    if (actual < 0 || actual > asked) {
      throw new IllegalArgumentException(
          "expected 0 to %d bytes, found %d, for %s".formatted(asked, actual, this));
    }
  }

  @Override
  protected void writeResponse(ByteBuffer memory, int slot) {
    memory.putShort(slot + UrbLayout.ID, (short) id());
    memory.putShort(slot + UrbLayout.RESPONSE_START_FRAME, (short) startFrame);
    memory.putInt(slot + UrbLayout.RESPONSE_STATUS, status);
    memory.putInt(slot + UrbLayout.RESPONSE_ACTUAL, actualBytes);
    memory.putInt(slot + UrbLayout.RESPONSE_ERRORS, errorCount);
  }

  @Override
  public void encode(ByteBuffer target) {
    checkHeld();
    ByteOrder order = target.order();
    target.order(ByteOrder.LITTLE_ENDIAN);
    encodeHead(target, FORMAT, flags | (wasAddressed ? WAS_ADDRESSED : 0));
    target.putInt(pipe);
    target.putShort((short) dataSegments);
    target.putShort((short) (segments - dataSegments));
    target.putLong(setup);
    target.putInt(packets);
    target.putInt(0);
    target.putLong(sequence);
    target.putLong(this.target);
    for (int segment = 0; segment < segments; segment++) {
      target.putInt(references[segment]);
      target.putShort((short) pageOffsets[segment]);
      target.putShort((short) segmentBytes[segment]);
    }
    for (int packet = 0; packet < packets; packet++) {
      target.putInt(packetOffsets[packet]);
      target.putInt(packetBytes[packet]);
    }
    target.order(order);
  }

  /** Becomes the request that was encoded, not answered. */
  void decode(ByteBuffer encoded) {
    ByteBuffer in = view(encoded);
    int format = in.remaining() < HEADER_BYTES ? -1 : encodedFormat(in);
    int data = format == FORMAT ? in.getShort(DATA_SEGMENTS) : 0;
    int all = format == FORMAT ? data + in.getShort(TABLE_SEGMENTS) : 0;
    int count = format == FORMAT ? in.getInt(PACKETS) : 0;
    if (format != FORMAT
        || data < 0
        || all < data
        || all > UrbLayout.MAX_SEGMENTS
        || count < 0
        || count > MAX_PACKETS
        || in.remaining() < HEADER_BYTES + all * UrbLayout.SEGMENT_BYTES + count * PACKET_BYTES) {
      throw new IllegalArgumentException(
          "encoded URB of format %d with %d segments and %d packets in %d bytes: expected format %d,"
                  .formatted(format, all, count, in.remaining(), FORMAT)
              + " as written by the same version of this program");
    }
    int own = encodedOwn(in);
    reset(
        (int) encodedId(in),
        in.getInt(PIPE),
        own & ~WAS_ADDRESSED,
        in.getLong(SETUP),
        in.getLong(SEQUENCE));
    setInherited(encodedInherited(in));
    target = in.getLong(TARGET);
    wasAddressed = (own & WAS_ADDRESSED) != 0;
    in.position(HEADER_BYTES);
    for (int segment = 0; segment < all; segment++) {
      int reference = in.getInt();
      int offset = Short.toUnsignedInt(in.getShort());
      int bytes = Short.toUnsignedInt(in.getShort());
      if (segment < data) {
        addDataSegment(reference, offset, bytes);
      } else {
        addTableSegment(reference, offset, bytes);
      }
    }
    for (int packet = 0; packet < count; packet++) {
      addPacket(in.getInt(), in.getInt());
    }
  }

  @Override
  public String toString() {
    return isUnlink()
        ? "unlink of URB %d (id %d)".formatted(unlinkedId(), id())
        : "%s URB of %d bytes on endpoint 0x%02x (id %d)"
            .formatted(type(), lengthBytes, endpoint(), id());
  }
}

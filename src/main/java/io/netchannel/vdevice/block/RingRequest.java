package io.netchannel.vdevice.block;

import io.netchannel.vdevice.block.RingLayout.Wire;
import io.netchannel.xen.GrantCopy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;

/**
 * A request taken off a ring: private copies of everything, nothing of it in shared memory any
 * more. Belongs to its ring's pool.
 *
 * <p>Encoded (little endian, at most {@link BlockRequest#MAX_ENCODED_BYTES}):
 *
 * <pre>
 *    0  index of the response in the low half, 1 in the high half; 0 when there is none
 *    8  format (16 bits), operation on the ring (16), queue (32)
 *   16  id
 *   24  offset in bytes
 *   32  length in bytes
 *   40  number of segments (32), unused (160)
 *   64  segments: grant reference (32), offset in page (16), length (16)
 * </pre>
 */
final class RingRequest implements BlockRequest {
  private static final long ANSWERED = 1L << 32;
  private static final int FORMAT = 1;
  private static final int HEADER_BYTES = 64;
  private static final int SEGMENT_BYTES = 8;

  private final BlockRing ring;

  private long id;
  private BlockOperation operation = BlockOperation.READ;
  private int wireOperation;
  private long offsetBytes;
  private long lengthBytes;

  private int segments;
  private int[] references = new int[RingLayout.MAX_DIRECT_SEGMENTS];
  private int[] pageOffsets = new int[RingLayout.MAX_DIRECT_SEGMENTS];
  private int[] segmentBytes = new int[RingLayout.MAX_DIRECT_SEGMENTS];

  private boolean answered;
  private int responseIndex;
  private boolean released;

  RingRequest(BlockRing ring) {
    this.ring = ring;
  }

  /** Starts a new use. */
  void reset(long newId, int newWireOperation) {
    id = newId;
    wireOperation = newWireOperation;
    offsetBytes = 0;
    lengthBytes = 0;
    segments = 0;
    answered = false;
    released = false;
  }

  /**
   * What the request asks for, and where; its length follows from its segments or {@link #length}.
   */
  void set(BlockOperation newOperation, long newOffsetBytes) {
    operation = newOperation;
    offsetBytes = newOffsetBytes;
  }

  void length(long newLengthBytes) {
    lengthBytes = newLengthBytes;
  }

  void addSegment(int reference, int pageOffset, int bytes) {
    if (segments == references.length) {
      references = Arrays.copyOf(references, VbdLimits.HIGHEST_INDIRECT_SEGMENTS);
      pageOffsets = Arrays.copyOf(pageOffsets, VbdLimits.HIGHEST_INDIRECT_SEGMENTS);
      segmentBytes = Arrays.copyOf(segmentBytes, VbdLimits.HIGHEST_INDIRECT_SEGMENTS);
    }
    references[segments] = reference;
    pageOffsets[segments] = pageOffset;
    segmentBytes[segments] = bytes;
    segments++;
    lengthBytes += bytes;
  }

  /** What the response says the request was: for an indirect one, what it does. */
  int wireOperation() {
    return wireOperation;
  }

  @Override
  public int queue() {
    return ring.queue();
  }

  @Override
  public long id() {
    return id;
  }

  @Override
  public BlockOperation operation() {
    return operation;
  }

  @Override
  public long offsetBytes() {
    return offsetBytes;
  }

  @Override
  public long lengthBytes() {
    return lengthBytes;
  }

  @Override
  public boolean copyFromGuest(ByteBuffer data) {
    return copy(GrantCopy.Direction.FROM_GUEST, data);
  }

  @Override
  public boolean copyToGuest(ByteBuffer data) {
    return copy(GrantCopy.Direction.TO_GUEST, data);
  }

  private boolean copy(GrantCopy.Direction direction, ByteBuffer data) {
    checkHeld();
    GrantCopy batch = ring.guest().batch(direction, data);
    int position = 0;
    for (int segment = 0; segment < segments; segment++) {
      batch.add(references[segment], pageOffsets[segment], segmentBytes[segment], position);
      position += segmentBytes[segment];
    }
    return ring.isConnected() && ring.guest().copy(batch);
  }

  @Override
  public int respond(ResponseStatus status) {
    checkHeld();
    if (answered) {
      throw new IllegalStateException(this + " is answered a second time");
    }
    answered = true;
    responseIndex = ring.respond(this, status);
    return responseIndex;
  }

  @Override
  public boolean seen() {
    checkHeld();
    return answered && ring.seen(responseIndex);
  }

  @Override
  public void release() {
    checkHeld();
    released = true;
    ring.release(this);
  }

  @Override
  public void encode(ByteBuffer target) {
    checkHeld();
    int start = target.position();
    ByteOrder order = target.order();
    target.order(ByteOrder.LITTLE_ENDIAN);
    target.putLong(answered ? ANSWERED | Integer.toUnsignedLong(responseIndex) : 0);
    target.putShort((short) FORMAT);
    target.putShort((short) wireOperation);
    target.putInt(ring.queue());
    target.putLong(id);
    target.putLong(offsetBytes);
    target.putLong(lengthBytes);
    target.putInt(segments);
    target.position(start + HEADER_BYTES);
    for (int segment = 0; segment < segments; segment++) {
      target.putInt(references[segment]);
      target.putShort((short) pageOffsets[segment]);
      target.putShort((short) segmentBytes[segment]);
    }
    target.order(order);
  }

  /** The queue of an encoded request. */
  static int encodedQueue(ByteBuffer encoded) {
    return view(encoded).getInt(12);
  }

  /**
   * Whether an encoded request has an answer which a frontend sees that is shown those before
   * {@code published}.
   */
  static boolean encodedAnswerSeen(ByteBuffer encoded, int published) {
    long answer = view(encoded).getLong(0);
    return answer != 0 && published - (int) answer > 0;
  }

  /** What an encoded request changes; empty when nothing. */
  static Optional<Change> encodedChange(ByteBuffer encoded) {
    ByteBuffer in = view(encoded);
    long lengthBytes = in.getLong(32);
    return switch (operationOf(in.getShort(10))) {
      case WRITE, WRITE_BARRIER, DISCARD ->
          lengthBytes == 0
              ? Optional.empty()
              : Optional.of(new Change(in.getLong(24), lengthBytes));
      case READ, FLUSH -> Optional.empty();
    };
  }

  /** Becomes the request that was encoded, not answered. */
  void decode(ByteBuffer encoded) {
    ByteBuffer in = view(encoded);
    int format = in.getShort(8);
    int count = in.remaining() < HEADER_BYTES ? -1 : in.getInt(40);
    if (format != FORMAT
        || count < 0
        || count > VbdLimits.HIGHEST_INDIRECT_SEGMENTS
        || in.remaining() < HEADER_BYTES + count * SEGMENT_BYTES) {
      throw new IllegalArgumentException(
          "encoded request of format %d with %d segments in %d bytes: expected format %d, as written by"
                  .formatted(format, count, in.remaining(), FORMAT)
              + " the same version of this program");
    }
    reset(in.getLong(16), in.getShort(10));
    set(operationOf(wireOperation), in.getLong(24));
    for (int segment = 0; segment < count; segment++) {
      int position = HEADER_BYTES + segment * SEGMENT_BYTES;
      addSegment(
          in.getInt(position),
          Short.toUnsignedInt(in.getShort(position + 4)),
          Short.toUnsignedInt(in.getShort(position + 6)));
    }
    length(in.getLong(32));
  }

  /** What an operation on the ring means; an indirect request has been looked into before. */
  static BlockOperation operationOf(int wireOperation) {
    return switch (wireOperation) {
      case Wire.READ -> BlockOperation.READ;
      case Wire.WRITE -> BlockOperation.WRITE;
      case Wire.WRITE_BARRIER -> BlockOperation.WRITE_BARRIER;
      case Wire.FLUSH_DISKCACHE -> BlockOperation.FLUSH;
      case Wire.DISCARD -> BlockOperation.DISCARD;
      default -> throw new IllegalArgumentException("no operation has number " + wireOperation);
    };
  }

  private static ByteBuffer view(ByteBuffer encoded) {
    return encoded.slice().order(ByteOrder.LITTLE_ENDIAN);
  }

  private void checkHeld() {
    if (released) {
      throw new IllegalStateException(this + " is used after its release");
    }
  }

  @Override
  public String toString() {
    return "%s of %d bytes at %d (queue %d, id %s)"
        .formatted(operation, lengthBytes, offsetBytes, ring.queue(), Long.toUnsignedString(id));
  }
}

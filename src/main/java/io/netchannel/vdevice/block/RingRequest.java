package io.netchannel.vdevice.block;

import io.netchannel.vdevice.GuestMemory;
import io.netchannel.vdevice.RequestRing;
import io.netchannel.vdevice.TakenRequest;
import io.netchannel.vdevice.block.RingLayout.Wire;
import io.netchannel.xen.GrantCopy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;

/**
 * A disk's request, taken off a ring.
 *
 * <p>Encoded (little endian, at most {@link BlockRequest#MAX_ENCODED_BYTES}); the kind's own 16
 * bits in the head are the operation on the ring:
 *
 * <pre>
 *    0  head ({@link TakenRequest})
 *   24  offset in bytes
 *   32  length in bytes
 *   40  number of segments (32), unused (160)
 *   64  segments: grant reference (32), offset in page (16), length (16)
 * </pre>
 */
final class RingRequest extends TakenRequest implements BlockRequest {
  private static final int FORMAT = 1;
  private static final int OFFSET = HEAD_BYTES;
  private static final int LENGTH = OFFSET + Long.BYTES;
  private static final int SEGMENT_COUNT = LENGTH + Long.BYTES;
  private static final int HEADER_BYTES = 64;
  private static final int SEGMENT_BYTES = 8;

  private final GuestMemory guest;

  private BlockOperation operation = BlockOperation.READ;
  private int wireOperation;
  private long offsetBytes;
  private long lengthBytes;

  private int segments;
  private int[] references = new int[RingLayout.MAX_DIRECT_SEGMENTS];
  private int[] pageOffsets = new int[RingLayout.MAX_DIRECT_SEGMENTS];
  private int[] segmentBytes = new int[RingLayout.MAX_DIRECT_SEGMENTS];

  /** What it was answered with. */
  private ResponseStatus status = ResponseStatus.OKAY;

  RingRequest(RequestRing<RingRequest> ring, int place, GuestMemory guest) {
    super(ring, place);
    this.guest = guest;
  }

  /** Starts a new use. */
  void reset(long newId, int newWireOperation) {
    begin(newId);
    wireOperation = newWireOperation;
    offsetBytes = 0;
    lengthBytes = 0;
    segments = 0;
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
    GrantCopy batch = guest.batch(direction, data);
    int position = 0;
    for (int segment = 0; segment < segments; segment++) {
      batch.add(references[segment], pageOffsets[segment], segmentBytes[segment], position);
      position += segmentBytes[segment];
    }
    return isConnected() && guest.copy(batch);
  }

  @Override
  public int respond(ResponseStatus newStatus) {
    status = newStatus;
    return answer();
  }

  @Override
  protected void writeResponse(ByteBuffer memory, int slot) {
    RingLayout.writeResponse(memory, slot, id(), wireOperation, status.code());
  }

  @Override
  public void encode(ByteBuffer target) {
    checkHeld();
    int start = target.position();
    ByteOrder order = target.order();
    target.order(ByteOrder.LITTLE_ENDIAN);
    encodeHead(target, FORMAT, wireOperation);
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

  /** What an encoded request changes; empty when nothing. */
  static Optional<Change> encodedChange(ByteBuffer encoded) {
    ByteBuffer in = view(encoded);
    long lengthBytes = in.getLong(LENGTH);
    return switch (operationOf(encodedOwn(in))) {
      case WRITE, WRITE_BARRIER, DISCARD ->
          lengthBytes == 0
              ? Optional.empty()
              : Optional.of(new Change(in.getLong(OFFSET), lengthBytes));
      case READ, FLUSH -> Optional.empty();
    };
  }

  /** Becomes the request that was encoded, not answered. */
  void decode(ByteBuffer encoded) {
    ByteBuffer in = view(encoded);
    int format = encodedFormat(in);
    int count = in.remaining() < HEADER_BYTES ? -1 : in.getInt(SEGMENT_COUNT);
    if (format != FORMAT
        || count < 0
        || count > VbdLimits.HIGHEST_INDIRECT_SEGMENTS
        || in.remaining() < HEADER_BYTES + count * SEGMENT_BYTES) {
      throw new IllegalArgumentException(
          "encoded request of format %d with %d segments in %d bytes: expected format %d, as written by"
                  .formatted(format, count, in.remaining(), FORMAT)
              + " the same version of this program");
    }
    reset(encodedId(in), encodedOwn(in));
    set(operationOf(wireOperation), in.getLong(OFFSET));
    for (int segment = 0; segment < count; segment++) {
      int position = HEADER_BYTES + segment * SEGMENT_BYTES;
      addSegment(
          in.getInt(position),
          Short.toUnsignedInt(in.getShort(position + 4)),
          Short.toUnsignedInt(in.getShort(position + 6)));
    }
    length(in.getLong(LENGTH));
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

  @Override
  public String toString() {
    return "%s of %d bytes at %d (queue %d, id %s)"
        .formatted(operation, lengthBytes, offsetBytes, queue(), Long.toUnsignedString(id()));
  }
}

package io.netchannel.vdevice.block;

import static io.netchannel.vdevice.block.RingLayout.SECTOR_BYTES;

import io.netchannel.vdevice.GuestMemory;
import io.netchannel.vdevice.block.RingLayout.Wire;
import io.netchannel.xen.GrantCopy;
import io.netchannel.xen.GrantTable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * Makes a request of a slot, or refuses it. Works on a private copy of the slot, and of the
 * indirect page if there is one: what has been checked cannot be changed by the guest any more.
 *
 * <p>Accepts what Linux' blkback accepts (dispatch_rw_block_io, xen_vbd_translate), and answers the
 * rest as it does.
 */
final class RequestParser {
  private static final int LAST_SECTOR_OF_PAGE = GrantTable.PAGE_BYTES / SECTOR_BYTES - 1;

  private final RingLayout layout;
  private final BlockGeometry geometry;
  private final VbdLimits limits;
  private final GuestMemory guest;

  /** Private copy of the slot. */
  private final ByteBuffer slot;

  /** Private copy of an indirect page; one holds 512 segments, we take half as many at most. */
  private final ByteBuffer indirectPage =
      ByteBuffer.allocateDirect(GrantTable.PAGE_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  RequestParser(RingLayout layout, BlockGeometry geometry, VbdLimits limits, GuestMemory guest) {
    this.layout = layout;
    this.geometry = geometry;
    this.limits = limits;
    this.guest = guest;
    slot = ByteBuffer.allocate(layout.slotBytes()).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** A request that is answered without being served. */
  record Refusal(ResponseStatus status, String reason) {}

  /** Where the slot is to be copied to before {@link #parse}. */
  ByteBuffer slot() {
    return slot;
  }

  /**
   * Fills {@code request} from the copied slot.
   *
   * @return why it is refused; id and operation are set even then, for the response
   */
  Optional<Refusal> parse(RingRequest request) {
    int wireOperation = layout.operation(slot);
    return switch (wireOperation) {
      case Wire.READ, Wire.WRITE, Wire.WRITE_BARRIER, Wire.FLUSH_DISKCACHE -> {
        request.reset(layout.id(slot), wireOperation);
        yield parseDirect(request);
      }
      case Wire.INDIRECT -> {
        request.reset(layout.id(slot), layout.indirectOperation(slot));
        yield parseIndirect(request);
      }
      case Wire.DISCARD -> {
        request.reset(layout.id(slot), wireOperation);
        yield parseDiscard(request);
      }
      default -> {
        request.reset(layout.id(slot), wireOperation);
        yield refuse(ResponseStatus.NOT_SUPPORTED, "unknown operation " + wireOperation);
      }
    };
  }

  private Optional<Refusal> parseDirect(RingRequest request) {
    int count = layout.segmentCount(slot);
    BlockOperation operation = RingRequest.operationOf(request.wireOperation());
    boolean mayBeEmpty =
        operation == BlockOperation.FLUSH || operation == BlockOperation.WRITE_BARRIER;
    if (count > RingLayout.MAX_DIRECT_SEGMENTS || (count == 0 && !mayBeEmpty)) {
      return refuse("%s with %d segments".formatted(operation, count));
    }
    return parseSegments(request, operation, slot, layout.segmentsOffset(), count);
  }

  private Optional<Refusal> parseIndirect(RingRequest request) {
    int wireOperation = request.wireOperation();
    if (wireOperation != Wire.READ && wireOperation != Wire.WRITE) {
      return refuse("indirect request for operation " + wireOperation);
    }
    int count = layout.indirectSegmentCount(slot);
    if (count == 0 || count > limits.maxIndirectSegments()) {
      return refuse(
          "indirect request with %d segments, at most %d are offered"
              .formatted(count, limits.maxIndirectSegments()));
    }
    GrantCopy batch = guest.batch(GrantCopy.Direction.FROM_GUEST, indirectPage);
    batch.add(layout.indirectReference(slot, 0), 0, count * RingLayout.SEGMENT_BYTES, 0);
    if (!guest.copy(batch)) {
      return refuse("page of segments cannot be read");
    }
    return parseSegments(request, RingRequest.operationOf(wireOperation), indirectPage, 0, count);
  }

  private Optional<Refusal> parseSegments(
      RingRequest request, BlockOperation operation, ByteBuffer segments, int first, int count) {
    if (geometry.readOnly() && operation != BlockOperation.READ) {
      return refuse(operation + " to a read-only disk");
    }
    long sectors = 0;
    for (int segment = 0; segment < count; segment++) {
      int position = first + segment * RingLayout.SEGMENT_BYTES;
      int firstSector = RingLayout.segmentFirstSector(segments, position);
      int lastSector = RingLayout.segmentLastSector(segments, position);
      if (firstSector > lastSector || lastSector > LAST_SECTOR_OF_PAGE) {
        return refuse(
            "segment %d covers sectors %d to %d of its page"
                .formatted(segment, firstSector, lastSector));
      }
      int count512 = lastSector - firstSector + 1;
      request.addSegment(
          RingLayout.segmentReference(segments, position),
          firstSector * SECTOR_BYTES,
          count512 * SECTOR_BYTES);
      sectors += count512;
    }
    // A flush without data says nothing of where; blkfront puts -1 there.
    return sectors == 0 ? accept(request, operation, 0) : checkRange(request, operation, sectors);
  }

  private Optional<Refusal> parseDiscard(RingRequest request) {
    if (geometry.readOnly()) {
      return refuse("DISCARD on a read-only disk");
    }
    if (geometry.discardGranularityBytes() == 0) {
      return refuse(ResponseStatus.NOT_SUPPORTED, "DISCARD, which is not offered");
    }
    // The secure flag is ignored, as io/blkif.h asks of a backend that does not offer it.
    long sectors = layout.discardSectors(slot);
    if (sectors == 0) {
      return refuse("DISCARD of no sectors");
    }
    Optional<Refusal> refusal = checkRange(request, BlockOperation.DISCARD, sectors);
    if (refusal.isEmpty()) {
      request.length(sectors * SECTOR_BYTES);
    }
    return refusal;
  }

  /**
   * @param sectors any 64 bits the guest likes
   */
  private Optional<Refusal> checkRange(
      RingRequest request, BlockOperation operation, long sectors) {
    long first = layout.sector(slot);
    long capacity = geometry.sizeBytes() / SECTOR_BYTES;
    // Unsigned, and by subtraction: first + sectors may wrap.
    if (Long.compareUnsigned(first, capacity) > 0
        || Long.compareUnsigned(sectors, capacity - first) > 0) {
      return refuse(
          "%s of %s sectors at %s, the disk has %d"
              .formatted(
                  operation,
                  Long.toUnsignedString(sectors),
                  Long.toUnsignedString(first),
                  capacity));
    }
    int unit = geometry.sectorBytes() / SECTOR_BYTES;
    if (first % unit != 0 || sectors % unit != 0) {
      return refuse(
          "%s of %d sectors at %d is not in blocks of %d bytes"
              .formatted(operation, sectors, first, geometry.sectorBytes()));
    }
    return accept(request, operation, first * SECTOR_BYTES);
  }

  private static Optional<Refusal> accept(
      RingRequest request, BlockOperation operation, long offsetBytes) {
    request.set(operation, offsetBytes);
    return Optional.empty();
  }

  private static Optional<Refusal> refuse(String reason) {
    return refuse(ResponseStatus.ERROR, reason);
  }

  private static Optional<Refusal> refuse(ResponseStatus status, String reason) {
    return Optional.of(new Refusal(status, reason));
  }
}

package io.netchannel.vdevice.block;

import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * Where the fields of a slot are (io/blkif.h). The structures are the same for all guests, but
 * 64-bit integers are aligned to 8 bytes by x86_64 and to 4 by x86_32: everything from the id on
 * moves.
 *
 * <pre>
 *   x86_64   0   1   2       8    16      24
 *   x86_32   0   1   2       4    12      20
 *            op  n   handle  id   sector  segments: 11 of 8 bytes      struct blkif_request
 *            op  flg handle  id   sector  sectors (64 bits)            struct blkif_request_discard
 *            op  op2 n (16)  id   sector  handle (16), 2 bytes, refs   struct blkif_request_indirect
 *
 *   both     0   8   10
 *            id  op  status (16)                                       struct blkif_response
 * </pre>
 *
 * Methods take a slot's buffer, little endian, and the position where the slot starts.
 */
public enum RingLayout {
  X86_64("x86_64-abi", 8),
  X86_32("x86_32-abi", 4);

  /** Segments in a slot (BLKIF_MAX_SEGMENTS_PER_REQUEST). */
  public static final int MAX_DIRECT_SEGMENTS = 11;

  /** A struct blkif_request_segment: grant reference, first and last sector, two bytes unused. */
  public static final int SEGMENT_BYTES = 8;

  /** References to pages of segments (BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST). */
  public static final int MAX_INDIRECT_PAGES = 8;

  /**
   * Unit of all sector numbers on the ring, whatever "sector-size" says (Linux blkfront, blkback).
   */
  public static final int SECTOR_BYTES = 512;

  private static final int OPERATION = 0;
  private static final int SEGMENT_COUNT = 1;
  private static final int INDIRECT_OPERATION = 1;
  private static final int INDIRECT_SEGMENT_COUNT = 2;
  private static final int SEGMENT_FIRST_SECTOR = 4;
  private static final int SEGMENT_LAST_SECTOR = 5;
  private static final int RESPONSE_ID = 0;
  private static final int RESPONSE_OPERATION = 8;
  private static final int RESPONSE_STATUS = 10;

  private final String protocol;
  private final int id;
  private final int sector;
  private final int segments;
  private final int indirectReferences;
  private final int slotBytes;

  RingLayout(String protocol, int id) {
    this.protocol = protocol;
    this.id = id;
    sector = id + 8;
    segments = id + 16;
    indirectReferences = id + 20;
    slotBytes = segments + MAX_DIRECT_SEGMENTS * SEGMENT_BYTES;
  }

  /**
   * The layout a frontend's "protocol" node names (io/protocols.h). A frontend that names none uses
   * the native one: that of the backend's own machine.
   */
  public static Optional<RingLayout> of(Optional<String> protocol) {
    if (protocol.isEmpty()) {
      return Optional.of(X86_64);
    }
    for (RingLayout layout : values()) {
      if (layout.protocol.equals(protocol.get())) {
        return Optional.of(layout);
      }
    }
    return Optional.empty();
  }

  /** The value of the "protocol" node. */
  public String protocol() {
    return protocol;
  }

  /** Bytes of a slot: 112 or 108, those of the largest request. */
  public int slotBytes() {
    return slotBytes;
  }

  int operation(ByteBuffer slot) {
    return Byte.toUnsignedInt(slot.get(OPERATION));
  }

  long id(ByteBuffer slot) {
    return slot.getLong(id);
  }

  long sector(ByteBuffer slot) {
    return slot.getLong(sector);
  }

  int segmentCount(ByteBuffer slot) {
    return Byte.toUnsignedInt(slot.get(SEGMENT_COUNT));
  }

  /** Position of the first segment in the slot. */
  int segmentsOffset() {
    return segments;
  }

  long discardSectors(ByteBuffer slot) {
    return slot.getLong(segments);
  }

  int indirectOperation(ByteBuffer slot) {
    return Byte.toUnsignedInt(slot.get(INDIRECT_OPERATION));
  }

  int indirectSegmentCount(ByteBuffer slot) {
    return Short.toUnsignedInt(slot.getShort(INDIRECT_SEGMENT_COUNT));
  }

  int indirectReference(ByteBuffer slot, int page) {
    return slot.getInt(indirectReferences + page * Integer.BYTES);
  }

  /**
   * The grant reference of the segment that starts at {@code segment}; the same in both layouts.
   */
  static int segmentReference(ByteBuffer segments, int segment) {
    return segments.getInt(segment);
  }

  static int segmentFirstSector(ByteBuffer segments, int segment) {
    return Byte.toUnsignedInt(segments.get(segment + SEGMENT_FIRST_SECTOR));
  }

  static int segmentLastSector(ByteBuffer segments, int segment) {
    return Byte.toUnsignedInt(segments.get(segment + SEGMENT_LAST_SECTOR));
  }

  static void writeResponse(ByteBuffer ring, int slot, long id, int operation, short status) {
    ring.putLong(slot + RESPONSE_ID, id);
    ring.put(slot + RESPONSE_OPERATION, (byte) operation);
    ring.putShort(slot + RESPONSE_STATUS, status);
  }

  // ---- the frontend's side

  /** Writes a request with segments in the slot; they follow by {@link #writeSegment}. */
  public void writeRequest(
      ByteBuffer ring,
      int slot,
      int operation,
      int segmentCount,
      int handle,
      long id,
      long sector) {
    ring.put(slot + OPERATION, (byte) operation);
    ring.put(slot + SEGMENT_COUNT, (byte) segmentCount);
    ring.putShort(slot + 2, (short) handle);
    ring.putLong(slot + this.id, id);
    ring.putLong(slot + this.sector, sector);
  }

  /** Position of a segment of the request at {@code slot}. */
  public int segmentOffset(int slot, int segment) {
    return slot + segments + segment * SEGMENT_BYTES;
  }

  /** Writes a segment, in a slot or in an indirect page. */
  public static void writeSegment(
      ByteBuffer memory, int position, int reference, int firstSector, int lastSector) {
    memory.putInt(position, reference);
    memory.put(position + SEGMENT_FIRST_SECTOR, (byte) firstSector);
    memory.put(position + SEGMENT_LAST_SECTOR, (byte) lastSector);
  }

  public void writeDiscard(
      ByteBuffer ring, int slot, int handle, long id, long sector, long sectorCount) {
    writeRequest(ring, slot, Wire.DISCARD, 0, handle, id, sector);
    ring.putLong(slot + segments, sectorCount);
  }

  /** Writes a request whose segments are in pages of their own. */
  public void writeIndirect(
      ByteBuffer ring,
      int slot,
      int operation,
      int segmentCount,
      int handle,
      long id,
      long sector,
      int... references) {
    ring.put(slot + OPERATION, (byte) Wire.INDIRECT);
    ring.put(slot + INDIRECT_OPERATION, (byte) operation);
    ring.putShort(slot + INDIRECT_SEGMENT_COUNT, (short) segmentCount);
    ring.putLong(slot + this.id, id);
    ring.putLong(slot + this.sector, sector);
    ring.putShort(slot + segments, (short) handle);
    for (int page = 0; page < references.length; page++) {
      ring.putInt(slot + indirectReferences + page * Integer.BYTES, references[page]);
    }
  }

  public static long responseId(ByteBuffer response) {
    return response.getLong(RESPONSE_ID);
  }

  public static int responseOperation(ByteBuffer response) {
    return Byte.toUnsignedInt(response.get(RESPONSE_OPERATION));
  }

  public static int responseStatus(ByteBuffer response) {
    return response.getShort(RESPONSE_STATUS);
  }

  /** Operation codes on the ring: BLKIF_OP_* of io/blkif.h. */
  public static final class Wire {
    public static final int READ = 0;
    public static final int WRITE = 1;
    public static final int WRITE_BARRIER = 2;
    public static final int FLUSH_DISKCACHE = 3;
    public static final int DISCARD = 5;
    public static final int INDIRECT = 6;

    private Wire() {}
  }
}

package io.netchannel.wire;

import io.netty.buffer.ByteBuf;
import java.util.UUID;

/**
 * What ATTACHED says of a disk.
 *
 * @param storage another one than before: what was written and not flushed may be lost
 * @param lastStorage the last one of which this client has shown, by a flush, that it has seen it
 *     and lost nothing; the same as {@code storage} for one that did not hold the export. It
 *     flushes at once when that is another one, unless it has lost something: then it sends no
 *     flush. After a probe which storage the export has, {@link #UNTOLD} when that is not known;
 *     before version 3 the same as {@code storage}
 */
public record AttachedDisk(UUID storage, UUID lastStorage, Geometry geometry)
    implements Attached.Body {

  /** After a probe: which storage it is cannot be told. */
  public static final UUID UNTOLD = new UUID(0, 0);

  /** As {@code device.DeviceGeometry}, which this package does not know. */
  public record Geometry(
      long sizeBytes,
      int logicalBlockBytes,
      int physicalBlockBytes,
      boolean readOnly,
      boolean canFlush,
      boolean canDiscard,
      int discardGranularityBytes,
      boolean canZero) {

    /** The same of another size. */
    public Geometry withSize(long bytes) {
      return new Geometry(
          bytes,
          logicalBlockBytes,
          physicalBlockBytes,
          readOnly,
          canFlush,
          canDiscard,
          discardGranularityBytes,
          canZero);
    }

    /** The same with or without the ability. */
    public Geometry withZero(boolean can) {
      return new Geometry(
          sizeBytes,
          logicalBlockBytes,
          physicalBlockBytes,
          readOnly,
          canFlush,
          canDiscard,
          discardGranularityBytes,
          can);
    }
  }

  private static final int READ_ONLY = 1;
  private static final int CAN_FLUSH = 2;
  private static final int CAN_DISCARD = 4;

  /** Since version 2. */
  private static final int CAN_ZERO = 8;

  /** A sector of io/blkif.h: nothing smaller is a disk. */
  private static final int MIN_BLOCK_BYTES = 512;

  @Override
  public ExportKind kind() {
    return ExportKind.DISK;
  }

  @Override
  public void encodeFixed(ByteBuf out) {
    Payload.encode(storage, out);
    Payload.encode(lastStorage, out);
    out.writeLong(geometry.sizeBytes());
    out.writeInt(geometry.logicalBlockBytes()).writeInt(geometry.physicalBlockBytes());
    out.writeInt(geometry.discardGranularityBytes());
    out.writeShort(
        (geometry.readOnly() ? READ_ONLY : 0)
            | (geometry.canFlush() ? CAN_FLUSH : 0)
            | (geometry.canDiscard() ? CAN_DISCARD : 0)
            | (geometry.canZero() ? CAN_ZERO : 0));
  }

  @Override
  public int restBytes() {
    return 0;
  }

  @Override
  public void encodeRest(ByteBuf out) {}

  /** Reads {@link Attached#BODY_BYTES}, which must be there. */
  static AttachedDisk decode(ByteBuf in) throws WireException {
    UUID storage = Payload.uuid(in);
    UUID lastStorage = Payload.uuid(in);
    long size = in.readLong();
    long logical = in.readUnsignedInt();
    long physical = in.readUnsignedInt();
    long granularity = in.readUnsignedInt();
    int flags = in.readUnsignedShort();
    Payload.check("ATTACHED", isBlock(logical), "a power of 2 from 512 on as block", logical);
    Payload.check("ATTACHED", isBlock(physical), "a power of 2 from 512 on as block", physical);
    Payload.check("ATTACHED", size > 0 && size % logical == 0, "a size in whole blocks", size);
    Payload.check("ATTACHED", granularity <= Integer.MAX_VALUE, "a granularity", granularity);
    Payload.check(
        "ATTACHED",
        (flags & ~(READ_ONLY | CAN_FLUSH | CAN_DISCARD | CAN_ZERO)) == 0,
        "no unknown flags",
        flags);
    Geometry geometry =
        new Geometry(
            size,
            (int) logical,
            (int) physical,
            (flags & READ_ONLY) != 0,
            (flags & CAN_FLUSH) != 0,
            (flags & CAN_DISCARD) != 0,
            (int) granularity,
            (flags & CAN_ZERO) != 0);
    return new AttachedDisk(storage, lastStorage, geometry);
  }

  private static boolean isBlock(long bytes) {
    return bytes >= MIN_BLOCK_BYTES && bytes <= Integer.MAX_VALUE && Long.bitCount(bytes) == 1;
  }
}

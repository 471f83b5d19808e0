package io.netchannel.wire;

import com.google.common.collect.ImmutableList;
import io.netty.buffer.ByteBuf;
import java.util.UUID;

/**
 * Payload of ATTACHED: what the export is like, and what became of the listed requests.
 *
 * @param storage another one than before: what was written and not flushed may be lost
 * @param lastStorage the last one of which this client has shown, by a flush, that it has seen it
 *     and lost nothing; the same as {@code storage} for one that did not hold the export. It
 *     flushes at once when that is another one, unless it has lost something: then it sends no
 *     flush. After a probe which storage the export has, {@link #UNTOLD} when that is not known;
 *     before version 3 the same as {@code storage}
 * @param window how much may be outstanding
 * @param generation the newest the server knows for this client; 0: none
 * @param fates of the listed requests, in their order
 */
public record Attached(
    UUID storage,
    UUID lastStorage,
    Geometry geometry,
    Window window,
    long generation,
    ImmutableList<Fate> fates) {

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

  /**
   * What a client may have outstanding.
   *
   * @param slots requests; 0 after a probe
   * @param bytes of data that they write or read
   */
  public record Window(int slots, int bytes) {
    public static final Window NONE = new Window(0, 0);
  }

  /** What the server knows of a listed request. */
  public record Fate(State state, Status status) {
    static final int BYTES = 2;

    public static final Fate UNKNOWN = new Fate(State.UNKNOWN, Status.OK);
    public static final Fate RUNNING = new Fate(State.RUNNING, Status.OK);

    public static Fate done(Status status) {
      return new Fate(State.DONE, status);
    }

    private static Fate decode(ByteBuf in) throws WireException {
      int state = in.readUnsignedByte();
      Status status = Status.of(in.readUnsignedByte());
      Payload.check("ATTACHED", state < State.VALUES.length, "a state of 0 to 2", state);
      Fate fate = new Fate(State.VALUES[state], status);
      boolean plain = fate.state() == State.DONE || status == Status.OK;
      Payload.check("ATTACHED", plain, "a status only when DONE", state);
      return fate;
    }
  }

  /** How far a listed request is. */
  public enum State {
    UNKNOWN(0),
    RUNNING(1),
    DONE(2);

    private static final State[] VALUES = values();

    private final int code;

    State(int code) {
      this.code = code;
    }
  }

  private static final int FIXED_BYTES = 72;
  private static final int READ_ONLY = 1;
  private static final int CAN_FLUSH = 2;
  private static final int CAN_DISCARD = 4;

  /** Since version 2. */
  private static final int CAN_ZERO = 8;

  static final int MAX_BYTES = FIXED_BYTES + Wire.MAX_SLOTS * Fate.BYTES;

  /** A sector of io/blkif.h: nothing smaller is a disk. */
  private static final int MIN_BLOCK_BYTES = 512;

  public int encodedBytes() {
    return FIXED_BYTES + fates.size() * Fate.BYTES;
  }

  public void encode(ByteBuf out) {
    encode(storage, out);
    encode(lastStorage, out);
    out.writeLong(geometry.sizeBytes());
    out.writeInt(geometry.logicalBlockBytes()).writeInt(geometry.physicalBlockBytes());
    out.writeInt(geometry.discardGranularityBytes());
    out.writeShort(
        (geometry.readOnly() ? READ_ONLY : 0)
            | (geometry.canFlush() ? CAN_FLUSH : 0)
            | (geometry.canDiscard() ? CAN_DISCARD : 0)
            | (geometry.canZero() ? CAN_ZERO : 0));
    out.writeShort(window.slots()).writeInt(window.bytes());
    out.writeShort(fates.size()).writeShort(0);
    out.writeLong(generation);
    for (Fate fate : fates) {
      out.writeByte(fate.state().code).writeByte(fate.status().code());
    }
  }

  private static void encode(UUID uuid, ByteBuf out) {
    out.writeLong(uuid.getMostSignificantBits()).writeLong(uuid.getLeastSignificantBits());
  }

  /** Reads all of {@code in}. */
  public static Attached decode(ByteBuf in) throws WireException {
    Payload.atLeast("ATTACHED", in, FIXED_BYTES);
    UUID storage = new UUID(in.readLong(), in.readLong());
    UUID lastStorage = new UUID(in.readLong(), in.readLong());
    long size = in.readLong();
    long logical = in.readUnsignedInt();
    long physical = in.readUnsignedInt();
    long granularity = in.readUnsignedInt();
    int flags = in.readUnsignedShort();
    int slots = in.readUnsignedShort();
    long bytes = in.readUnsignedInt();
    int count = in.readUnsignedShort();
    int reserved = in.readUnsignedShort();
    long generation = in.readLong();
    Payload.check("ATTACHED", isBlock(logical), "a power of 2 from 512 on as block", logical);
    Payload.check("ATTACHED", isBlock(physical), "a power of 2 from 512 on as block", physical);
    Payload.check("ATTACHED", size > 0 && size % logical == 0, "a size in whole blocks", size);
    Payload.check("ATTACHED", granularity <= Integer.MAX_VALUE, "a granularity", granularity);
    Payload.check(
        "ATTACHED",
        (flags & ~(READ_ONLY | CAN_FLUSH | CAN_DISCARD | CAN_ZERO)) == 0,
        "no unknown flags",
        flags);
    boolean usable = slots == 0 ? bytes == 0 : bytes >= Wire.MIN_PAYLOAD_BYTES;
    Payload.check(
        "ATTACHED", usable && bytes <= Integer.MAX_VALUE, "a window for a request", bytes);
    Payload.check("ATTACHED", reserved == 0, "0 as reserved", reserved);
    Payload.check("ATTACHED", generation >= 0, "a generation below 2^63", generation);
    Payload.exactly("ATTACHED", in, (long) count * Fate.BYTES);
    ImmutableList.Builder<Fate> fates = ImmutableList.builderWithExpectedSize(count);
    for (int i = 0; i < count; i++) {
      fates.add(Fate.decode(in));
    }
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
    return new Attached(
        storage, lastStorage, geometry, new Window(slots, (int) bytes), generation, fates.build());
  }

  private static boolean isBlock(long bytes) {
    return bytes >= MIN_BLOCK_BYTES && bytes <= Integer.MAX_VALUE && Long.bitCount(bytes) == 1;
  }
}

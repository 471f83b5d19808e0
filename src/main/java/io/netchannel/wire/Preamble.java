package io.netchannel.wire;

import io.netty.buffer.ByteBuf;

/**
 * What each side sends first.
 *
 * @param oldest the oldest version it speaks
 * @param newest the newest one
 * @param maxPayloadBytes the largest payload it takes
 */
public record Preamble(int oldest, int newest, int maxPayloadBytes) {
  public static final int BYTES = 16;

  /** What this code says. */
  public static final Preamble OURS =
      new Preamble(Wire.OLDEST_VERSION, Wire.VERSION, Wire.MAX_PAYLOAD_BYTES);

  /** "NETCHAN\n" in ASCII. */
  static final long MAGIC = 0x4e45544348414e0aL;

  public void encode(ByteBuf out) {
    out.writeLong(MAGIC).writeShort(oldest).writeShort(newest).writeInt(maxPayloadBytes);
  }

  /** Reads {@link #BYTES}, which must be there. */
  static Preamble decode(ByteBuf in) throws WireException {
    long magic = in.readLong();
    if (magic != MAGIC) {
      throw new WireException(
          "expected the preamble of netchannel's device protocol, found 0x%016x: is something else"
                  .formatted(magic)
              + " at the other end?");
    }
    int oldest = in.readUnsignedShort();
    int newest = in.readUnsignedShort();
    long payload = in.readUnsignedInt();
    if (oldest < 1 || oldest > newest) {
      throw new WireException(
          "expected versions in ascending order, found %d to %d".formatted(oldest, newest));
    }
    if (payload < Wire.MIN_PAYLOAD_BYTES || payload > Integer.MAX_VALUE) {
      throw new WireException(
          "expected a largest payload of %d or more bytes, found %d"
              .formatted(Wire.MIN_PAYLOAD_BYTES, payload));
    }
    return new Preamble(oldest, newest, (int) payload);
  }

  /** Whether a connection that is like this has ZERO and EXTENTS. */
  public boolean hasZero() {
    return newest >= Wire.ZERO_VERSION;
  }

  /** Whether a connection that is like this has MOVED, ARRIVED, NOTED and ANEW. */
  public boolean hasMoved() {
    return newest >= Wire.MOVED_VERSION;
  }

  /** Whether a connection that is like this says which storage an export has. */
  public boolean hasStorage() {
    return newest >= Wire.STORAGE_VERSION;
  }

  /** Whether a connection that is like this has RECORD, RECORDED and LEG. */
  public boolean hasRecords() {
    return newest >= Wire.RECORD_VERSION;
  }

  /** Whether a connection that is like this can be one to a USB device. */
  public boolean hasUsb() {
    return newest >= Wire.USB_VERSION;
  }

  /**
   * What a connection with {@code other} is like.
   *
   * @throws WireException when there is no common version
   */
  public Preamble with(Preamble other) throws WireException {
    int version = Math.min(newest, other.newest);
    if (version < oldest || version < other.oldest) {
      throw new WireException(
          "expected version %d to %d of the device protocol, the other end speaks %d to %d; install"
                  .formatted(oldest, newest, other.oldest, other.newest)
              + " the same netchannel on both");
    }
    return new Preamble(version, version, Math.min(maxPayloadBytes, other.maxPayloadBytes));
  }
}

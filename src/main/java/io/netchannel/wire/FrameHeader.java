package io.netchannel.wire;

import io.netty.buffer.ByteBuf;

/** The header of a frame. Used again and again: a connection has one for each way. */
public final class FrameHeader {
  public static final int BYTES = 32;

  /** Enough for a sentence or two. */
  public static final int MAX_REFUSAL_BYTES = 2048;

  /** In the status of a ZERO. */
  private static final int MAY_DEALLOCATE = 1;

  private FrameType type = FrameType.PING;
  private int status;
  private int slot;
  private int payloadBytes;
  private long sequence;
  private long offsetBytes;
  private long lengthBytes;

  public FrameType type() {
    return type;
  }

  /** A {@link Status} or the code of a {@link Refusal}, whatever the type has; or 0. */
  public int statusCode() {
    return status;
  }

  public int slot() {
    return slot;
  }

  public int payloadBytes() {
    return payloadBytes;
  }

  public long sequence() {
    return sequence;
  }

  public long offsetBytes() {
    return offsetBytes;
  }

  public long lengthBytes() {
    return lengthBytes;
  }

  /** How the request of a REPLY ended, or what a NOTED answers. */
  public Status replyStatus() throws WireException {
    return Status.of(status);
  }

  private FrameHeader set(FrameType newType, int newStatus, int payload, long newSequence) {
    type = newType;
    status = newStatus;
    slot = 0;
    payloadBytes = payload;
    sequence = newSequence;
    offsetBytes = 0;
    lengthBytes = 0;
    return this;
  }

  /** ATTACH, ATTACHED, DETACH, DETACHED, RECORD, RECORDED: no fields but the payload's length. */
  public FrameHeader control(FrameType newType, int payload) {
    return set(newType, 0, payload, 0);
  }

  /** PING or PONG. */
  public FrameHeader ping(FrameType newType, long newSequence) {
    return set(newType, 0, 0, newSequence);
  }

  /**
   * REFUSED with a text.
   *
   * @param generation the newest one for STALE, otherwise 0
   */
  public FrameHeader refused(Refusal reason, int payload, long generation) {
    return set(FrameType.REFUSED, reason.code(), payload, generation);
  }

  /**
   * MOVED or ARRIVED.
   *
   * @param number that its NOTED will have, 1 or more
   */
  public FrameHeader note(FrameType newType, long number, int payload) {
    return set(newType, 0, payload, number);
  }

  /**
   * NOTED.
   *
   * @param payload of the words that say why not; 0 with OK
   */
  public FrameHeader noted(Status how, long number, int payload) {
    return set(FrameType.NOTED, how.code(), payload, number);
  }

  public FrameHeader reply(Status newStatus, int newSlot, long newSequence, int payload) {
    set(FrameType.REPLY, newStatus.code(), payload, newSequence);
    slot = newSlot;
    return this;
  }

  /** Whether a ZERO may leave a hole. */
  public boolean mayDeallocate() {
    return status == MAY_DEALLOCATE;
  }

  /** ZERO. */
  public FrameHeader zero(
      int newSlot,
      long newSequence,
      long newOffsetBytes,
      long newLengthBytes,
      boolean mayDeallocate) {
    request(FrameType.ZERO, newSlot, newSequence, newOffsetBytes, newLengthBytes);
    status = mayDeallocate ? MAY_DEALLOCATE : 0;
    return this;
  }

  /** READ, WRITE, FLUSH, DISCARD or EXTENTS. */
  public FrameHeader request(
      FrameType newType, int newSlot, long newSequence, long newOffsetBytes, long newLengthBytes) {
    int payload = newType == FrameType.WRITE ? Math.toIntExact(newLengthBytes) : 0;
    set(newType, 0, payload, newSequence);
    slot = newSlot;
    offsetBytes = newOffsetBytes;
    lengthBytes = newLengthBytes;
    return this;
  }

  public void encode(ByteBuf out) {
    out.writeByte(type.code()).writeByte(status).writeShort(slot).writeInt(payloadBytes);
    out.writeLong(sequence).writeLong(offsetBytes).writeLong(lengthBytes);
  }

  /**
   * Reads {@link #BYTES}, which must be there, and checks each field against the type's rules.
   *
   * @param maxPayloadBytes of READ, WRITE and REPLY
   * @param version of the connection
   */
  void decode(ByteBuf in, int maxPayloadBytes, int version) throws WireException {
    type = FrameType.of(in.readUnsignedByte(), version);
    status = in.readUnsignedByte();
    slot = in.readUnsignedShort();
    long payload = in.readUnsignedInt();
    sequence = in.readLong();
    offsetBytes = in.readLong();
    lengthBytes = in.readLong();
    check(sequence >= 0, "a sequence below 2^63", sequence);
    check(offsetBytes >= 0, "an offset below 2^63", offsetBytes);
    check(lengthBytes >= 0, "a length below 2^63", lengthBytes);
    if (payload > payloadLimit(maxPayloadBytes)) {
      throw wrong("a payload of at most " + payloadLimit(maxPayloadBytes) + " bytes", payload);
    }
    payloadBytes = (int) payload;
    switch (type) {
      case ATTACH, ATTACHED, RECORD, RECORDED -> {
        check(payload > 0, "a payload", payload);
        bare(0);
      }
      case REFUSED -> {
        bare(sequence);
        status = Refusal.of(status).code();
      }
      case READ -> request(0, 1, maxPayloadBytes, 0);
      case WRITE -> request(0, 1, maxPayloadBytes, lengthBytes);
      case DISCARD, EXTENTS -> request(0, 1, Wire.MAX_NUMBER, 0);
      case ZERO -> request(MAY_DEALLOCATE, 1, Wire.MAX_NUMBER, 0);
      case FLUSH -> {
        request(0, 0, 0, 0);
        check(offsetBytes == 0, "offset 0", offsetBytes);
      }
      case REPLY -> {
        check(sequence > 0, "a sequence from 1 on", sequence);
        check(offsetBytes == 0, "offset 0", offsetBytes);
        check(lengthBytes == 0, "length 0", lengthBytes);
        Status how = Status.of(status);
        check(payload == 0 || how == Status.OK, "no data with a failure", payload);
      }
      case DETACH, DETACHED -> {
        bare(0);
        check(status == 0, "status 0", status);
      }
      case MOVED, ARRIVED -> {
        note();
        check(status == 0, "status 0", status);
        check(type == FrameType.ARRIVED || payload > 0, "a payload", payload);
      }
      case NOTED -> {
        note();
        boolean isNoted = Status.of(status) == Status.OK;
        check(isNoted == (payload == 0), "words just when it is not noted", payload);
      }
      case PING, PONG -> {
        bare(sequence);
        check(status == 0, "status 0", status);
      }
    }
  }

  private int payloadLimit(int maxPayloadBytes) {
    return switch (type) {
      case ATTACH -> Attach.MAX_BYTES;
      case ATTACHED -> Attached.MAX_BYTES;
      case REFUSED -> MAX_REFUSAL_BYTES;
      case WRITE, REPLY -> maxPayloadBytes;
      case MOVED -> Moved.MAX_BYTES;
      case NOTED -> MAX_REFUSAL_BYTES;
      case RECORD -> LegRecord.MAX_BYTES;
      case RECORDED -> LegRecord.Known.MAX_BYTES;
      case READ, FLUSH, DISCARD, ZERO, EXTENTS, ARRIVED, DETACH, DETACHED, PING, PONG -> 0;
    };
  }

  private void request(int flags, long least, long most, long payload) throws WireException {
    check((status & ~flags) == 0, flags == 0 ? "status 0" : "no unknown flags", status);
    check(sequence > 0, "a sequence from 1 on", sequence);
    if (lengthBytes < least || lengthBytes > most) {
      throw wrong("a length from " + least + " to " + most, lengthBytes);
    }
    check(
        offsetBytes <= Wire.MAX_NUMBER - lengthBytes, "a range that ends below 2^63", offsetBytes);
    check(payloadBytes == payload, "a payload as long as the data", payloadBytes);
  }

  /** MOVED, ARRIVED or NOTED. */
  private void note() throws WireException {
    bare(sequence);
    check(sequence > 0, "a sequence from 1 on", sequence);
  }

  /** A frame that is no request and no reply. */
  private void bare(long expectedSequence) throws WireException {
    check(slot == 0, "slot 0", slot);
    check(sequence == expectedSequence, "sequence 0", sequence);
    check(offsetBytes == 0, "offset 0", offsetBytes);
    check(lengthBytes == 0, "length 0", lengthBytes);
    boolean isPlain =
        switch (type) {
          case ATTACH, ATTACHED, RECORD, RECORDED -> true;
          default -> false;
        };
    if (isPlain) {
      check(status == 0, "status 0", status);
    }
  }

  private void check(boolean holds, String expected, long found) throws WireException {
    if (!holds) {
      throw wrong(expected, found);
    }
  }

  private WireException wrong(String expected, long found) {
    return new WireException("%s: expected %s, found %d".formatted(type, expected, found));
  }

  @Override
  public String toString() {
    return type
        + " slot "
        + slot
        + " sequence "
        + sequence
        + " offset "
        + offsetBytes
        + " length "
        + lengthBytes
        + " status "
        + status
        + " payload "
        + payloadBytes;
  }
}

package io.netchannel.wire;

import io.netty.buffer.ByteBuf;

/** The header of a frame. Used again and again: a connection has one for each way. */
public final class FrameHeader {
  public static final int BYTES = 32;

  /** Enough for a sentence or two. */
  public static final int MAX_REFUSAL_BYTES = 2048;

  /** In the status of a ZERO. */
  private static final int MAY_DEALLOCATE = 1;

  /** In the status of a URB, as the next one. */
  private static final int URB_TYPE = 3;

  private static final int SHORT_NOT_OK = 0x10;

  /** Of an endpoint's address what is not its number and direction. */
  private static final int ENDPOINT_RESERVED = 0x70;

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

  /**
   * ATTACH, ATTACHED, DETACH, DETACHED, RECORD, RECORDED, PORT: no fields but the payload's length.
   */
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

  /**
   * URB of a control transfer.
   *
   * @param setup the setup packet, its first byte in the lowest bits
   * @param incarnation of what it is for
   * @param bytes of data, one way or the other
   */
  public FrameHeader controlUrb(
      int newSlot, long newSequence, long setup, int incarnation, int bytes) {
    boolean in = (setup & UrbFormat.IN) != 0;
    return urb(
        newSlot,
        newSequence,
        UrbFormat.CONTROL,
        Long.reverseBytes(setup),
        incarnation,
        bytes,
        in ? 0 : bytes);
  }

  /**
   * URB of another type.
   *
   * @param transfer its type, as {@link UrbFormat} numbers them
   * @param endpoint its address
   * @param interval as in {@code device.usb.Urb}
   * @param packets of an isochronous one; 0 otherwise
   */
  public FrameHeader urb(
      int newSlot,
      long newSequence,
      int transfer,
      int endpoint,
      boolean shortNotOk,
      int interval,
      int packets,
      int incarnation,
      int bytes) {
    boolean in = (endpoint & UrbFormat.IN) != 0;
    return urb(
        newSlot,
        newSequence,
        transfer | (shortNotOk ? SHORT_NOT_OK : 0),
        (long) endpoint << 56 | (long) packets << 32 | Integer.toUnsignedLong(interval),
        incarnation,
        bytes,
        packets * UrbFormat.PACKET_BYTES + (in ? 0 : bytes));
  }

  private FrameHeader urb(
      int newSlot,
      long newSequence,
      int newStatus,
      long where,
      int incarnation,
      int bytes,
      int payload) {
    set(FrameType.URB, newStatus, payload, newSequence);
    slot = newSlot;
    offsetBytes = where;
    lengthBytes = (long) incarnation << Integer.SIZE | bytes;
    return this;
  }

  /** Type of a URB's transfer. */
  public int urbType() {
    return status & URB_TYPE;
  }

  /** Of a URB: whether less than asked for is an error. */
  public boolean urbShortNotOk() {
    return (status & SHORT_NOT_OK) != 0;
  }

  /** Of a URB of a control transfer: its setup packet, the first byte in the lowest bits. */
  public long urbSetup() {
    return Long.reverseBytes(offsetBytes);
  }

  /** Of a URB of another type: the endpoint's address. */
  public int urbEndpoint() {
    return (int) (offsetBytes >>> 56);
  }

  /** Of a URB of another type. */
  public int urbInterval() {
    return (int) offsetBytes;
  }

  /** Of a URB; 0 unless it is isochronous. */
  public int urbPackets() {
    return urbType() == UrbFormat.CONTROL ? 0 : (int) (offsetBytes >>> 32) & 0xffff;
  }

  /** Of a URB: whether data comes from the device. The first byte says it, also of a setup. */
  public boolean urbIsIn() {
    return offsetBytes < 0;
  }

  /** Of a URB: what it is for. */
  public int urbIncarnation() {
    return (int) (lengthBytes >>> Integer.SIZE);
  }

  /** Of a URB: its data, one way or the other. */
  public int urbBytes() {
    return (int) lengthBytes;
  }

  /**
   * URB_REPLY.
   *
   * @param newStatus Linux' number, 0 for success
   * @param actual bytes moved
   * @param payload what became of packets, and the data of an IN transfer
   */
  public FrameHeader urbReply(
      int newStatus,
      int newSlot,
      long newSequence,
      int actual,
      int startFrame,
      int errors,
      int payload) {
    set(FrameType.URB_REPLY, newStatus, payload, newSequence);
    slot = newSlot;
    offsetBytes = (long) startFrame << Integer.SIZE | Integer.toUnsignedLong(errors);
    lengthBytes = actual;
    return this;
  }

  /** Of a URB_REPLY. */
  public int urbActualBytes() {
    return (int) lengthBytes;
  }

  /** Of a URB_REPLY to an isochronous URB. */
  public int urbStartFrame() {
    return (int) (offsetBytes >>> Integer.SIZE);
  }

  /** Of a URB_REPLY to an isochronous URB: packets that failed. */
  public int urbErrors() {
    return (int) offsetBytes;
  }

  /** UNLINK or RESET. */
  public FrameHeader urbOrder(FrameType newType, int newSlot, long newSequence) {
    set(newType, 0, 0, newSequence);
    slot = newSlot;
    return this;
  }

  public void encode(ByteBuf out) {
    out.writeByte(type.code()).writeByte(status).writeShort(slot).writeInt(payloadBytes);
    out.writeLong(sequence).writeLong(offsetBytes).writeLong(lengthBytes);
  }

  /**
   * Reads {@link #BYTES}, which must be there, and checks each field against the type's rules.
   *
   * @param maxPayloadBytes of READ, WRITE and REPLY; URB and URB_REPLY have one of their own
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
    boolean isNumber = type != FrameType.URB && type != FrameType.URB_REPLY;
    check(offsetBytes >= 0 || !isNumber, "an offset below 2^63", offsetBytes);
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
      case URB -> urb();
      case URB_REPLY -> {
        check(sequence > 0, "a sequence from 1 on", sequence);
        UrbFormat.checkStatus(status);
        check(lengthBytes <= UrbFormat.MAX_BYTES, "at most 65536 bytes", lengthBytes);
      }
      case UNLINK, RESET -> {
        check(sequence > 0, "a sequence from 1 on", sequence);
        check(status == 0, "status 0", status);
        check(offsetBytes == 0, "offset 0", offsetBytes);
        check(lengthBytes == 0, "length 0", lengthBytes);
      }
      case PORT -> {
        check(payload > 0, "a payload", payload);
        bare(0);
      }
    }
  }

  private void urb() throws WireException {
    check(sequence > 0, "a sequence from 1 on", sequence);
    check((status & ~(URB_TYPE | SHORT_NOT_OK)) == 0, "no unknown flags", status);
    int transfer = urbType();
    boolean mayBeShort = transfer == UrbFormat.BULK || transfer == UrbFormat.INTERRUPT;
    check(mayBeShort || !urbShortNotOk(), "SHORT_NOT_OK of bulk and interrupt only", status);
    check(urbBytes() >= 0 && urbBytes() <= UrbFormat.MAX_BYTES, "at most 65536 bytes", urbBytes());
    if (transfer != UrbFormat.CONTROL) {
      check((urbEndpoint() & ENDPOINT_RESERVED) == 0, "an endpoint's address", urbEndpoint());
      check((offsetBytes >>> 48 & 0xff) == 0, "0 as reserved", offsetBytes >>> 48 & 0xff);
      check(urbInterval() >= 0, "an interval below 2^31", urbInterval());
    }
    int most = transfer == UrbFormat.ISOCHRONOUS ? UrbFormat.MAX_PACKETS : 0;
    check(urbPackets() <= most, "at most " + most + " packets", urbPackets());
    int payload = urbPackets() * UrbFormat.PACKET_BYTES + (urbIsIn() ? 0 : urbBytes());
    check(payloadBytes == payload, "a payload of " + payload + " bytes", payloadBytes);
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
      case URB, URB_REPLY -> UrbFormat.MAX_PAYLOAD_BYTES;
      case PORT -> UsbPort.MAX_BYTES;
      case READ, FLUSH, DISCARD, ZERO, EXTENTS, ARRIVED, DETACH, DETACHED, PING, PONG -> 0;
      case UNLINK, RESET -> 0;
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
          case ATTACH, ATTACHED, RECORD, RECORDED, PORT -> true;
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

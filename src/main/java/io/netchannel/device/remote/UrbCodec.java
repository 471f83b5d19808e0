package io.netchannel.device.remote;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.UrbFormat;
import io.netchannel.wire.WireException;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;

/**
 * URBs as frames. Of a connection's event loop; it has the memory that isochronous URBs need in
 * between, of one URB at most, as the wire has no gaps between packets.
 */
final class UrbCodec {
  private static final int MAX_PACKET_BYTES = 0xffff;
  private static final int ENDPOINT_BITS = 0x8f;
  private static final int HIGHEST_ERRNO = 121;
  private static final UrbStatus[] BY_ERRNO = new UrbStatus[HIGHEST_ERRNO + 1];
  private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

  static {
    for (UrbStatus status : UrbStatus.values()) {
      BY_ERRNO[status.errno()] = status;
    }
  }

  private final ByteBuf lengths = Unpooled.buffer(Urb.MAX_PACKETS * UrbFormat.PACKET_BYTES);

  /** The payload of a reply to an isochronous URB; made when there is the first. */
  private ByteBuffer packed = NOTHING;

  /** The buffer into which a reply's data arrives, as it was before; null when none does. */
  private ByteBuffer receiving;

  private int position;
  private int limit;

  /** Whether there is such a URB, and it fits into a frame. */
  static boolean isSound(UrbRequest request) {
    Urb urb = request.urb;
    boolean sound = urb.interval() >= 0 && request.dataBytes() <= UrbFormat.MAX_BYTES;
    for (int i = 0; i < urb.packets(); i++) {
      sound &= urb.packetBytes(i) <= MAX_PACKET_BYTES;
    }
    return sound && (urb.endpoint() & ~ENDPOINT_BITS) == 0;
  }

  static UrbStatus status(int errno) {
    return BY_ERRNO[errno];
  }

  /**
   * A URB frame.
   *
   * @param incarnation as the server counts
   */
  void add(UrbRequest request, int incarnation, FrameWriter writer) {
    Urb urb = request.urb;
    int bytes = request.dataBytes();
    if (urb.type() == UrbType.CONTROL) {
      writer.header().controlUrb(request.slot, request.sequence, urb.setup(), incarnation, bytes);
    } else {
      writer
          .header()
          .urb(
              request.slot,
              request.sequence,
              code(urb.type()),
              urb.endpoint(),
              urb.shortNotOk(),
              urb.interval(),
              urb.packets(),
              incarnation,
              bytes);
    }
    if (urb.packets() > 0) {
      lengths.clear();
      for (int i = 0; i < urb.packets(); i++) {
        lengths.writeShort(urb.packetBytes(i));
      }
      if (urb.isIn()) {
        writer.add(lengths, NOTHING);
      } else {
        addOut(urb, bytes, lengths, writer);
      }
    } else if (urb.isIn() || bytes == 0) {
      writer.add();
    } else {
      writer.add(urb.data());
    }
  }

  private static int code(UrbType type) {
    return switch (type) {
      case ISOCHRONOUS -> UrbFormat.ISOCHRONOUS;
      case INTERRUPT -> UrbFormat.INTERRUPT;
      case CONTROL -> UrbFormat.CONTROL;
      case BULK -> UrbFormat.BULK;
    };
  }

  /** The data itself where its packets follow each other, as they mostly do. */
  private static void addOut(Urb urb, int bytes, ByteBuf first, FrameWriter writer) {
    ByteBuffer data = urb.data();
    int end = 0;
    for (int i = 0; i < urb.packets() && urb.packetOffset(i) == end; i++) {
      end += urb.packetBytes(i);
    }
    if (end == bytes) {
      int limit = data.limit();
      writer.add(first, data.limit(data.position() + bytes));
      data.limit(limit);
      return;
    }
    ByteBuffer moved = ByteBuffer.allocate(bytes);
    for (int i = 0; i < urb.packets(); i++) {
      moved.put(data.slice(data.position() + urb.packetOffset(i), urb.packetBytes(i)));
    }
    writer.add(first, moved.flip());
  }

  /** Where the payload of a URB_REPLY goes, whose URB is here. */
  ByteBuffer target(Urb urb, FrameHeader header) throws WireException {
    int bytes = header.payloadBytes();
    if (urb.packets() > 0) {
      if (packed.capacity() == 0) {
        packed = ByteBuffer.allocate(UrbFormat.MAX_PAYLOAD_BYTES);
      }
      return packed.clear().limit(bytes);
    }
    if (!urb.isIn() || bytes > urb.dataBytes()) {
      throw wrong(urb, header);
    }
    receiving = urb.data();
    position = receiving.position();
    limit = receiving.limit();
    return receiving.limit(position + bytes);
  }

  /** The rest of a payload does not come, or all of it has. */
  void stopReceiving() {
    if (receiving != null) {
      receiving.limit(limit).position(position);
      receiving = null;
    }
  }

  /** What became of a URB, whose payload has gone where it should. */
  void read(Urb urb, FrameHeader header) throws WireException {
    stopReceiving();
    int payload = header.payloadBytes();
    if (urb.packets() > 0) {
      read(urb, header, packed.clear().limit(payload));
      return;
    }
    check(urb, header);
    urb.frames(header.urbStartFrame(), header.urbErrors());
    urb.done(status(header.statusCode()), header.urbActualBytes());
  }

  /** What became of a URB, whose payload is elsewhere. */
  void read(Urb urb, FrameHeader header, ByteBuffer payload) throws WireException {
    check(urb, header);
    ByteBuffer data = urb.data();
    int at = urb.packets() * UrbFormat.PACKET_OUTCOME_BYTES;
    int sum = 0;
    for (int i = 0; i < urb.packets(); i++) {
      int actual = Short.toUnsignedInt(payload.getShort(i * UrbFormat.PACKET_OUTCOME_BYTES));
      int errno =
          Byte.toUnsignedInt(
              payload.get(i * UrbFormat.PACKET_OUTCOME_BYTES + UrbFormat.PACKET_BYTES));
      if (actual > urb.packetBytes(i) || errno > HIGHEST_ERRNO || BY_ERRNO[errno] == null) {
        throw wrong(urb, header);
      }
      sum += actual;
      if (urb.isIn()) {
        if (at + actual > payload.limit()) {
          throw wrong(urb, header);
        }
        data.put(data.position() + urb.packetOffset(i), payload, at, actual);
        at += actual;
      }
      urb.packetDone(i, actual, BY_ERRNO[errno]);
    }
    if (urb.packets() == 0 && urb.isIn()) {
      data.put(data.position(), payload, 0, header.urbActualBytes());
    } else if (urb.isIn() && sum != header.urbActualBytes()) {
      throw wrong(urb, header);
    }
    urb.frames(header.urbStartFrame(), header.urbErrors());
    urb.done(status(header.statusCode()), header.urbActualBytes());
  }

  private static void check(Urb urb, FrameHeader header) throws WireException {
    int actual = header.urbActualBytes();
    int payload = urb.packets() * UrbFormat.PACKET_OUTCOME_BYTES + (urb.isIn() ? actual : 0);
    if (header.payloadBytes() != payload || actual > urb.dataBytes()) {
      throw wrong(urb, header);
    }
  }

  private static WireException wrong(Urb urb, FrameHeader header) {
    return new WireException("%s: expected what answers a %s".formatted(header, urb));
  }
}

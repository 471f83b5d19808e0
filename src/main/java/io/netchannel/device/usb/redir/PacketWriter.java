package io.netchannel.device.usb.redir;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayDeque;
import java.util.Deque;

/** Packets on their way out, copied: what they were made of is free at once. */
final class PacketWriter {
  private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

  private final Deque<ByteBuffer> waiting = new ArrayDeque<>();
  private long waitingBytes;
  private boolean wideIds;

  /** Ids have 64 bits from the next packet on. */
  void useWideIds() {
    wideIds = true;
  }

  /** A packet of a header alone. */
  void add(PacketType type, long id, ByteBuffer header) {
    add(type, id, header, NOTHING);
  }

  /**
   * A packet.
   *
   * @param header from its start to its position
   * @param data from its position to its limit; neither is changed
   */
  void add(PacketType type, long id, ByteBuffer header, ByteBuffer data) {
    int length = header.position() + data.remaining();
    ByteBuffer packet =
        ByteBuffer.allocate((wideIds ? 16 : 12) + length).order(ByteOrder.LITTLE_ENDIAN);
    packet.putInt(type.number()).putInt(length);
    if (wideIds) {
      packet.putLong(id);
    } else {
      packet.putInt((int) id);
    }
    packet.put(header.duplicate().flip()).put(data.duplicate()).flip();
    waiting.add(packet);
    waitingBytes += packet.remaining();
  }

  /** Room for a header. */
  static ByteBuffer header(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** The header of interrupt and isochronous packets on their way to a device. */
  static ByteBuffer dataHeader(int endpoint, int bytes) {
    return header(4).put((byte) endpoint).put((byte) 0).putShort((short) bytes);
  }

  long waitingBytes() {
    return waitingBytes;
  }

  /** Writes what the channel takes. */
  void writeTo(WritableByteChannel channel) throws IOException {
    while (!waiting.isEmpty()) {
      ByteBuffer first = waiting.element();
      waitingBytes -= channel.write(first);
      if (first.hasRemaining()) {
        return;
      }
      waiting.remove();
    }
  }
}

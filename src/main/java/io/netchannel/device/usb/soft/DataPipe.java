package io.netchannel.device.usb.soft;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.UrbStatus;
import java.nio.ByteBuffer;

/** A bulk or interrupt endpoint: bytes go as soon as device and host both have them or room. */
final class DataPipe extends Pipe {

  DataPipe(Descriptors.Endpoint endpoint) {
    super(endpoint);
  }

  /** Whether a URB waits. */
  boolean isAwaited() {
    return !waiting.isEmpty();
  }

  /** Bytes that the first URB that waits still has room for, or to give. */
  int firstBytes() {
    return waiting.isEmpty() ? 0 : waiting.element().leftBytes();
  }

  /**
   * IN: moves what there is room for. A URB that is full ends.
   *
   * @return whether all went
   */
  boolean write(ByteBuffer from) {
    while (from.hasRemaining() && !waiting.isEmpty()) {
      Submitted first = waiting.element();
      ByteBuffer data = first.urb.data();
      int bytes = Math.min(from.remaining(), first.leftBytes());
      data.put(data.position() + first.movedBytes, from, from.position(), bytes);
      from.position(from.position() + bytes);
      moved(first, bytes);
    }
    return !from.hasRemaining();
  }

  /**
   * IN: ends the first URB that waits with a short packet, also an empty one.
   *
   * @return false when none waits
   */
  boolean endTransfer() {
    if (waiting.isEmpty()) {
      return false;
    }
    waiting.remove().complete(UrbStatus.OK);
    return true;
  }

  /** IN: ends the first URB that waits, if it has got something. */
  void endPart() {
    if (!waiting.isEmpty() && waiting.element().movedBytes > 0) {
      waiting.remove().complete(UrbStatus.OK);
    }
  }

  /**
   * IN: one packet, which is a URB's end if it is shorter than the endpoint's. What does not fit
   * into the URB is an overflow, as on the bus, and lost.
   *
   * @return false when no URB waits; nothing has gone then
   */
  boolean packet(byte[] packet) {
    if (waiting.isEmpty()) {
      return false;
    }
    Submitted first = waiting.element();
    ByteBuffer data = first.urb.data();
    int bytes = Math.min(packet.length, first.leftBytes());
    data.put(data.position() + first.movedBytes, packet, 0, bytes);
    first.movedBytes += bytes;
    if (bytes < packet.length) {
      waiting.remove().complete(UrbStatus.OVERFLOW);
    } else if (packet.length < maxPacketBytes() || first.leftBytes() == 0) {
      waiting.remove().complete(UrbStatus.OK);
    }
    return true;
  }

  /** OUT: takes what there is, up to the room in {@code into}. A URB that is taken whole ends. */
  void read(ByteBuffer into) {
    while (!waiting.isEmpty() && (into.hasRemaining() || firstBytes() == 0)) {
      Submitted first = waiting.element();
      ByteBuffer data = first.urb.data();
      int bytes = Math.min(into.remaining(), first.leftBytes());
      into.put(into.position(), data, data.position() + first.movedBytes, bytes);
      into.position(into.position() + bytes);
      moved(first, bytes);
    }
  }

  private void moved(Submitted first, int bytes) {
    first.movedBytes += bytes;
    if (first.leftBytes() == 0) {
      waiting.remove().complete(UrbStatus.OK);
    }
  }
}

package io.netchannel.device.usb.redir;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * An interrupt or isochronous IN endpoint, which the peer polls by itself from the first URB on:
 * what it sends goes to the URBs that wait, or is kept for the next ones, within a bound. Beyond
 * that the newest interrupt packet is lost, as a keyboard does it whose reports nobody reads, and
 * the oldest isochronous one, as its frame has passed; both are counted.
 */
final class InStream {
  /** A quarter of a second of high-speed video, a second of any sound. */
  private static final int MAX_KEPT_BYTES = 1 << 20;

  /** Interrupts: several seconds of a mouse. Also bounds packets without data. */
  private static final int MAX_KEPT_PACKETS = 1024;

  private record Kept(UrbStatus status, ByteBuffer data) {}

  private final Descriptors.Endpoint endpoint;
  private final Deque<Pending> waiting = new ArrayDeque<>();
  private final Deque<Kept> kept = new ArrayDeque<>();
  private int keptBytes;

  InStream(Descriptors.Endpoint endpoint) {
    this.endpoint = endpoint;
  }

  void submit(Pending pending) {
    waiting.add(pending);
    feed();
  }

  /**
   * A packet has come.
   *
   * @param data is copied
   * @return whether a packet was lost for it
   */
  boolean packet(UrbStatus status, ByteBuffer data) {
    boolean isFull =
        keptBytes + data.remaining() > MAX_KEPT_BYTES || kept.size() == MAX_KEPT_PACKETS;
    if (isFull) {
      if (endpoint.type() == UrbType.INTERRUPT) {
        return true;
      }
      keptBytes -= kept.remove().data.remaining();
    }
    ByteBuffer copy = ByteBuffer.allocate(data.remaining()).put(data).flip();
    kept.add(new Kept(status, copy));
    keptBytes += copy.remaining();
    feed();
    return isFull;
  }

  /** Ends one, if it waits. */
  void unlink(Urb urb) {
    for (Pending each : waiting) {
      if (each.urb == urb) {
        waiting.remove(each);
        each.end(UrbStatus.CANCELLED);
        return;
      }
    }
  }

  /** The peer polls it no more; all that wait end so. */
  void stop(UrbStatus status) {
    for (Pending each = waiting.poll(); each != null; each = waiting.poll()) {
      each.end(status);
    }
  }

  private void feed() {
    while (!waiting.isEmpty() && (!kept.isEmpty() || isComplete(waiting.element()))) {
      Pending first = waiting.element();
      if (isComplete(first)) {
        waiting.remove();
        first.urb.frames(first.urb.startFrame(), first.errors);
        first.end(UrbStatus.OK);
        continue;
      }
      Kept packet = kept.remove();
      keptBytes -= packet.data.remaining();
      if (endpoint.type() == UrbType.ISOCHRONOUS) {
        isochronous(first, packet);
      } else {
        interrupt(first, packet);
      }
    }
  }

  private boolean isComplete(Pending pending) {
    return endpoint.type() == UrbType.ISOCHRONOUS && pending.packets == pending.urb.packets();
  }

  private void isochronous(Pending first, Kept packet) {
    int index = first.packets++;
    int room = first.urb.packetBytes(index);
    int bytes = Math.min(room, packet.data.remaining());
    UrbStatus status = bytes < packet.data.remaining() ? UrbStatus.OVERFLOW : packet.status;
    ByteBuffer data = first.urb.data();
    data.put(data.position() + first.urb.packetOffset(index), packet.data, 0, bytes);
    first.urb.packetDone(index, bytes, status);
    first.movedBytes += bytes;
    first.errors += status == UrbStatus.OK ? 0 : 1;
  }

  private void interrupt(Pending first, Kept packet) {
    int room = first.urb.dataBytes() - first.movedBytes;
    int bytes = Math.min(room, packet.data.remaining());
    ByteBuffer data = first.urb.data();
    data.put(data.position() + first.movedBytes, packet.data, 0, bytes);
    first.movedBytes += bytes;
    UrbStatus status = bytes < packet.data.remaining() ? UrbStatus.OVERFLOW : packet.status;
    boolean isLast = packet.data.remaining() < endpoint.maxPacketBytes() || bytes == room;
    if (status != UrbStatus.OK || isLast) {
      waiting.remove();
      first.end(status);
    }
  }
}

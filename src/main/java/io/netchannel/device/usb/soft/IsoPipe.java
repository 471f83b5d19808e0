package io.netchannel.device.usb.soft;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.ByteBuffer;
import java.util.OptionalLong;

/**
 * An isochronous endpoint: one packet in each of its frames, whoever has data or not. URBs follow
 * each other without a gap while one waits; else the next begins with the next frame, and the
 * frames between were missed.
 */
final class IsoPipe extends Pipe {
  /** Bits of a frame number that a host controller counts. */
  private static final int FRAME_MASK = 0x7ff;

  private final SoftFunction function;
  private final long periodNanos;

  /** The frame after all that were ever submitted. */
  private long endFrame;

  IsoPipe(Descriptors.Endpoint endpoint, UsbSpeed speed, SoftFunction function) {
    super(endpoint);
    this.function = function;
    periodNanos = endpoint.isochronousNanos(speed);
  }

  /**
   * Gives frames to what is new, and does the packets of all frames that have passed.
   *
   * @param nanos since the port was made
   */
  void advance(long nanos) {
    long frame = nanos / periodNanos;
    for (Submitted each : waiting) {
      if (each.startFrame < 0) {
        each.startFrame = Math.max(endFrame, frame + 1);
        endFrame = each.startFrame + each.urb.packets();
      }
    }
    while (!waiting.isEmpty()) {
      Submitted first = waiting.element();
      Urb urb = first.urb;
      while (first.packets < urb.packets() && first.startFrame + first.packets < frame) {
        doPacket(first);
      }
      if (first.packets < urb.packets()) {
        return;
      }
      urb.frames((int) (first.startFrame & FRAME_MASK), first.errors);
      waiting.remove().complete(UrbStatus.OK);
    }
  }

  /** When the first URB will be done, in nanoseconds since the port was made. */
  OptionalLong nextNanos() {
    return waiting.isEmpty()
        ? OptionalLong.empty()
        : OptionalLong.of(
            (waiting.element().startFrame + waiting.element().urb.packets()) * periodNanos);
  }

  private void doPacket(Submitted one) {
    Urb urb = one.urb;
    int packet = one.packets++;
    long frame = one.startFrame + packet;
    int bytes = urb.packetBytes(packet);
    ByteBuffer data = urb.data();
    ByteBuffer part = data.slice(data.position() + urb.packetOffset(packet), bytes);
    if (bytes > maxPacketBytes() && !urb.isIn()) {
      urb.packetDone(packet, 0, UrbStatus.OVERFLOW);
      one.errors++;
      return;
    }
    if (urb.isIn()) {
      part.limit(Math.min(bytes, maxPacketBytes()));
      function.isoIn(address(), frame, part);
    } else {
      function.isoOut(address(), frame, part.asReadOnlyBuffer());
      part.position(bytes);
    }
    urb.packetDone(packet, part.position(), UrbStatus.OK);
    one.movedBytes += part.position();
  }
}

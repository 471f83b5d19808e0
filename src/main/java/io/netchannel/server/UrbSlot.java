package io.netchannel.server;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.wire.Attached.Fate;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.UrbFormat;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;

/**
 * Of a URB, or of a reset. What an IN transfer brought stays in the slot until the client uses it
 * again: the device has it no more. An isochronous URB's data begins where what becomes of its
 * packets has room before it, as both are in its reply:
 *
 * <pre>
 *   submitted:                  [ . . . . | lengths, 2 each | data, as long as all lengths    ]
 *   finished:                   [ outcomes, 3 each packet   | what an IN transfer brought . . ]
 * </pre>
 */
final class UrbSlot extends Slot implements UrbCompletion {
  private static final ByteBuffer NOTHING = ByteBuffer.allocateDirect(0);

  private final UsbSession session;
  final Urb urb = new Urb();
  private boolean isReset;
  private UrbStatus status = UrbStatus.OK;

  /** Data of its reply. */
  private int replyBytes;

  UrbSlot(UsbSession session, int number) {
    super(number);
    this.session = session;
  }

  /** A request has this slot from now on. */
  void begin(FrameHeader request) {
    isReset = request.type() == FrameType.RESET;
    replyBytes = 0;
    if (!isReset) {
      fill(request);
    }
  }

  private void fill(FrameHeader request) {
    int packets = request.urbPackets();
    int room = packets * UrbFormat.PACKET_OUTCOME_BYTES;
    int bytes = request.urbBytes();
    ByteBuffer place = bytes == 0 ? NOTHING : data.internalNioBuffer(room, bytes);
    switch (request.urbType()) {
      case UrbFormat.CONTROL -> urb.control(request.urbSetup(), place);
      case UrbFormat.BULK -> urb.bulk(request.urbEndpoint(), place, request.urbShortNotOk());
      case UrbFormat.INTERRUPT ->
          urb.interrupt(
              request.urbEndpoint(), place, request.urbShortNotOk(), request.urbInterval());
      default -> {
        urb.isochronous(request.urbEndpoint(), place, request.urbInterval());
        int offset = 0;
        for (int i = 0; i < packets; i++) {
          int length = packetBytes(data, packets, i);
          urb.addPacket(offset, length);
          offset += length;
        }
      }
    }
  }

  private static int packetBytes(ByteBuf data, int packets, int packet) {
    return data.getUnsignedShort(packets + packet * UrbFormat.PACKET_BYTES);
  }

  /** Whether the lengths of packets in it are those of all its data. */
  static boolean isWhole(FrameHeader request, ByteBuf data) {
    int packets = request.urbPackets();
    int sum = 0;
    for (int i = 0; i < packets; i++) {
      sum += packetBytes(data, packets, i);
    }
    return request.urbType() != UrbFormat.ISOCHRONOUS || sum == request.urbBytes();
  }

  @Override
  public void complete(Urb done) {
    status = done.status();
    if (done.packets() > 0) {
      pack();
    } else if (done.isIn()) {
      replyBytes = done.actualBytes();
    } else {
      releaseData();
    }
    session.finished(this);
  }

  /** What became of the packets, and what came in without the gaps between. */
  private void pack() {
    int room = urb.packets() * UrbFormat.PACKET_OUTCOME_BYTES;
    int end = room;
    for (int i = 0; i < urb.packets(); i++) {
      int actual = urb.packetActualBytes(i);
      data.setShort(i * UrbFormat.PACKET_OUTCOME_BYTES, actual);
      data.setByte(
          i * UrbFormat.PACKET_OUTCOME_BYTES + UrbFormat.PACKET_BYTES, urb.packetStatus(i).errno());
      if (urb.isIn()) {
        data.setBytes(end, data, room + urb.packetOffset(i), actual);
        end += actual;
      }
    }
    replyBytes = end;
  }

  /** The reset has ended. */
  void resetDone(UrbStatus outcome) {
    status = outcome;
    session.finished(this);
  }

  boolean isRunningUrb() {
    return state == State.RUNNING && !isReset;
  }

  /** Whether the port may be another one after it. */
  boolean mayChangePort() {
    return isReset || status == UrbStatus.STALL || (urb.type() == UrbType.CONTROL && !urb.isIn());
  }

  @Override
  boolean isKept() {
    return true;
  }

  /** Its reply comes, as that of what still runs. */
  @Override
  Fate fate() {
    return Fate.RUNNING;
  }

  @Override
  boolean isRepliedAgain() {
    return true;
  }

  @Override
  void keep() {}

  @Override
  ByteBuf reply(FrameHeader header) {
    if (isReset) {
      header.urbReply(status.errno(), number, sequence, 0, 0, 0, 0);
      return null;
    }
    int outcomes = urb.packets() * UrbFormat.PACKET_OUTCOME_BYTES;
    int actual = urb.isIn() ? replyBytes - outcomes : urb.actualBytes();
    header.urbReply(
        status.errno(), number, sequence, actual, urb.startFrame(), urb.errorCount(), replyBytes);
    return replyBytes == 0 ? null : data.retainedSlice(0, replyBytes);
  }
}

package io.netchannel.device.usb.redir;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import java.nio.ByteBuffer;

/** A URB that was submitted, until it completes. */
final class Pending {
  final Urb urb;
  private final UrbCompletion completion;

  /** Bytes that have come for it so far, of IN streams. */
  int movedBytes;

  /** Packets that have come for it so far, of isochronous streams; and how many had failed. */
  int packets;

  int errors;

  /** When the peer has to have answered, after it was asked to cancel it; 0 while it was not. */
  long cancelNanos;

  Pending(Urb urb, UrbCompletion completion) {
    this.urb = urb;
    this.completion = completion;
  }

  void complete(UrbStatus status, int bytes) {
    boolean isShort =
        status == UrbStatus.OK && urb.isIn() && urb.shortNotOk() && bytes < urb.dataBytes();
    urb.done(isShort ? UrbStatus.SHORT : status, bytes);
    UrbCompletion.tell(completion, urb, "a usbredir device");
  }

  /**
   * The end of one with an answer.
   *
   * @param bytes moved
   * @param data of an IN transfer, what came; at least as many
   */
  void complete(UrbStatus status, int bytes, ByteBuffer data) {
    if (urb.isIn()) {
      urb.data().put(urb.data().position(), data, data.position(), bytes);
    }
    complete(status, bytes);
  }

  /** The end of one that is not known to have moved anything beside what it has. */
  void end(UrbStatus status) {
    complete(status, movedBytes);
  }
}

package io.netchannel.device.usb.soft;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;

/** A URB at a port, from its submission to its end. Under the port's lock. */
final class Submitted {
  final Urb urb;
  private final UrbCompletion completion;
  private final Outbox outbox;

  /** Where it waits; null while it does not. */
  Pipe pipe;

  /** Bytes that it has moved so far. */
  int movedBytes;

  /** Of an isochronous one: packets that are done, in which frame it began, and what failed. */
  int packets;

  long startFrame = -1;
  int errors;

  Submitted(Urb urb, UrbCompletion completion, Outbox outbox) {
    this.urb = urb;
    this.completion = completion;
    this.outbox = outbox;
    urb.attach(this);
  }

  int leftBytes() {
    return urb.dataBytes() - movedBytes;
  }

  /** The end of it, with what it has moved. */
  void complete(UrbStatus status) {
    boolean isShort = status == UrbStatus.OK && urb.isIn() && urb.shortNotOk() && leftBytes() > 0;
    urb.done(isShort ? UrbStatus.SHORT : status, movedBytes);
    urb.attach(null);
    outbox.add(() -> UrbCompletion.tell(completion, urb, "a USB device in software"));
  }
}

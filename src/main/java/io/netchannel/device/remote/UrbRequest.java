package io.netchannel.device.remote;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.UrbFormat;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** A URB or reset on its way, or the order to unlink a URB. */
final class UrbRequest extends RemoteRequest {
  /** What it is. */
  enum Order {
    SUBMIT,
    /** Only on its way to the event loop. */
    UNLINK,
    RESET,
    /** A URB of the generation before that is taken up; only on its way to the event loop. */
    TAKE_UP
  }

  /** Where it was submitted. */
  final RemoteUsbDevice owner;

  Order order = Order.SUBMIT;

  /** Null for a reset, and while one that was inherited is not taken up. */
  Urb urb;

  UrbCompletion completion;

  /** Of a reset. */
  CompletableFuture<UrbStatus> reset;

  /** Of the order to take it up. */
  UrbRequest takenUp;

  /** What is plugged that it is for, as this device counts. */
  int incarnation;

  /** Whether the server may have it, as far as is known. */
  boolean sent;

  /** Whether its owner wants its end: said again over the next connection. */
  boolean unlinked;

  /** Of one that was inherited and has ended before it was taken up; null otherwise. */
  Outcome outcome;

  /** 0 of one that was inherited: its data is known when it is taken up. */
  private int windowBytes;

  UrbRequest(RemoteUsbDevice owner) {
    this.owner = owner;
  }

  /**
   * What became of a URB that is not taken up.
   *
   * @param header of its URB_REPLY, and the payload; empty when none has come
   */
  record Outcome(UrbStatus status, FrameHeader header, Optional<ByteBuffer> payload) {
    static Outcome of(UrbStatus status) {
      return new Outcome(status, new FrameHeader(), Optional.empty());
    }

    static Outcome of(FrameHeader reply, ByteBuffer payload) {
      FrameHeader copy =
          new FrameHeader()
              .urbReply(
                  reply.statusCode(),
                  reply.slot(),
                  reply.sequence(),
                  reply.urbActualBytes(),
                  reply.urbStartFrame(),
                  reply.urbErrors(),
                  reply.payloadBytes());
      return new Outcome(
          UrbCodec.status(reply.statusCode()),
          copy,
          Optional.of(payload == null ? ByteBuffer.allocate(0) : payload));
    }
  }

  /** What an IN transfer took from the device is gone from there. */
  @Override
  boolean isKept() {
    return true;
  }

  @Override
  boolean hasOwnSlot() {
    return order == Order.RESET;
  }

  @Override
  int windowBytes() {
    return windowBytes;
  }

  /** It comes into the queue. */
  void takesWindow() {
    windowBytes = UrbFormat.windowBytes(dataBytes(), urb.packets());
  }

  /** On the wire: of an isochronous one what its packets have together. */
  int dataBytes() {
    int bytes = urb.packets() == 0 ? urb.dataBytes() : 0;
    for (int i = 0; i < urb.packets(); i++) {
      bytes += urb.packetBytes(i);
    }
    return bytes;
  }

  @Override
  void clear() {
    super.clear();
    urb = null;
    completion = null;
    reset = null;
    takenUp = null;
    windowBytes = 0;
    sent = false;
    unlinked = false;
    outcome = null;
  }
}

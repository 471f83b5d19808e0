package io.netchannel.midpoint.usb;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.midpoint.PendingRequest;
import io.netchannel.midpoint.PendingTable;
import io.netchannel.midpoint.usb.UsbManifest.Kind;
import io.netchannel.midpoint.usb.UsbManifest.Unanswered;
import io.netchannel.vdevice.usb.PipeType;
import io.netchannel.vdevice.usb.UrbRequest;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * A port's pending request, with the URB that the device gets of it. An unlink, and a SET_ADDRESS,
 * has none.
 */
final class PendingUrb extends PendingRequest<UrbRequest, PendingUrb> implements UrbCompletion {

  /** What a request is that is no transfer; for the trace. */
  enum Order {
    UNLINK,
    SET_ADDRESS
  }

  private static final ByteBuffer NO_DATA = ByteBuffer.allocateDirect(0);

  private final PendingTable<UrbRequest, PendingUrb> table;
  private final Urb urb = new Urb();

  private UrbStatus status = UrbStatus.OK;
  private int actualBytes;

  /** Whether that is what the device said, and so has more to it in {@link #urb}. */
  private boolean devicesWord;

  /** A seal has asked for its end, or a suspend: not its guest. */
  private boolean calledBack;

  /** Its guest has asked for its end, or somebody for the guest's sake: once it ends it is over. */
  private boolean unlinked;

  PendingUrb(PendingTable<UrbRequest, PendingUrb> table) {
    this.table = table;
  }

  @Override
  protected void read(UrbRequest request) {
    decide(UrbStatus.OK);
    calledBack = false;
    unlinked = false;
  }

  @Override
  protected long bufferBytes() {
    return isTransfer() ? request().lengthBytes() : 0;
  }

  /** Whether it is for the device. */
  boolean isTransfer() {
    return !request().isUnlink() && !request().isSetAddress();
  }

  /** Whether it takes, of what a device has to say, the next, whenever that is. */
  boolean isUntimedRead() {
    return isStream() && request().isIn() && request().type() != PipeType.ISOCHRONOUS;
  }

  Urb urb() {
    return urb;
  }

  /** What became of it. */
  UrbStatus status() {
    return status;
  }

  /** Its guest does not know that it is unlinked. */
  void callBack() {
    calledBack = true;
  }

  /** It is not to be given to the device again, called back or not. */
  void unlink() {
    unlinked = true;
  }

  private boolean isCutShort() {
    return calledBack && !unlinked && status == UrbStatus.CANCELLED && request().unlink().isEmpty();
  }

  /** Whether it came back as it went: it may be given to the device again. */
  boolean isUntouched() {
    // What a control request asks for may be done already; how much of an OUT has got to the
    // device nobody can tell for sure.
    return isCutShort() && isStream() && request().isIn() && actualBytes == 0;
  }

  /** What the guest is told: it did not want the end of what was called back. */
  UrbStatus answer() {
    if (!isCutShort()) {
      return status;
    }
    if (!isStream() || !request().isIn()) {
      return UrbStatus.PROTOCOL;
    }
    boolean missing = request().shortNotOk() && actualBytes < request().lengthBytes();
    return missing ? UrbStatus.SHORT : UrbStatus.OK;
  }

  private boolean isStream() {
    return isTransfer() && request().type() != PipeType.CONTROL;
  }

  /** Bytes moved. */
  int actualBytes() {
    return actualBytes;
  }

  /** Whether they come to the device in the order in which they were taken. */
  boolean isAtEndpointOf(PendingUrb other) {
    // The control endpoint is one for both directions.
    return request().type() == PipeType.CONTROL
        ? other.request().type() == PipeType.CONTROL
        : request().endpoint() == other.request().endpoint();
  }

  /** It ends without the device. */
  void decide(UrbStatus decided) {
    status = decided;
    actualBytes = 0;
    devicesWord = false;
  }

  /** The URB for the device: what the guest wants, with the entry's buffer. */
  Urb fillUrb() {
    UrbRequest request = request();
    ByteBuffer data = buffer() == null ? NO_DATA : buffer();
    switch (request.type()) {
      case CONTROL -> urb.control(request.setup(), data);
      case BULK -> urb.bulk(request.endpoint(), data, request.shortNotOk());
      case INTERRUPT ->
          urb.interrupt(request.endpoint(), data, request.shortNotOk(), request.interval());
      case ISOCHRONOUS -> {
        urb.isochronous(request.endpoint(), data, request.interval());
        for (int packet = 0; packet < request.packets(); packet++) {
          urb.addPacket(request.packetOffset(packet), request.packetBytes(packet));
        }
      }
    }
    return urb;
  }

  @Override
  public void complete(Urb done) {
    ended(done.status(), done.actualBytes());
  }

  /** The device has done what it was given; on any thread. */
  void ended(UrbStatus outcome, int actual) {
    if (leaveDevice(outcome)) {
      status = outcome;
      actualBytes = actual;
      devicesWord = true;
      table.completed(this);
    }
  }

  /** It as a manifest has it, when it is not at the device. */
  Unanswered unanswered() {
    return new Unanswered(
        sequence(),
        generation(),
        (int) request().id(),
        kind(),
        request().endpoint(),
        request().lengthBytes(),
        state() == State.DONE ? Optional.of(status) : Optional.empty(),
        state() == State.DONE ? actualBytes : 0);
  }

  private Kind kind() {
    if (!isTransfer()) {
      return request().isUnlink() ? Kind.UNLINK : Kind.SET_ADDRESS;
    }
    return switch (request().type()) {
      case CONTROL -> Kind.CONTROL;
      case BULK -> Kind.BULK;
      case INTERRUPT -> Kind.INTERRUPT;
      case ISOCHRONOUS -> Kind.ISOCHRONOUS;
    };
  }

  @Override
  public void describe(MidPointTrace trace) {
    if (isTransfer()) {
      trace.word("op", request().type());
    } else {
      trace.word("op", request().isUnlink() ? Order.UNLINK : Order.SET_ADDRESS);
    }
    trace.number("ep", request().endpoint());
    trace.number("len", request().lengthBytes());
  }

  /** Whether the device has said what became of each packet. */
  boolean hasPacketOutcomes() {
    return devicesWord && request().type() == PipeType.ISOCHRONOUS;
  }

  @Override
  public String toString() {
    return String.valueOf(request());
  }
}

package io.netchannel.device.usb.soft;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * One endpoint of a device and the URBs that wait at it, in their order: as long as the device has
 * nothing for them, or no room (NAK). All under the port's lock.
 *
 * <pre>
 *   DESELECTED --its setting is selected--> SELECTED --halt--> HALTED
 *        ^                                     ^  |              |
 *        |                                     +--|--clearHalt---+
 *        +------------another setting-------------+--------------+
 * </pre>
 *
 * URBs wait in SELECTED only: in HALTED they end with STALL, in DESELECTED with INVALID.
 */
abstract class Pipe {
  private final Descriptors.Endpoint endpoint;
  protected final Deque<Submitted> waiting = new ArrayDeque<>();
  private boolean selected;
  private boolean halted;

  Pipe(Descriptors.Endpoint endpoint) {
    this.endpoint = endpoint;
  }

  final int address() {
    return endpoint.address();
  }

  final UrbType type() {
    return endpoint.type();
  }

  final int maxPacketBytes() {
    return endpoint.maxPacketBytes();
  }

  final boolean isSelected() {
    return selected;
  }

  final boolean isHalted() {
    return halted;
  }

  /** A setting with it becomes current, or ends to be. */
  final void select(boolean newSelected) {
    endAll(UrbStatus.CANCELLED);
    selected = newSelected;
    halted = false;
  }

  /** The device refuses all from here on, until the host clears it. */
  final void halt() {
    halted = true;
    endAll(UrbStatus.STALL);
  }

  final void clearHalt() {
    halted = false;
  }

  final void add(Submitted one) {
    if (!selected || one.urb.type() != type()) {
      one.complete(UrbStatus.INVALID);
    } else if (halted) {
      one.complete(UrbStatus.STALL);
    } else {
      one.pipe = this;
      waiting.add(one);
    }
  }

  final void cancel(Submitted one) {
    if (waiting.remove(one)) {
      one.complete(UrbStatus.CANCELLED);
    }
  }

  final void endAll(UrbStatus status) {
    for (Submitted one = waiting.poll(); one != null; one = waiting.poll()) {
      one.complete(status);
    }
  }
}

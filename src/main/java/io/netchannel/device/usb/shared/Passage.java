package io.netchannel.device.usb.shared;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import java.util.concurrent.CompletableFuture;

/**
 * A URB of a holder on its way to the device and back, or a reset that waits. Used again; guarded
 * by its {@link SharedDevice}.
 */
final class Passage implements UrbCompletion {
  private final SharedDevice device;

  Holder holder;
  Urb urb;
  int incarnation;
  UrbCompletion completion;

  /** Its end was asked for. */
  boolean unlinked;

  /** Of a reset, which has no URB; else null. */
  CompletableFuture<UrbStatus> reset;

  Passage(SharedDevice device) {
    this.device = device;
  }

  @Override
  public void complete(Urb done) {
    device.completed(this);
  }

  void clear() {
    holder = null;
    urb = null;
    completion = null;
    unlinked = false;
    reset = null;
  }
}

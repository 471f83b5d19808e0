package io.netchannel.device.usb;

import java.util.concurrent.CompletableFuture;

/** A port where nothing is ever plugged; completes nothing, as nothing may be submitted. */
public class EmptyPort implements UsbDevice {
  @Override
  public PortState port() {
    return PortState.EMPTY;
  }

  @Override
  public void listen(PortListener listener) {
    listener.portChanged();
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    throw new AssertionError("nothing is plugged here");
  }

  @Override
  public void unlink(Urb urb) {}

  @Override
  public CompletableFuture<UrbStatus> reset() {
    return CompletableFuture.completedFuture(UrbStatus.NO_DEVICE);
  }

  @Override
  public void close() {}
}

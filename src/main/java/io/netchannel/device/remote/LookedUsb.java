package io.netchannel.device.remote;

import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.wire.UsbPort;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ForkJoinPool;

/** A USB device for who only asks what is there. */
record LookedUsb(PortState port) implements UsbDevice {
  static LookedUsb of(UsbPort told) {
    return new LookedUsb(UsbPorts.state(told, told.incarnation()));
  }

  /** What is there is what was there when it was asked. */
  @Override
  public void listen(PortListener listener) {
    listener.portChanged();
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    ForkJoinPool.commonPool()
        .execute(
            () -> {
              urb.clearOutcome();
              urb.done(UrbStatus.NO_DEVICE, 0);
              UrbCompletion.tell(completion, urb, "a USB device that was looked at");
            });
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

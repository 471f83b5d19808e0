package io.netchannel.device.usb;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ForkJoinPool;

/**
 * A USB device for who only asks what is there: it was looked at, and nothing of it is open.
 *
 * @param port what was there then
 */
public record LookedUsb(PortState port) implements UsbDevice {
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

package io.netchannel.device.usb;

import io.netchannel.device.ForwardingBackend;
import java.util.concurrent.CompletableFuture;

/** A USB device in front of another one: all that it leaves as it is. */
public abstract class ForwardingUsbDevice extends ForwardingBackend<UsbDevice>
    implements UsbDevice {
  /** In front of {@code device}, which is closed with it. */
  protected ForwardingUsbDevice(UsbDevice device) {
    super(device);
  }

  @Override
  public PortState port() {
    return device.port();
  }

  @Override
  public void listen(PortListener listener) {
    device.listen(listener);
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    device.submit(urb, incarnation, completion);
  }

  @Override
  public void unlink(Urb urb) {
    device.unlink(urb);
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    return device.reset();
  }

  @Override
  public void completeOn(DescriptorLoop loop) {
    device.completeOn(loop);
  }
}

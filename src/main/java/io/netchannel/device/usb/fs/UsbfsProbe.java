package io.netchannel.device.usb.fs;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** What was there when somebody looked; nothing of it is claimed, or even opened. */
final class UsbfsProbe implements UsbDevice {
  private final PortState port;

  private UsbfsProbe(PortState port) {
    this.port = port;
  }

  static UsbfsProbe open(UsbSource source, DeviceFinder finder) throws DeviceException {
    try {
      return new UsbfsProbe(
          source
              .choose(finder.list())
              .map(HostUsbDevice::asPlugged)
              .map(plugged -> new PortState(1, Optional.of(plugged)))
              .orElse(PortState.EMPTY));
    } catch (IOException e) {
      throw new DeviceException("the USB devices of this host cannot be listed: " + e, e);
    }
  }

  @Override
  public PortState port() {
    return port;
  }

  @Override
  public void listen(PortListener listener) {
    listener.portChanged();
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    urb.done(UrbStatus.NO_DEVICE, 0);
    var unused = CompletableFuture.runAsync(() -> UrbCompletion.tell(completion, urb, this));
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

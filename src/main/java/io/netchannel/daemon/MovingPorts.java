package io.netchannel.daemon;

import com.google.protobuf.ByteString;
import io.netchannel.coordinator.LocalDevices.GuestDevice;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.midpoint.Manifest;
import io.netchannel.xen.XenStore;
import java.util.concurrent.CompletableFuture;

/** USB ports that leave this host and come to it. */
final class MovingPorts extends MovingDevices<UsbDevice, Manifest, ServedPort, PortDetails> {
  private final UsbPorts ports;

  MovingPorts(XenStore store, UsbPorts ports) {
    super(store, ports);
    this.ports = ports;
  }

  @Override
  GuestDevice describe(ServedPort port) {
    PortDetails details = port.details();
    return GuestDevice.usbPort(
        details.guest().uuid(),
        details.target(),
        details.source().orElse(""),
        details.generation());
  }

  /** A ring of the largest URBs. */
  @Override
  long manifestDataBytes() {
    return 1 << 20;
  }

  @Override
  PortDetails expecting(Guest guest, GuestDevice coming) {
    return PortDetails.expecting(guest, PortDetails.port(coming.target()), false);
  }

  @Override
  Manifest decode(ServedPort port, ByteString manifest) {
    throw new IllegalArgumentException(port + ": USB ports do not migrate yet");
  }

  @Override
  void forgetManifest(ServedPort port) {}

  @Override
  UsbDevice open(ServedPort port, GuestDevice coming, boolean isCopy, Manifest manifest)
      throws DeviceException {
    return ports.open(
        port,
        coming.source(),
        coming.generation(),
        () -> ports.openFor(port, coming.source(), coming.generation()));
  }

  @Override
  void arrived(ServedPort port, GuestDevice coming, boolean isCopy) {}

  @Override
  CompletableFuture<Void> probe(GuestDevice coming) {
    return ports.probe(coming.source()).thenAccept(plugged -> {});
  }
}

package io.netchannel.daemon;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.DeviceType;
import io.netchannel.vdevice.usb.UsbNodes;
import io.netchannel.xen.XenStore;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** The USB ports that this host serves. */
final class UsbPorts extends ServedDevices<UsbDevice, ServedPort, PortDetails> {
  private final UsbOpener devices;
  private final GuestSuspends suspends;

  UsbPorts(ServedDevice.Environment environment, UsbOpener devices, GuestSuspends suspends) {
    super(environment, "usb");
    this.devices = devices;
    this.suspends = suspends;
  }

  @Override
  DeviceType type() {
    return UsbNodes.TYPE;
  }

  @Override
  ServedPort make(PortDetails details) {
    return new ServedPort(environment(), details, this::forget, suspends);
  }

  @Override
  Optional<PortDetails> parse(DeviceAddress address, Map<String, String> nodes) {
    return PortDetails.parse(address, nodes);
  }

  @Override
  DeviceNodes.Outcome publishNodes(XenStore store, PortDetails details) {
    return UsbNodes.publish(store, details.address(), details.nodes());
  }

  @Override
  long newestGeneration(ServedPort port, String source) throws DeviceException {
    return devices.newestGeneration(source, port.details().userName());
  }

  @Override
  UsbDevice openFor(ServedPort port, String source, long generation) throws DeviceException {
    return devices.open(source, port.details().openOptions(generation));
  }

  @Override
  void giveFree(PortDetails gone, String source) throws DeviceException {
    devices.giveFree(source, gone.openOptions(gone.generation()));
  }

  /**
   * What is plugged at a source; need not be anything. Its user, if it has one, does not notice.
   */
  CompletableFuture<PortState> probe(String source) {
    return look(
        () -> {
          try (UsbDevice device = devices.open(source, UsbOpenOptions.PROBE)) {
            return device.port();
          }
        });
  }
}

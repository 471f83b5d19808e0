package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.usb.UsbNodes;
import java.util.Map;
import java.util.Optional;

/**
 * What our backend's nodes say of a USB port: a controller of its own, whose number is the port's.
 *
 * @param port as the domain's metadata has it, from 1 on
 * @param source what is plugged there; empty while it waits for that to be opened
 */
record PortDetails(Guest guest, int port, Optional<String> source, long generation)
    implements DeviceDetails<PortDetails> {

  /** A port whose source is not open yet. */
  static PortDetails expecting(Guest guest, int port) {
    return new PortDetails(guest, port, Optional.empty(), 0);
  }

  /** What all but people call a port. */
  static String target(int port) {
    return "usb" + port;
  }

  @Override
  public String target() {
    return target(port);
  }

  @Override
  public PortDetails with(Optional<String> newSource, long newGeneration) {
    return new PortDetails(guest, port, newSource, newGeneration);
  }

  /** What the nodes at {@code address} say; empty when something is missing or malformed. */
  static Optional<PortDetails> parse(DeviceAddress address, Map<String, String> nodes) {
    try {
      return Optional.of(
          new PortDetails(
              DeviceDetails.guest(address, nodes),
              address.devid(),
              Optional.ofNullable(nodes.get(DeviceDetail.PARAMS)),
              Long.parseLong(DeviceDetails.required(nodes, DeviceDetail.GENERATION))));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  /** How its source is opened. */
  UsbOpenOptions openOptions(long forGeneration) {
    return UsbOpenOptions.of(
        UsbOpenOptions.User.device(guest.uuid(), target(), forGeneration, ImmutableSet.of()));
  }

  /** What an authority of its source calls it. */
  String userName() {
    return UsbOpenOptions.User.deviceName(guest.uuid(), target());
  }

  @Override
  public DeviceAddress address() {
    return UsbNodes.TYPE.address(guest.domid(), port, BACKEND_DOMID);
  }

  @Override
  public ImmutableMap<String, String> nodes() {
    return DeviceDetails.common(this);
  }

  @Override
  public String toString() {
    return guest + " " + target();
  }
}

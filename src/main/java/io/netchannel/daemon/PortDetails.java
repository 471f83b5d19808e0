package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.usb.UsbNodes;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * What our backend's nodes say of a USB port: a controller of its own, whose number is the port's.
 *
 * @param port as the domain's metadata has it, from 1 on
 * @param source what is plugged there; empty while it waits for that to be opened
 * @param replugs whether a guest that migrates is shown an unplug and a plug
 */
record PortDetails(Guest guest, int port, Optional<String> source, long generation, boolean replugs)
    implements DeviceDetails<PortDetails> {
  /** Node, as the attribute in the metadata. */
  private static final String MIGRATE = "migrate";

  static final String KEEP = "keep";
  static final String REPLUG = "replug";
  private static final String PREFIX = "usb";
  private static final Pattern TARGET = Pattern.compile(PREFIX + "[1-9]\\d?");

  /** A port whose source is not open yet. */
  static PortDetails expecting(Guest guest, int port, boolean replugs) {
    return new PortDetails(guest, port, Optional.empty(), 0, replugs);
  }

  /** What all but people call a port. */
  static String target(int port) {
    return PREFIX + port;
  }

  /**
   * The port that a target names.
   *
   * @throws IllegalArgumentException when it names none
   */
  static int port(String target) {
    if (!TARGET.matcher(target).matches()) {
      throw new IllegalArgumentException("expected a USB port as usb1, found " + target);
    }
    return Integer.parseInt(target.substring(PREFIX.length()));
  }

  @Override
  public String target() {
    return target(port);
  }

  @Override
  public PortDetails with(Optional<String> newSource, long newGeneration) {
    return new PortDetails(guest, port, newSource, newGeneration, replugs);
  }

  /** What the nodes at {@code address} say; empty when something is missing or malformed. */
  static Optional<PortDetails> parse(DeviceAddress address, Map<String, String> nodes) {
    try {
      return Optional.of(
          new PortDetails(
              DeviceDetails.guest(address, nodes),
              address.devid(),
              Optional.ofNullable(nodes.get(DeviceDetail.PARAMS)),
              Long.parseLong(DeviceDetails.required(nodes, DeviceDetail.GENERATION)),
              REPLUG.equals(nodes.get(MIGRATE))));
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
    return ImmutableMap.<String, String>builder()
        .putAll(DeviceDetails.common(this))
        .put(MIGRATE, replugs ? REPLUG : KEEP)
        .buildOrThrow();
  }

  @Override
  public String toString() {
    return guest + " " + target();
  }
}

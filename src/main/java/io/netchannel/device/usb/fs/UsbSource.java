package io.netchannel.device.usb.fs;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.DeviceException;
import io.netchannel.device.SourceOptions;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Which device of this host is meant, and what becomes of it afterwards:
 *
 * <pre>
 *   text   := which [ ",driver=" ( "managed" | "keep" ) ]
 *   which  := "port=" bus "-" port { "." port }                 whatever is plugged there
 *           | "id=" vendor ":" product ",serial=" serial number  that one, wherever it is plugged
 * </pre>
 *
 * for example {@code port=3-1.2}, {@code id=1209:0003,serial=NC42,driver=keep}. Managed is the
 * default: the kernel's drivers get the device back when it is closed; otherwise they do not.
 */
public final class UsbSource {
  private static final String OWNER = "usb:";
  private static final Pattern PORT = Pattern.compile("[1-9][0-9]*-[1-9][0-9]*(\\.[1-9][0-9]*)*");
  private static final Pattern ID = Pattern.compile("([0-9a-fA-F]{4}):([0-9a-fA-F]{4})");

  /** What a device is known by wherever it is plugged. */
  private record Identity(int vendor, int product, String serial) {
    boolean isOf(HostUsbDevice device) {
      return device.descriptors().vendor() == vendor
          && device.descriptors().product() == product
          && device.serial().equals(Optional.of(serial));
    }
  }

  private final Optional<String> port;
  private final Optional<Identity> identity;
  private final boolean managed;

  private UsbSource(Optional<String> port, Optional<Identity> identity, boolean managed) {
    this.port = port;
    this.identity = identity;
    this.managed = managed;
  }

  /**
   * Reads one.
   *
   * @param text what follows the scheme
   */
  public static UsbSource parse(String text) throws DeviceException {
    SourceOptions options =
        new SourceOptions(OWNER, text, List.of("port", "id", "serial", "driver"));
    Optional<String> port = options.text("port");
    Optional<String> id = options.text("id");
    Optional<String> serial = options.text("serial");
    if (port.isPresent() == id.isPresent() || id.isPresent() != serial.isPresent()) {
      throw new DeviceException(
          "expected usb:port=3-1.2, or usb:id=1209:0003,serial=NUMBER, found usb:%s; a device"
                  .formatted(text)
              + " without a serial number is known by its port only, as netchannel usb-devices"
              + " shows it");
    }
    if (port.isPresent() && !PORT.matcher(port.get()).matches()) {
      throw new DeviceException(
          "expected a port such as 3-1.2 (bus 3, port 1, port 2 of the hub there), found port=%s; netchannel usb-devices shows them"
              .formatted(port.get()));
    }
    Optional<Identity> identity =
        id.isPresent() ? Optional.of(identity(id.get(), serial.orElseThrow())) : Optional.empty();
    return new UsbSource(port, identity, isManaged(options.text("driver").orElse("managed")));
  }

  private static Identity identity(String id, String serial) throws DeviceException {
    Matcher parts = ID.matcher(id);
    if (!parts.matches()) {
      throw new DeviceException(
          "expected vendor and product as lsusb has them, id=1209:0003, found id=%s".formatted(id));
    }
    return new Identity(
        Integer.parseInt(parts.group(1), 16), Integer.parseInt(parts.group(2), 16), serial);
  }

  private static boolean isManaged(String driver) throws DeviceException {
    return switch (driver) {
      case "managed" -> true;
      case "keep" -> false;
      default ->
          throw new DeviceException(
              "expected driver=managed (the kernel's driver gets the device back) or driver=keep"
                  + " (it does not), found driver="
                  + driver);
    };
  }

  /** Whether the kernel's drivers get the device back. */
  boolean isManaged() {
    return managed;
  }

  /**
   * The one that is meant, of those that are there.
   *
   * @return empty when none is
   * @throws DeviceException when several are, or it is none that can be given to a guest
   */
  Optional<HostUsbDevice> choose(ImmutableList<HostUsbDevice> present) throws DeviceException {
    List<HostUsbDevice> meant = present.stream().filter(this::isMeant).toList();
    if (meant.size() > 1) {
      throw new DeviceException(
          "expected one device %s, found %d: at ports %s; unplug all but one, or name the port"
              .formatted(
                  this,
                  meant.size(),
                  meant.stream().map(HostUsbDevice::port).collect(Collectors.joining(", "))));
    }
    Optional<HostUsbDevice> found = meant.stream().findFirst();
    if (found.isPresent() && found.get().isHub()) {
      throw new DeviceException(
          "%s is a hub: a guest's virtual controller has no ports for what is plugged into it; name one of those devices"
              .formatted(found.get()));
    }
    return found;
  }

  private boolean isMeant(HostUsbDevice device) {
    return port.map(device.port()::equals).orElseGet(() -> identity.orElseThrow().isOf(device));
  }

  /** As in a source: "usb:port=3-1.2". */
  @Override
  public String toString() {
    return OWNER
        + port.map(each -> "port=" + each)
            .orElseGet(
                () -> {
                  Identity meant = identity.orElseThrow();
                  return "id=%04x:%04x,serial=%s"
                      .formatted(meant.vendor(), meant.product(), meant.serial());
                });
  }
}

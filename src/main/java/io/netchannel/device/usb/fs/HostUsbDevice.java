package io.netchannel.device.usb.fs;

import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.PortState.Plugged;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A USB device of this host, as it was when somebody looked.
 *
 * @param port where it is plugged, as the kernel names it: "3-1.2" is bus 3, port 1 of the root
 *     hub, port 2 of the hub there; "usb3" is the root hub
 * @param bus its number
 * @param address on that bus
 * @param node its file in usbfs
 * @param descriptors as a guest may have them, which sees no device faster than high speed
 * @param serial its serial number
 * @param manufacturer its own word
 * @param product its own word
 * @param megabits what it runs at, as "480"; empty when the kernel does not say
 * @param configuration the value of what is set; 0 for none
 * @param drivers of the kernel that have its interfaces, by their numbers
 */
public record HostUsbDevice(
    String port,
    int bus,
    int address,
    Path node,
    Descriptors descriptors,
    Optional<String> serial,
    Optional<String> manufacturer,
    Optional<String> product,
    String megabits,
    int configuration,
    ImmutableSortedMap<Integer, String> drivers) {
  /** bDeviceClass and bInterfaceClass of hubs. */
  private static final int HUB_CLASS = 9;

  /** In sysfs' words, what devices run at that a guest's port has room for. */
  private static final ImmutableSet<String> USB_2 = ImmutableSet.of("1.5", "12", "480");

  /** In place of a driver: a program has the interface. */
  static final String USBFS_DRIVER = "usbfs";

  /** A hub would show ports that no virtual controller of a guest has. */
  public boolean isHub() {
    return descriptors.usbClass() == HUB_CLASS
        || descriptors.configurations().stream()
            .flatMap(each -> each.interfaces().stream())
            .anyMatch(each -> each.usbClass() == HUB_CLASS);
  }

  /** Whether some program has it, as a guest's device too. */
  public boolean isInUseByProgram() {
    return drivers.containsValue(USBFS_DRIVER);
  }

  /** Whether these are one to who looks for an identity. */
  public boolean hasIdentityOf(HostUsbDevice other) {
    return descriptors.vendor() == other.descriptors.vendor()
        && descriptors.product() == other.descriptors.product()
        && serial.equals(other.serial);
  }

  /** What a guest is told. */
  UsbSpeed speed() {
    return switch (megabits) {
      case "1.5" -> UsbSpeed.LOW;
      case "12" -> UsbSpeed.FULL;
      default -> UsbSpeed.HIGH;
    };
  }

  /** Whether it is faster than a guest's port. */
  boolean isSuperSpeed() {
    return isSuperSpeed(megabits);
  }

  /** Whether a device that runs at this, in sysfs' words, is; not where none is known. */
  static boolean isSuperSpeed(String megabits) {
    return !megabits.isEmpty() && !USB_2.contains(megabits);
  }

  /** As it is when nobody has changed anything, or it was just taken from a driver. */
  Plugged asPlugged() {
    return new Plugged(
        speed(),
        descriptors,
        serial,
        configuration,
        SpecialRequests.firstSettings(descriptors.interfaceNumbers(configuration)),
        ImmutableSet.of());
  }

  /** "1209:0003 at port 3-1.2 (bus 3, device 7)". */
  @Override
  public String toString() {
    return "%s at port %s (bus %d, device %d)".formatted(descriptors, port, bus, address);
  }
}

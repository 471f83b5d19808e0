package io.netchannel.device.usb.fs;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.base.CharMatcher;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.SuperSpeed;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotLinkException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Optional;

/**
 * Finds the USB devices of this host in sysfs (Linux, Documentation/ABI/stable/sysfs-bus-usb).
 * Opens none of them, so that none wakes up or notices.
 *
 * <pre>
 *   /sys/bus/usb/devices/3-1.2/{busnum,devnum,speed,serial,descriptors,bConfigurationValue,...}
 *                        3-1.2:1.0/driver -> the kernel's driver of interface 0 in configuration 1
 *   /dev/bus/usb/003/007
 * </pre>
 */
public final class DeviceFinder {
  private static final Path ROOT = Path.of("/");
  private static final String SYSFS = "sys/bus/usb/devices";
  private static final String NODES = "dev/bus/usb";

  /** Separates an interface's name from its device's. */
  private static final char INTERFACE = ':';

  /** What a device says of itself may be anything, and is shown on terminals. */
  private static final CharMatcher UNPRINTABLE = CharMatcher.javaIsoControl();

  private final Path sysfs;
  private final Path nodes;

  /** That of this host. */
  public DeviceFinder() {
    this(ROOT);
  }

  /**
   * That of a host.
   *
   * @param root "/", or a tree that looks like it
   */
  public DeviceFinder(Path root) {
    sysfs = root.resolve(SYSFS);
    nodes = root.resolve(NODES);
  }

  /** Where the nodes are. */
  Path nodes() {
    return nodes;
  }

  /**
   * All of them, hubs too, by bus and address; none where the kernel has no USB.
   *
   * @throws IOException when sysfs cannot be read
   */
  public ImmutableList<HostUsbDevice> list() throws IOException {
    ImmutableList.Builder<HostUsbDevice> found = ImmutableList.builder();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(sysfs)) {
      for (Path each : all) {
        if (each.getFileName().toString().indexOf(INTERFACE) < 0) {
          device(each).ifPresent(found::add);
        }
      }
    } catch (NoSuchFileException e) {
      return ImmutableList.of();
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    }
    return ImmutableList.sortedCopyOf(
        Comparator.comparingInt(HostUsbDevice::bus).thenComparingInt(HostUsbDevice::address),
        found.build());
  }

  /** Empty when it has gone meanwhile, or tells what no device is. */
  private Optional<HostUsbDevice> device(Path directory) {
    try {
      String port = directory.getFileName().toString();
      int bus = number(directory, "busnum");
      int address = number(directory, "devnum");
      String megabits = attribute(directory, "speed").orElse("");
      byte[] descriptors = Files.readAllBytes(directory.resolve("descriptors"));
      Descriptors believed =
          Descriptors.of(
              HostUsbDevice.isSuperSpeed(megabits) ? atHighSpeed(descriptors) : descriptors);
      int configuration =
          attribute(directory, "bConfigurationValue").map(Integer::parseInt).orElse(0);
      return Optional.of(
          new HostUsbDevice(
              port,
              bus,
              address,
              nodes.resolve("%03d".formatted(bus)).resolve("%03d".formatted(address)),
              believed,
              attribute(directory, "serial"),
              attribute(directory, "manufacturer"),
              attribute(directory, "product"),
              megabits,
              configuration,
              drivers(port, configuration, believed)));
    } catch (IOException | IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private static byte[] atHighSpeed(byte[] descriptors) {
    Descriptors checked = Descriptors.of(descriptors); // so it has a device descriptor
    byte[] changed = checked.bytes();
    SuperSpeed.atHighSpeed(changed);
    return changed;
  }

  private ImmutableSortedMap<Integer, String> drivers(
      String port, int configuration, Descriptors descriptors) throws IOException {
    ImmutableSortedMap.Builder<Integer, String> drivers = ImmutableSortedMap.naturalOrder();
    for (int number : descriptors.interfaceNumbers(configuration)) {
      Path driver =
          sysfs
              .resolve("%s%c%d.%d".formatted(port, INTERFACE, configuration, number))
              .resolve("driver");
      try {
        drivers.put(number, Files.readSymbolicLink(driver).getFileName().toString());
      } catch (NoSuchFileException | NotLinkException e) {
        // It has none.
      }
    }
    return drivers.buildOrThrow();
  }

  private static int number(Path directory, String name) throws IOException {
    return Integer.parseInt(Files.readString(directory.resolve(name)).strip());
  }

  /** Empty when there is none, or nothing in it. */
  private static Optional<String> attribute(Path directory, String name) throws IOException {
    try {
      // A serial number may have any bytes, and spaces at its end that are part of it.
      byte[] bytes = Files.readAllBytes(directory.resolve(name));
      String text = new String(bytes, UTF_8);
      String line = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
      return Optional.of(UNPRINTABLE.replaceFrom(line, '?')).filter(found -> !found.isEmpty());
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }
}

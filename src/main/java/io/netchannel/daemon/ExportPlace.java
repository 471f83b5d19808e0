package io.netchannel.daemon;

import com.google.common.net.HostAndPort;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.net.HostPorts;
import io.netchannel.wire.Wire;
import java.util.Optional;

/**
 * An export that a source leads to, by a name that all hosts have for it.
 *
 * @param way what stands before it: filters
 * @param export its name at that server
 */
record ExportPlace(String way, HostAndPort server, String export) {
  /** Before the name of a USB device. */
  static final String USB = "usb/";

  /** How a source is written without filters. */
  @FunctionalInterface
  private interface Places {
    String place(String source) throws DeviceException;
  }

  /** Of a disk; empty when the source is something else. */
  static Optional<ExportPlace> of(Devices devices, String source) {
    return of(devices::place, source);
  }

  /** Of a USB device, likewise; the name is that after "usb/". */
  static Optional<ExportPlace> of(UsbOpener devices, String source) {
    return of(devices::place, source)
        .filter(found -> found.export.startsWith(USB))
        .map(
            found ->
                new ExportPlace(found.way, found.server, found.export.substring(USB.length())));
  }

  private static Optional<ExportPlace> of(Places devices, String source) {
    try {
      String place = devices.place(source);
      String export = DiskPlaces.exportForAll(place).orElse("");
      int slash = export.indexOf('/');
      return slash < 0
          ? Optional.empty()
          : Optional.of(
              new ExportPlace(
                  source.substring(0, source.length() - place.length()),
                  HostPorts.parseInUri(export.substring(0, slash), Wire.DEFAULT_PORT),
                  export.substring(slash + 1)));
    } catch (DeviceException | IllegalArgumentException e) {
      return Optional.empty(); // "inherit", or nothing yet
    }
  }

  /** The same way to another one. */
  String to(String source) {
    return way + source;
  }
}

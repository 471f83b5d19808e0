package io.netchannel.daemon;

import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.server.Export;
import io.netchannel.server.ExportException;

/** Whether what is to be exported can be, of each kind. */
final class ExportChecks {
  private final DeviceOpener disks;
  private final UsbOpener usb;

  ExportChecks(DeviceOpener disks, UsbOpener usb) {
    this.disks = disks;
    this.usb = usb;
  }

  /** Whether it says what there is; nothing is opened. */
  void source(Export export) throws ExportException {
    try {
      switch (export.kind()) {
        case DISK -> disks.check(export.source());
        case USB -> usb.check(export.source());
      }
    } catch (DeviceException e) {
      throw cannotBeServed(export, e);
    }
  }

  /**
   * Who exports a device wants to hear now what is wrong with it, not from its clients. A USB
   * device need not be plugged.
   */
  void look(Export export) throws ExportException {
    try {
      switch (export.kind()) {
        case DISK -> {
          if (!export.readOnly()) {
            disks.checkUnused(export.source());
          }
          var unused = disks.probe(export.source(), export.readOnly());
        }
        case USB -> {
          try (UsbDevice device = usb.open(export.source(), UsbOpenOptions.PROBE)) {
            var unused = device.port();
          }
        }
      }
    } catch (DeviceException e) {
      throw cannotBeServed(export, e);
    }
  }

  private static ExportException cannotBeServed(Export export, DeviceException why) {
    return new ExportException(
        "export %s cannot be served: %s".formatted(export.name(), why.getMessage()), why);
  }
}

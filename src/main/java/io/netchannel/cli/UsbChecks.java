package io.netchannel.cli;

import io.netchannel.server.Export;
import io.netchannel.wire.ExportKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/** Checks of what USB devices of this host need of its kernel. */
final class UsbChecks {
  private static final String SYSFS = "sys/bus/usb/devices";
  private static final String NODES = "dev/bus/usb";
  private static final String MEMORY = "sys/module/usbcore/parameters/usbfs_memory_mb";

  /** As much as each of 16 busy devices may have in the kernel: 16 requests of 64 KiB. */
  private static final int FEW_MIB = 16;

  private final Path root;
  private final Consumer<Finding> report;

  /**
   * Checks of a host.
   *
   * @param root "/", or a tree that looks like it
   */
  UsbChecks(Path root, Consumer<Finding> report) {
    this.root = root;
    this.report = report;
  }

  /** What the kernel has, and whether what is exported is plugged. */
  void run(List<Export> exports) {
    if (!Files.isDirectory(root.resolve(SYSFS))) {
      report.accept(
          Finding.ok(
              "USB",
              "this kernel has none: guests can have USB devices of other hosts only (modprobe"
                  + " usbcore)"));
      return;
    }
    nodes();
    memory();
    exports.stream().filter(export -> export.kind() == ExportKind.USB).forEach(this::plugged);
  }

  private void nodes() {
    Path nodes = root.resolve(NODES);
    if (!Files.isDirectory(nodes)) {
      report.accept(
          Finding.warn(
              "USB",
              nodes
                  + " is missing: no USB device of this host can be given to a guest; mount"
                  + " devtmpfs on /dev, in a container pass it in"));
    } else if (!Files.isReadable(nodes) || !Files.isExecutable(nodes)) {
      report.accept(Finding.warn("USB", nodes + " cannot be read: run this as root"));
    } else {
      report.accept(Finding.ok("USB", "devices are at " + nodes));
    }
  }

  private void memory() {
    Path file = root.resolve(MEMORY);
    try {
      int mebibytes = Integer.parseInt(Files.readString(file).strip());
      report.accept(
          mebibytes == 0 || mebibytes > FEW_MIB
              ? Finding.ok("usbfs memory", mebibytes == 0 ? "without a bound" : mebibytes + " MiB")
              : Finding.ok(
                  "usbfs memory",
                  "%d MiB for all programs of this host: enough for %d busy devices; for more, echo 64 > %s"
                      .formatted(mebibytes, mebibytes, file)));
    } catch (IOException | NumberFormatException e) {
      report.accept(Finding.warn("usbfs memory", "not known: " + e.getMessage()));
    }
  }

  /** It may come later; but a port that is written wrong never has anything. */
  private void plugged(Export export) {
    String port = "usb:port=";
    if (export.source().startsWith(port)
        && !Files.exists(root.resolve(SYSFS).resolve(export.source().substring(port.length())))) {
      report.accept(
          Finding.warn(
              "export " + export.name(),
              "nothing is plugged at %s now; see `netchannel usb-devices`"
                  .formatted(export.source())));
    }
  }
}

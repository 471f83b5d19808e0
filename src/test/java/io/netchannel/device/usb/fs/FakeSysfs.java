package io.netchannel.device.usb.fs;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A tree of files that looks like a host's sysfs and nodes. */
public final class FakeSysfs {
  private final Path root;
  private final Path sysfs;
  private final Path nodes;

  public FakeSysfs(Path root) throws IOException {
    this.root = root;
    sysfs = Files.createDirectories(root.resolve("sys/bus/usb/devices"));
    nodes = Files.createDirectories(root.resolve("dev/bus/usb"));
  }

  DeviceFinder finder() {
    return new DeviceFinder(root);
  }

  public Path nodes() {
    return nodes;
  }

  /** A device at high speed, in configuration 1. */
  public void plug(String port, int bus, int address, byte[] descriptors, String serial) {
    plug(port, bus, address, descriptors, serial, "480", "1");
  }

  public void plug(
      String port,
      int bus,
      int address,
      byte[] descriptors,
      String serial,
      String megabits,
      String configuration) {
    try {
      Path device = Files.createDirectories(sysfs.resolve(port));
      Files.writeString(device.resolve("busnum"), bus + "\n");
      Files.writeString(device.resolve("devnum"), address + "\n");
      Files.writeString(device.resolve("speed"), megabits + "\n");
      Files.writeString(device.resolve("bConfigurationValue"), configuration + "\n");
      Files.writeString(device.resolve("manufacturer"), "Netchannel\n");
      Files.writeString(device.resolve("product"), "Thing \u001b[31m\n");
      if (serial != null) {
        Files.writeString(device.resolve("serial"), serial + "\n");
      }
      Files.write(device.resolve("descriptors"), descriptors);
      Path busNodes = Files.createDirectories(nodes.resolve("%03d".formatted(bus)));
      Files.writeString(busNodes.resolve("%03d".formatted(address)), "");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The kernel has chosen a configuration. */
  void configure(String port, int configuration) {
    try {
      Files.writeString(sysfs.resolve(port).resolve("bConfigurationValue"), configuration + "\n");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A driver of the kernel has an interface. */
  public void bind(String port, int configuration, int number, String driver) {
    try {
      Path one =
          Files.createDirectories(sysfs.resolve("%s:%d.%d".formatted(port, configuration, number)));
      Files.createSymbolicLink(one.resolve("driver"), Path.of("../../drivers", driver));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  void unplug(String port) {
    try {
      MoreFiles.deleteRecursively(sysfs.resolve(port), RecursiveDeleteOption.ALLOW_INSECURE);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

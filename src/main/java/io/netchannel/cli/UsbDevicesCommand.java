package io.netchannel.cli;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.usb.fs.DeviceFinder;
import io.netchannel.device.usb.fs.HostUsbDevice;
import io.netchannel.device.usb.fs.NodeUsers;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "usb-devices",
    mixinStandardHelpOptions = true,
    description = {
      "Lists the USB devices of this host, and how each is given to a guest.",
      "",
      "Needs no daemon. The programs that use devices are found by root only."
    })
final class UsbDevicesCommand implements Callable<Integer> {
  @Mixin private OutputOptions output;
  @Spec private CommandSpec spec;

  @Option(
      names = "--root",
      paramLabel = "DIR",
      defaultValue = "/",
      description = "Look at a host's files in this tree (default: ${DEFAULT-VALUE}).")
  private Path root = Path.of("/");

  @Override
  public Integer call() throws CommandFailedException {
    ImmutableList<HostUsbDevice> found;
    try {
      found = new DeviceFinder(root).list();
    } catch (IOException e) {
      throw new CommandFailedException("sysfs of the USB devices cannot be read: " + e);
    }
    NodeUsers users = new NodeUsers(root);
    List<Map<String, Object>> devices =
        found.stream().map(device -> described(device, found, users)).toList();
    output.print(spec.commandLine().getOut(), devices, out -> print(out, devices));
    return 0;
  }

  private static Map<String, Object> described(
      HostUsbDevice device, List<HostUsbDevice> all, NodeUsers users) {
    Map<String, Object> described = new TreeMap<>();
    described.put("bus", device.bus());
    described.put("device", device.address());
    described.put("id", device.descriptors().toString());
    described.put("port", device.port());
    device.manufacturer().ifPresent(name -> described.put("manufacturer", name));
    device.product().ifPresent(name -> described.put("product", name));
    device.serial().ifPresent(serial -> described.put("serial", serial));
    described.put("speedMbps", device.megabits());
    described.put("drivers", device.drivers().values().stream().distinct().toList());
    if (device.isHub()) {
      described.put("use", "refused");
      described.put("reason", "a hub");
      return described;
    }
    boolean shared =
        all.stream()
            .anyMatch(other -> !other.port().equals(device.port()) && other.hasIdentityOf(device));
    described.put("source", source(device, shared));
    if (device.isInUseByProgram()) {
      described.put("use", "in use");
      described.put("reason", "by " + users.of(device).orElse("a program"));
    } else {
      described.put("use", "free");
      identityProblem(device, shared).ifPresent(why -> described.put("reason", why));
    }
    return described;
  }

  /** By its identity where it has one of its own, which it keeps at any port. */
  private static String source(HostUsbDevice device, boolean shared) {
    return identityProblem(device, shared).isPresent()
        ? "usb:port=" + device.port()
        : "usb:id=%s,serial=%s".formatted(device.descriptors(), device.serial().orElseThrow());
  }

  private static Optional<String> identityProblem(HostUsbDevice device, boolean shared) {
    if (device.serial().isEmpty()) {
      return Optional.of("by port only: it has no serial number");
    }
    if (shared) {
      return Optional.of("by port only: another one has the same id and serial number");
    }
    // In a source a comma ends it; what cannot be printed is not known here.
    return device.serial().orElseThrow().matches("[^,?]+")
        ? Optional.empty()
        : Optional.of("by port only: its serial number cannot be written in a source");
  }

  private static void print(PrintWriter out, List<Map<String, Object>> devices) {
    Table table =
        new Table(
            "Bus", "Device", "Id", "Name", "Port", "Serial", "Mbit/s", "Driver", "Use", "Source");
    for (Map<String, Object> device : devices) {
      table.row(
          number(device.get("bus")),
          number(device.get("device")),
          device.get("id"),
          name(device),
          device.get("port"),
          device.get("serial"),
          device.get("speedMbps"),
          drivers(device),
          use(device),
          device.get("source"));
    }
    table.print(out);
  }

  /** As lsusb and the nodes have it. */
  private static String number(Object number) {
    return String.format("%3s", number).replace(' ', '0');
  }

  /** Null when it says nothing of itself. */
  private static String name(Map<String, Object> device) {
    String name =
        List.of("manufacturer", "product").stream()
            .map(device::get)
            .filter(String.class::isInstance)
            .map(String.class::cast)
            .collect(Collectors.joining(" "));
    return name.isEmpty() ? null : name;
  }

  /** Null when there is none. */
  private static String drivers(Map<String, Object> device) {
    return device.get("drivers") instanceof List<?> drivers && !drivers.isEmpty()
        ? drivers.stream().map(String::valueOf).collect(Collectors.joining(","))
        : null;
  }

  private static String use(Map<String, Object> device) {
    return device.get("reason") == null
        ? String.valueOf(device.get("use"))
        : "%s: %s".formatted(device.get("use"), device.get("reason"));
  }
}

package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "devices",
    mixinStandardHelpOptions = true,
    description = "Lists the Netchannel devices of the domains that run on this host.")
final class DevicesCommand implements Callable<Integer> {
  @Mixin private OutputOptions output;
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Parameters(
      arity = "0..1",
      paramLabel = "DOMAIN",
      description = "Only of this domain: its name, id or UUID.")
  private String domain;

  @Override
  public Integer call() throws CommandFailedException {
    Map<String, Object> request = new TreeMap<>(Map.of("command", "devices"));
    if (domain != null) {
      request.put("domain", domain);
    }
    List<Map<String, Object>> devices = Json.objects(control.call(request));
    output.print(spec.commandLine().getOut(), devices, out -> print(out, devices));
    return 0;
  }

  private static void print(PrintWriter out, List<Map<String, Object>> devices) {
    Map<Boolean, List<Map<String, Object>>> byKind =
        devices.stream().collect(Collectors.partitioningBy(DevicesCommand::isUsb));
    List<Map<String, Object>> ports = byKind.get(true);
    if (ports.isEmpty() || !byKind.get(false).isEmpty()) {
      printDisks(out, byKind.get(false));
    }
    if (!ports.isEmpty()) {
      if (!byKind.get(false).isEmpty()) {
        out.println();
      }
      UsbTable.print(out, ports);
    }
    for (Map<String, Object> device : devices) {
      if (device.get("problem") != null) {
        out.println(
            "\n%s of %s: its guest waits: %s"
                .formatted(device.get("target"), device.get("domain"), device.get("problem")));
      }
    }
  }

  private static boolean isUsb(Map<String, Object> device) {
    return "usb".equals(device.get("kind"));
  }

  private static void printDisks(PrintWriter out, List<Map<String, Object>> devices) {
    Table table =
        new Table(
            "Domain",
            "Id",
            "Target",
            "State",
            "Frontend",
            "Mode",
            "Gen",
            "Size",
            "Pending",
            "Answered",
            "Source");
    for (Map<String, Object> device : devices) {
      table.row(
          device.get("domain"),
          device.get("domid"),
          device.get("target"),
          device.get("state"),
          device.get("frontend"),
          device.get("mode"),
          device.get("generation"),
          device.get("sizeBytes") instanceof Long size ? Amounts.size(size) : null,
          device.get("pending"),
          device.get("answered"),
          device.get("source"));
    }
    table.print(out);
    for (Map<String, Object> device : devices) {
      if (device.get("legs") != null) {
        for (Map<String, Object> leg : Json.objects(device.get("legs"))) {
          out.println(
              "\n%s of %s: leg %s is %s"
                  .formatted(
                      device.get("target"),
                      device.get("domain"),
                      leg.get("source"),
                      Boolean.TRUE.equals(leg.get("upToDate")) ? "up to date" : "behind"));
        }
      }
    }
  }
}

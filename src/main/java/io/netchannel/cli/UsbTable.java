package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;

/** USB ports of guests for people: a table, and what to do about a guest's driver. */
final class UsbTable {
  private UsbTable() {}

  /**
   * Prints them.
   *
   * @param ports as the daemon describes them
   */
  static void print(PrintWriter out, List<Map<String, Object>> ports) {
    Table table =
        new Table(
            "Domain",
            "Id",
            "Port",
            "State",
            "Plugged",
            "Guest's driver",
            "Gen",
            "Pending",
            "Answered",
            "Source",
            "Migrate");
    for (Map<String, Object> port : ports) {
      table.row(
          port.get("domain"),
          port.get("domid"),
          port.get("port"),
          port.get("state"),
          plugged(port),
          port.get("driver"),
          port.get("generation"),
          port.get("pending"),
          port.get("answered"),
          port.get("source"),
          port.get("migrate"));
    }
    table.print(out);
    for (Map<String, Object> port : ports) {
      String advice = advice(port);
      if (!advice.isEmpty()) {
        out.println("\n%s of %s: %s".formatted(port.get("target"), port.get("domain"), advice));
      }
    }
  }

  /** "1209:0003 480M"; null when nothing is. */
  private static String plugged(Map<String, Object> port) {
    if (port.get("plugged") == null) {
      return null;
    }
    Map<String, Object> plugged = Json.object(port.get("plugged"));
    return plugged.get("id") + " " + plugged.get("speed");
  }

  private static String advice(Map<String, Object> port) {
    if (port.get("obstacle") != null) {
      return "its guest cannot migrate: " + port.get("obstacle");
    }
    return switch (String.valueOf(port.get("driver"))) {
      case "module missing" ->
          "its guest has not looked at the port: it is booting, or has no xen-hcd (there: modprobe"
              + " xen-hcd, or install netchannel-xen-hcd-dkms)";
      case "stock" ->
          "its guest has the stock xen-hcd: after a migration, or a save and restore, devices that"
              + " were busy may be dead until they are plugged anew; install"
              + " netchannel-xen-hcd-dkms there";
      default -> "";
    };
  }
}

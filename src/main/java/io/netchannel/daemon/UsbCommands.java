package io.netchannel.daemon;

import io.netchannel.device.usb.PortState;
import io.netchannel.libvirt.DomainDevices.Usb;
import io.netchannel.midpoint.MidPointStatus;
import io.netchannel.midpoint.usb.UsbMidPoint;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;

/** What the command line asks about USB ports. */
final class UsbCommands {
  private final UsbPorts ports;
  private final HotPlug hotPlug;

  UsbCommands(UsbPorts ports, HotPlug hotPlug) {
    this.ports = ports;
    this.hotPlug = hotPlug;
  }

  Object attach(Guest guest, Map<String, Object> request) throws ControlException {
    PortDetails details =
        PortDetails.expecting(
            guest, port(request), PortDetails.REPLUG.equals(request.get("migrate")));
    return describe(
        hotPlug.attach(
            ports, details, "USB port " + details.port(), ControlCommands.text(request, "source")));
  }

  /** A guest without a driver has nothing to let go of, and would never answer. */
  Object detach(Guest guest, Map<String, Object> request) throws ControlException {
    int number = port(request);
    ServedPort port =
        ports
            .find(guest.domid(), PortDetails.target(number))
            .orElseThrow(
                () ->
                    new ControlException(
                        "%s has no Netchannel USB port %d".formatted(guest, number)));
    Map<String, Object> described = describe(port);
    if (port.driver() == GuestUsbDriver.MISSING) {
      ports.remove(port);
    } else {
      hotPlug.detach(ports, port, request, "");
    }
    return described;
  }

  /** Those of some guests. */
  List<Map<String, Object>> list(Predicate<Guest> which) {
    return ports.all().stream()
        .filter(port -> which.test(port.guest()))
        .map(UsbCommands::describe)
        .toList();
  }

  private static int port(Map<String, Object> request) throws ControlException {
    if (request.get("port") instanceof Long port && port >= 1 && port <= Usb.MAX_PORT) {
      return port.intValue();
    }
    throw new ControlException(
        "expected a port from 1 to %d, found %s".formatted(Usb.MAX_PORT, request.get("port")));
  }

  private static Map<String, Object> describe(ServedPort port) {
    MidPointStatus status = port.status();
    PortDetails details = port.details();
    Map<String, Object> device = new LinkedHashMap<>();
    device.put("kind", "usb");
    device.put("domain", details.guest().name());
    device.put("domid", details.guest().domid());
    device.put("uuid", details.guest().uuid());
    device.put("target", details.target());
    device.put("port", details.port());
    device.put("source", details.source().orElse(null));
    device.put("plugged", plugged(port));
    device.put("state", ControlCommands.state(port));
    device.put("frontend", MigrationJson.lowerCase(status.frontend()));
    device.put("driver", port.driver().words());
    device.put("migrate", details.replugs() ? PortDetails.REPLUG : PortDetails.KEEP);
    device.put("obstacle", port.obstacle().orElse(null));
    device.put("generation", details.generation());
    device.put("problem", port.problem().orElse(null));
    device.put("taken", status.taken());
    device.put("answered", status.answered());
    device.put("pending", status.pending());
    device.put("handedOver", status.handedOver());
    device.put("adopted", status.adopted());
    device.put("orphans", port.orphans());
    device.put("uncovered", port.uncoveredResponses());
    device.put("errors", status.errors());
    device.put("uncovered", port.present().map(UsbMidPoint::uncoveredResponses).orElse(0L));
    device.put("restarts", port.failures());
    device.put("bytesRead", status.bytesRead());
    device.put("bytesWritten", status.bytesWritten());
    return device;
  }

  /** What is plugged there; null when nothing is, or that is not known. */
  private static Map<String, Object> plugged(ServedPort port) {
    Optional<PortState.Plugged> found = port.device().flatMap(device -> device.port().plugged());
    if (found.isEmpty()) {
      return null;
    }
    Map<String, Object> plugged = new LinkedHashMap<>();
    plugged.put("id", found.get().descriptors().toString());
    plugged.put("speed", found.get().speed().text());
    plugged.put("serial", found.get().serial().orElse(null));
    return plugged;
  }
}

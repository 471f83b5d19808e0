package io.netchannel.daemon;

import com.google.common.collect.ImmutableSet;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.server.Export;
import io.netchannel.server.ExportException;
import io.netchannel.server.ExportStatus;
import java.io.IOException;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * USB devices of this host that stay here when their guest goes: each is an export of this host
 * then, whose only client is that port of that guest, wherever it is. The device is not closed on
 * the way: port and export have it in common ({@code device.usb.shared}), and the newer generation
 * owns it.
 *
 * <pre>
 *               exportFor                    the guest's new host attaches, N+1
 *   AT HOME --------------------> EXPORTED -----------------------------------> AWAY
 *     ^  ^                           |                                           | |
 *     |  +--------takeBack-----------+   onto the next host: N+2, the same export| |
 *     |                                                         ^----------------+ |
 *     +--takeBack, when the guest is home again, its port has N+x and the device   |
 *     |                                                                            |
 *     +--tidy: nobody has it, no migration is about it, twice in a row-------------+
 * </pre>
 *
 * What is EXPORTED is durable: a restart finds it as it was. Where the guest comes home the port
 * opens the device itself ({@link #here}), with a newer generation than the host has that it comes
 * from; the export stays until takeBack, so that a migration that fails after all leaves the device
 * to that host.
 *
 * <p>Stateless: what there is the server knows. All but {@link #tidy} may be called on any thread
 * that may wait for the disk with the server's files, and for what a client has at the device.
 */
public final class StayingUsb {
  private static final Logger log = LoggerFactory.getLogger(StayingUsb.class);

  /** Where the device server is; it begins when it is asked for first. */
  @FunctionalInterface
  interface Server {
    HostExports get() throws IOException;
  }

  private final UsbOpener devices;
  private final Server server;

  /** What was in nobody's hands when {@link #tidy} looked last; on its thread only. */
  private Set<String> unused = new HashSet<>();

  StayingUsb(UsbOpener devices, Server server) {
    this.devices = devices;
    this.server = server;
  }

  /**
   * Makes the device of a port reachable for the host to which its guest goes; nothing changes for
   * the guest until that attaches with a newer generation. Idempotent; durable when it returns.
   *
   * @param port what all but people call it: "usb1"
   * @param source what the port has here
   * @param hosts that may use it, as their certificates name them
   * @return the source by which these reach it: {@code source} itself where it names an export by a
   *     name that all hosts have for it
   * @throws DeviceException when no other host can reach it, with what to do, or when that cannot
   *     be stored
   */
  public String exportFor(UUID domain, String port, String source, ImmutableSet<String> hosts)
      throws DeviceException {
    String place = devices.place(source);
    if (DiskPlaces.exportForAll(place).isPresent()) {
      return source;
    }
    if (DiskPlaces.isExport(place)) {
      throw new DeviceException(
          "%s of %s: no other host reaches %s; attach it as netchannel://HOST/usb/NAME instead"
              .formatted(port, domain, source));
    }
    Export export =
        Export.staying(
            name(domain, port), source, hosts, UsbOpenOptions.User.deviceName(domain, port));
    try {
      server().addStaying(export);
    } catch (ExportException e) {
      throw new DeviceException(e.getMessage(), e);
    }
    return server().usbSource(export.name());
  }

  /**
   * By which source this host opens what a port has: of one that has stayed here that is the device
   * itself. Asks the name service, and nobody else.
   *
   * @param source what the port has elsewhere
   * @return {@code source} itself where it is nothing that has stayed here
   */
  public String here(UUID domain, String port, String source) throws DeviceException {
    Optional<ExportPlace> found =
        ExportPlace.of(devices, source).filter(place -> place.export().equals(name(domain, port)));
    if (found.isEmpty() || !server().isHere(found.get().server())) {
      return source;
    }
    return server()
        .find(found.get().export())
        .filter(export -> export.owner().isPresent())
        .map(export -> found.get().to(export.source()))
        .orElse(source);
  }

  /**
   * The guest has its device here again, or not at all any more: whoever else has it is refused
   * from now on, and no migration ends with that. Called where a migration away was aborted, before
   * the port goes on, or after; where the guest has come home, when that is certain (COMMIT); where
   * the port is detached. Idempotent, and nothing where there is no such export.
   *
   * @throws DeviceException when that cannot be stored; a restart may find the export again, which
   *     {@link #tidy} ends
   */
  public void takeBack(UUID domain, String port) throws DeviceException {
    try {
      server().endStaying(name(domain, port));
    } catch (ExportException e) {
      throw new DeviceException(e.getMessage(), e);
    }
  }

  /**
   * Ends exports that nobody needs: those of guests that have ended elsewhere, and what a daemon
   * that was killed has left. To be called now and then, a minute or more apart, on one thread: in
   * between a guest may be on its way from one host to the next.
   *
   * @param needed whether a migration of this domain, from here or to here, is not over yet
   */
  public void tidy(Predicate<UUID> needed) {
    Set<String> nowUnused = new HashSet<>();
    try {
      for (ExportStatus status : server().staying()) {
        String name = status.export().name();
        if (!status.answers() || !status.clients().isEmpty() || needed.test(domain(name))) {
          continue;
        }
        if (unused.contains(name)) {
          server().endStaying(name);
          log.info("export {}: its guest has not come for it, so it has ended", name);
        } else {
          nowUnused.add(name);
        }
      }
    } catch (DeviceException | ExportException e) {
      log.warn("exports of USB devices whose guests have left: {}", e.getMessage());
    }
    unused = nowUnused;
  }

  private HostExports server() throws DeviceException {
    try {
      return server.get();
    } catch (IOException e) {
      throw new DeviceException("the device server of this host: " + e.getMessage(), e);
    }
  }

  private static String name(UUID domain, String port) {
    return domain + "-" + port;
  }

  private static UUID domain(String name) {
    return UUID.fromString(name.substring(0, name.lastIndexOf('-')));
  }
}

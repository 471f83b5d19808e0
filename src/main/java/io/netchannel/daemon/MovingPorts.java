package io.netchannel.daemon;

import com.google.common.collect.ImmutableSet;
import com.google.common.util.concurrent.MoreExecutors;
import com.google.protobuf.ByteString;
import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.LocalDevices.GuestDevice;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.Migrations;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.midpoint.usb.UsbManifest;
import io.netchannel.xen.XenStore;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * USB ports that leave this host and come to it. What is plugged stays where it is: where that is
 * this host the guest has it as an export of ours from then on ({@link StayingUsb}).
 *
 * <p>What is done to these exports is done in the order in which it is asked for: one that is made
 * for a migration is not ended by the end of the one before.
 */
final class MovingPorts extends MovingDevices<UsbDevice, UsbManifest, ServedPort, PortDetails> {
  private static final Logger log = LoggerFactory.getLogger(MovingPorts.class);

  /** Longer than any guest is on its way from one host to the next. */
  private static final Duration TIDY_PERIOD = Duration.ofMinutes(5);

  private final UsbPorts ports;
  private final StayingUsb staying;
  private final ImmutableSet<String> hosts;
  private final Executor inOrder;

  /** What is open here again and has not been made reachable since; {@link #inOrder}. */
  private final Set<DeviceKey> home = new HashSet<>();

  /**
   * For one host.
   *
   * @param hosts that guests may go to, as their certificates name them
   * @param executor for what waits for the exports
   */
  MovingPorts(
      XenStore store,
      UsbPorts ports,
      StayingUsb staying,
      ImmutableSet<String> hosts,
      Executor executor) {
    super(store, ports);
    this.ports = ports;
    this.staying = staying;
    this.hosts = hosts;
    inOrder = MoreExecutors.newSequentialExecutor(executor);
  }

  /** Why a guest cannot leave because of a port of it, and what to do; empty when it can. */
  Optional<String> obstacle(UUID domain) {
    return ports.ofDomain(domain).stream().flatMap(port -> port.obstacle().stream()).findFirst();
  }

  @Override
  GuestDevice describe(ServedPort port) {
    PortDetails details = port.details();
    return GuestDevice.usbPort(
        details.guest().uuid(),
        details.target(),
        details.source().orElse(""),
        details.generation());
  }

  /** As {@link io.netchannel.coordinator.LocalDevices#reachable}. */
  String reachable(GuestDevice port) throws MigrationRefusedException {
    CompletableFuture<String> source =
        CompletableFuture.supplyAsync(
            () -> {
              home.remove(key(port));
              try {
                return staying.exportFor(port.domain(), port.target(), port.source(), hosts);
              } catch (DeviceException e) {
                throw new CompletionException(e);
              }
            },
            inOrder);
    try {
      return source.join();
    } catch (CompletionException e) {
      throw new MigrationRefusedException(
          "what is plugged there stays on this host, and no other one reaches it: "
              + e.getCause().getMessage(),
          e);
    }
  }

  /** As {@link io.netchannel.coordinator.LocalDevices#keeps}. */
  void keeps(UUID domain) {
    stays(domain, key -> true);
  }

  /** Its guest is here for good; it may be about to leave already, which needs its exports. */
  void cameHome(UUID domain) {
    stays(domain, home::contains);
  }

  /** Ends the exports of some of its ports. */
  private void stays(UUID domain, Predicate<DeviceKey> ended) {
    ports.ofDomain(domain).forEach(ServedPort::stays);
    try {
      ports
          .ofDomain(domain)
          .forEach(
              port ->
                  inOrder.execute(
                      () -> {
                        DeviceKey key = new DeviceKey(domain, port.target());
                        if (ended.test(key)) {
                          home.remove(key);
                          takeBack(domain, port.target());
                        }
                      }));
    } catch (RejectedExecutionException e) {
      log.debug("{}: its exports are left for the next daemon", domain);
    }
  }

  private void takeBack(UUID domain, String target) {
    try {
      staying.takeBack(domain, target);
    } catch (DeviceException e) {
      log.warn("{} of {}: its export is ended later: {}", target, domain, e.getMessage());
    }
  }

  /**
   * Now and then ends the exports of guests that have ended elsewhere.
   *
   * @param migrations of this host
   */
  void tidyLater(Timer timer, Migrations migrations) {
    timer.after(
        TIDY_PERIOD,
        () ->
            inOrder.execute(
                () -> {
                  try {
                    staying.tidy(domain -> migrations.active(domain).isPresent());
                  } finally {
                    tidyLater(timer, migrations);
                  }
                }));
  }

  /** What a URB has moved went to the guest, or is lost: none travels. */
  @Override
  long manifestDataBytes() {
    return 0;
  }

  /** Whether it replugs its domain's XML says, which names it. */
  @Override
  PortDetails expecting(Guest guest, GuestDevice coming) {
    return PortDetails.expecting(guest, PortDetails.port(coming.target()), false);
  }

  @Override
  UsbManifest decode(ServedPort port, ByteString manifest) {
    return UsbManifest.decodeVerified(manifest.asReadOnlyByteBuffer());
  }

  /** It has a few hundred bytes: nobody keeps it. */
  @Override
  void forgetManifest(ServedPort port) {}

  /** A guest that is back where its device has stayed has the device itself again. */
  @Override
  UsbDevice open(ServedPort port, GuestDevice coming, boolean isCopy, UsbManifest manifest)
      throws DeviceException {
    String source = staying.here(coming.domain(), coming.target(), coming.source());
    if (!source.equals(coming.source())) {
      inOrder.execute(() -> home.add(key(coming)));
    }
    return ports.open(
        port, source, coming.generation(), () -> ports.openFor(port, source, coming.generation()));
  }

  @Override
  void arrived(ServedPort port, GuestDevice coming, boolean isCopy) {}

  @Override
  CompletableFuture<Void> probe(GuestDevice coming) {
    return ports.look(
        () -> {
          String source = staying.here(coming.domain(), coming.target(), coming.source());
          var unused = ports.probe(source).join();
          return null;
        });
  }

  private static DeviceKey key(GuestDevice port) {
    return new DeviceKey(port.domain(), port.target());
  }
}

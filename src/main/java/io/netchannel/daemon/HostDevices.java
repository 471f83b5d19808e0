package io.netchannel.daemon;

import com.google.protobuf.ByteString;
import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.xen.Domains;
import io.netchannel.xen.XenStore;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * What the coordinator asks of this host: of our devices the mid-points, of all other disks the
 * rings, of the domains the hypervisor.
 */
final class HostDevices implements LocalDevices {
  private final XenStore store;
  private final Domains domains;
  private final MovingDisks disks;
  private final MovingPorts ports;
  private final GuestDevices guests;
  private final StockDisks stockDisks;
  private final SuspendWatch suspends;
  private final Predicate<UUID> arriving;
  private final Consumer<UUID> stays;
  private final Function<DeviceKey, Copy> copies;

  /**
   * @param arriving whether a domain is being made here and does not run yet
   * @param stays told of each that is here for good
   * @param copies what a disk is being copied to
   */
  HostDevices(
      XenStore store,
      Domains domains,
      MovingDisks disks,
      MovingPorts ports,
      GuestDevices guests,
      StockDisks stockDisks,
      SuspendWatch suspends,
      Predicate<UUID> arriving,
      Consumer<UUID> stays,
      Function<DeviceKey, Copy> copies) {
    this.store = store;
    this.domains = domains;
    this.disks = disks;
    this.ports = ports;
    this.guests = guests;
    this.stockDisks = stockDisks;
    this.suspends = suspends;
    this.arriving = arriving;
    this.stays = stays;
    this.copies = copies;
  }

  // ---- domains

  /**
   * A domain with stock disks only is not known before it is asked for. One that is restored here
   * has its disks at its source still, and one that stands suspended has them at its destination.
   */
  @Override
  public List<UUID> domainsNamed(String name) {
    Stream<UUID> ours =
        guests.all().stream()
            .filter(device -> device.guest().name().equals(name) && MovingDevices.isHere(device))
            .map(device -> device.guest().uuid());
    Stream<UUID> stock =
        Guest.all(store).stream()
            .filter(guest -> guest.name().equals(name) && runs(guest))
            .filter(guest -> !stockDisks.of(guest).isEmpty())
            .map(Guest::uuid);
    return Stream.concat(ours, stock).distinct().toList();
  }

  private Stream<ServedDevice<?, ?, ?>> ofDomain(UUID domain) {
    return guests.all().stream().filter(device -> device.guest().uuid().equals(domain));
  }

  private boolean runs(Guest guest) {
    return !arriving.test(guest.uuid())
        && switch (domains.state(guest.domid())) {
          case RUNNING, UNKNOWN -> true;
          case SUSPENDED, ENDED -> false;
        };
  }

  @Override
  public boolean domainExists(UUID domain) {
    return Guest.byUuid(store, domain).isPresent();
  }

  @Override
  public void stays(UUID domain) {
    stays.accept(domain);
  }

  /** A frontend of a restored domain connects when the guest runs, and not before. */
  @Override
  public boolean guestHasRun(UUID domain) {
    return ofDomain(domain)
            .map(ServedDevice::status)
            .anyMatch(
                status -> status.frontend() == VirtualDevice.State.CONNECTED || status.taken() > 0)
        || Guest.byUuid(store, domain).map(stockDisks::hasConnected).orElse(false);
  }

  @Override
  public CompletableFuture<Void> whenSuspended(UUID domain) {
    Optional<Guest> guest = Guest.byUuid(store, domain);
    if (guest.isEmpty()) {
      CompletableFuture<Void> gone = new CompletableFuture<>();
      gone.cancel(false);
      return gone;
    }
    return suspends.whenSuspended(guest.get().domid());
  }

  @Override
  public Optional<Boolean> isSuspended(UUID domain) {
    return alive(domain)
        .flatMap(
            guest ->
                switch (domains.state(guest.domid())) {
                  case SUSPENDED -> Optional.of(true);
                  case RUNNING -> Optional.of(false);
                  case ENDED, UNKNOWN -> Optional.empty();
                });
  }

  /**
   * A domain with devices of ours is found without a look at every domain in xenstore: its guest
   * stands still meanwhile.
   */
  private Optional<Guest> alive(UUID domain) {
    return ofDomain(domain)
        .map(ServedDevice::guest)
        .filter(
            guest ->
                switch (domains.state(guest.domid())) {
                  case RUNNING, SUSPENDED -> true;
                  case ENDED, UNKNOWN -> false;
                })
        .findAny()
        .or(() -> Guest.byUuid(store, domain));
  }

  // ---- stock disks

  @Override
  public List<StockDisk> stockDisksOf(UUID domain) {
    return Guest.byUuid(store, domain).map(stockDisks::of).orElse(List.of());
  }

  @Override
  public CompletableFuture<List<Drained>> drain(UUID domain, Duration bound) {
    return alive(domain)
        .map(guest -> stockDisks.drain(guest, bound))
        .orElseGet(
            () ->
                CompletableFuture.failedFuture(
                    new IllegalStateException("domain " + domain + " has gone")));
  }

  // ---- devices of ours

  @Override
  public Optional<String> obstacle(UUID domain) {
    return ports.obstacle(domain).map(why -> " cannot migrate: " + why);
  }

  @Override
  public List<GuestDevice> devicesOf(UUID domain) {
    return kinds()
        .flatMap(kind -> kind.of(domain).stream())
        .sorted(Comparator.comparing(GuestDevice::target))
        .toList();
  }

  private Stream<MovingDevices<?, ?, ?, ?>> kinds() {
    return Stream.of(disks, ports);
  }

  private MovingDevices<?, ?, ?, ?> of(Kind kind) {
    return switch (kind) {
      case DISK -> disks;
      case USB_PORT -> ports;
    };
  }

  @Override
  public String reachable(GuestDevice device) throws MigrationRefusedException {
    return switch (device.kind()) {
      case DISK -> device.source();
      case USB_PORT -> ports.reachable(device);
    };
  }

  @Override
  public void keeps(UUID domain) {
    ports.keeps(domain);
  }

  /** As {@link MovingPorts#cameHome}. */
  void cameHome(UUID domain) {
    ports.cameHome(domain);
  }

  @Override
  public CompletableFuture<Void> probe(GuestDevice device) {
    return of(device.kind()).probe(device);
  }

  @Override
  public ManifestRoom manifestRoom(List<GuestDevice> devices) {
    return disks.manifestRoom(
        devices.stream().mapToLong(device -> of(device.kind()).manifestDataBytes()).sum());
  }

  private Optional<MovingDevice> find(UUID domain, String target) {
    return kinds().flatMap(kind -> kind.find(domain, target).stream()).findFirst();
  }

  @Override
  public CompletableFuture<Sealed> seal(
      UUID domain, String target, Duration bound, long dataBytes, Consumer<Sealed> known) {
    return find(domain, target)
        .map(device -> device.seal(bound, dataBytes, known))
        .orElseGet(() -> CompletableFuture.failedFuture(missing(domain, target)));
  }

  @Override
  public Copy copyOf(UUID domain, String target) {
    return copies.apply(new DeviceKey(domain, target));
  }

  @Override
  public CompletableFuture<Void> unseal(UUID domain, String target, long generation) {
    try {
      return find(domain, target).orElseThrow(() -> missing(domain, target)).unseal(generation);
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  /** A device that is still being opened for it finds its mid-point RETIRED, and is closed. */
  @Override
  public CompletableFuture<Void> retire(UUID domain, String target) {
    return find(domain, target)
        .map(MovingDevice::retire)
        .orElseGet(() -> CompletableFuture.completedFuture(null));
  }

  @Override
  public CompletableFuture<Void> stage(UUID domain, String target, ByteString manifest) {
    try {
      return find(domain, target)
          .map(device -> device.stage(manifest))
          .orElseGet(() -> CompletableFuture.completedFuture(null));
    } catch (IllegalArgumentException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  @Override
  public CompletableFuture<Void> takeOver(
      int domid, GuestDevice device, boolean isCopy, ByteString manifest) {
    try {
      return of(device.kind()).takeOver(domid, device, isCopy, manifest);
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  private static IllegalStateException missing(UUID domain, String target) {
    return new IllegalStateException(
        "domain %s has no Netchannel device %s here".formatted(domain, target));
  }
}

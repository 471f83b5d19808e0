package io.netchannel.daemon;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.netchannel.coordinator.DiskKey;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.midpoint.Manifest;
import io.netchannel.midpoint.block.BlockManifest;
import io.netchannel.midpoint.block.BlockMidPoint;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.xen.Domains;
import io.netchannel.xen.XenStore;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the coordinator asks of this host: of our disks the mid-points, of all others the rings, of
 * the domains the hypervisor.
 */
final class HostDevices implements LocalDevices {
  private static final Logger log = LoggerFactory.getLogger(HostDevices.class);

  /** What follows a domain's name. */
  static final String USB_STAYS =
      " has USB devices, which do not migrate yet: detach-usb them first";

  private final XenStore store;
  private final Domains domains;
  private final MidPoints midPoints;
  private final UsbPorts ports;
  private final StockDisks stockDisks;
  private final SuspendWatch suspends;
  private final Predicate<UUID> arriving;
  private final Consumer<UUID> stays;
  private final Function<DiskKey, Copy> copies;

  /**
   * @param arriving whether a domain is being made here and does not run yet
   * @param stays told of each that is here for good
   * @param copies what a disk is being copied to
   */
  HostDevices(
      XenStore store,
      Domains domains,
      MidPoints midPoints,
      UsbPorts ports,
      StockDisks stockDisks,
      SuspendWatch suspends,
      Predicate<UUID> arriving,
      Consumer<UUID> stays,
      Function<DiskKey, Copy> copies) {
    this.store = store;
    this.domains = domains;
    this.midPoints = midPoints;
    this.ports = ports;
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
        midPoints.all().stream()
            .filter(disk -> disk.guest().name().equals(name) && isOurs(disk))
            .map(disk -> disk.guest().uuid());
    Stream<UUID> stock =
        Guest.all(store).stream()
            .filter(guest -> guest.name().equals(name) && runs(guest))
            .filter(guest -> !stockDisks.of(guest).isEmpty())
            .map(Guest::uuid);
    Stream<UUID> usb =
        ports.all().stream()
            .filter(port -> port.guest().name().equals(name) && !port.isEnding())
            .map(port -> port.guest().uuid());
    return Stream.of(ours, stock, usb).flatMap(all -> all).distinct().toList();
  }

  @Override
  public Optional<String> obstacle(UUID domain) {
    return ports.ofDomain(domain).stream().allMatch(ServedPort::isEnding)
        ? Optional.empty()
        : Optional.of(USB_STAYS);
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
    return midPoints.ofDomain(domain).stream()
            .map(ServedDisk::status)
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
   * A domain with disks of ours is found without a look at every domain in xenstore: its guest
   * stands still meanwhile.
   */
  private Optional<Guest> alive(UUID domain) {
    return midPoints.ofDomain(domain).stream()
        .map(ServedDisk::guest)
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

  // ---- disks of ours

  @Override
  public List<Disk> disksOf(UUID domain) {
    return midPoints.ofDomain(domain).stream()
        .filter(HostDevices::isOurs)
        .map(HostDevices::describe)
        .toList();
  }

  @Override
  public CompletableFuture<Void> probe(Disk disk) {
    return midPoints
        .probe(disk.source(), disk.readOnly())
        .thenCompose(
            geometry -> {
              try {
                check(disk, geometry.sizeBytes());
                return CompletableFuture.completedFuture(null);
              } catch (DeviceException e) {
                return CompletableFuture.failedFuture(e);
              }
            });
  }

  @Override
  public ManifestRoom manifestRoom(int disks) {
    return midPoints.manifestRoom(disks);
  }

  @Override
  public CompletableFuture<Sealed> seal(
      UUID domain, String target, Duration bound, long dataBytes, Consumer<Sealed> known) {
    Optional<ServedDisk> found = midPoints.find(domain, target);
    if (found.isEmpty()) {
      return CompletableFuture.failedFuture(missing(domain, target));
    }
    ServedDisk disk = found.get();
    if (disk.noDevice().isPresent()) {
      return CompletableFuture.failedFuture(
          new IllegalStateException("%s has no device: %s".formatted(disk, disk.noDevice().get())));
    }
    CompletableFuture<Sealed> early = new CompletableFuture<>();
    return disk.midPoint()
        .seal(
            bound,
            dataBytes,
            manifest -> {
              Sealed sealed = sealed(disk, manifest);
              early.complete(sealed);
              known.accept(sealed);
            })
        .thenApply(manifest -> early.isDone() ? early.join() : sealed(disk, manifest));
  }

  @Override
  public Copy copyOf(UUID domain, String target) {
    return copies.apply(new DiskKey(domain, target));
  }

  @Override
  public CompletableFuture<Void> unseal(UUID domain, String target, long generation) {
    try {
      ServedDisk disk = midPoints.find(domain, target).orElseThrow(() -> missing(domain, target));
      synchronized (disk) {
        disk.usesGeneration(generation);
        return disk.midPoint()
            .unseal(generation)
            .thenRun(() -> log.info("{}: goes on, generation {}", disk, generation));
      }
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  /** A device that is still being opened for it finds its mid-point RETIRED, and is closed. */
  @Override
  public CompletableFuture<Void> retire(UUID domain, String target) {
    return midPoints
        .find(domain, target)
        .map(
            disk -> {
              disk.forgetManifest();
              return disk.retire();
            })
        .orElseGet(() -> CompletableFuture.completedFuture(null));
  }

  @Override
  public CompletableFuture<Void> stage(UUID domain, String target, ByteString manifest) {
    Optional<ServedDisk> found = midPoints.find(domain, target);
    if (found.isEmpty()) {
      return CompletableFuture.completedFuture(null);
    }
    try {
      ServedDisk disk = found.get();
      return disk.midPoint().stage(disk.decode(manifest));
    } catch (IllegalArgumentException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  @Override
  public CompletableFuture<Void> takeOver(
      int domid, Disk disk, boolean isCopy, ByteString manifest) {
    ServedDisk served;
    try {
      // Before it returns: a retire that follows finds it.
      served = midPoints.find(domid, disk.target()).orElseGet(() -> publishLate(domid, disk));
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(e);
    }
    return midPoints.withStorage(() -> openAndTakeOver(served, disk, isCopy, manifest));
  }

  private CompletableFuture<Void> openAndTakeOver(
      ServedDisk served, Disk disk, boolean isCopy, ByteString manifest) throws DeviceException {
    BlockManifest decoded = served.decode(manifest);
    midPoints.arrives(served);
    // A manifest that says nothing of it comes from who has waited for all and flushed it.
    Inheritance left = decoded.inheritance().orElse(Inheritance.ENDED);
    DiskDetails details = served.details();
    OpenOptions options =
        isCopy
            ? details.copyOptions(disk.generation())
            : details.openOptions(disk.generation(), Optional.of(left));
    Device device = midPoints.open(served, disk.source(), disk.generation(), options);
    BlockMidPoint midPoint;
    try {
      check(disk, device.geometry().sizeBytes());
      midPoint = served.midPoint();
    } catch (DeviceException | RuntimeException e) {
      device.close();
      throw e;
    }
    return midPoint
        .takeOver(device, disk.generation(), decoded)
        .thenRun(
            () -> {
              served.forgetManifest();
              if (!isCopy) { // else the end of the migration tells where it is
                midPoints.arrived(served, disk.source());
              }
              log.debug(
                  "{}: taken over with {} pending, generation {}",
                  served,
                  decoded.pending(),
                  disk.generation());
            });
  }

  /** A disk that the domain's XML does not name here: it was hot-plugged at the source. */
  private ServedDisk publishLate(int domid, Disk disk) {
    Guest guest =
        Guest.byId(store, domid)
            .orElseThrow(() -> new IllegalStateException("domid " + domid + " has gone"));
    return midPoints.publish(guest, disk.target(), disk.readOnly());
  }

  /** Whether its guest has it here, also while its device cannot be opened after a restart. */
  private static boolean isOurs(ServedDisk disk) {
    if (disk.noDevice().isPresent()) {
      return true;
    }
    return switch (disk.status().state()) {
      case SERVING, SEALING, SEALED -> true;
      case EXPECTING, RETIRED -> false;
    };
  }

  private static Disk describe(ServedDisk disk) {
    DiskDetails details = disk.details();
    return new Disk(
        details.guest().uuid(),
        details.target(),
        details.source().orElse(""),
        details.readOnly(),
        disk.sizeBytes(),
        details.generation());
  }

  private static Sealed sealed(ServedDisk disk, BlockManifest manifest) {
    Manifest.Encoded encoded = manifest.encoded();
    return new Sealed(
        describe(disk),
        UnsafeByteOperations.unsafeWrap(encoded.bytes()), // nobody else has them
        encoded.crc32c(),
        manifest.pending(),
        manifest.incomplete());
  }

  private static void check(Disk disk, long sizeBytes) throws DeviceException {
    if (disk.sizeBytes() == 0) {
      throw new DeviceException(
          "disk %s: its source host cannot open %s at present; see `netchannel devices` there"
              .formatted(disk.target(), disk.source()));
    }
    // A larger one has grown since the source opened it: its guest asks for nothing behind the end.
    if (sizeBytes < disk.sizeBytes()) {
      throw new DeviceException(
          "disk %s: %s is smaller: %d bytes here, %d at the source"
              .formatted(disk.target(), disk.source(), sizeBytes, disk.sizeBytes()));
    }
  }

  private static IllegalStateException missing(UUID domain, String target) {
    return new IllegalStateException(
        "domain %s has no Netchannel disk %s here".formatted(domain, target));
  }
}

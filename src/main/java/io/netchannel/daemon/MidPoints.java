package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.netchannel.coordinator.JournalException;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Devices;
import io.netchannel.device.Inheritance;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.vdevice.block.VbdAddress;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The mid-points of this host. A disk is in here from the publication of its nodes until they are
 * removed; one that was retired stays until its domain goes. What the coordinator asks of them is
 * in {@link HostDevices}.
 */
public final class MidPoints implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(MidPoints.class);

  /** Names the generation that a disk starts with here; durable when it returns. */
  @FunctionalInterface
  public interface GenerationClaim {
    /**
     * Names the next one.
     *
     * @param known newest generation that the device knows of; the new one is higher
     */
    long claim(UUID domain, String target, long known) throws JournalException;
  }

  private record Key(int domid, String target) {}

  private final ServedDisk.Environment environment;
  private final Devices devices;
  private final StorageThreads storage = new StorageThreads();
  private final ConcurrentHashMap<Key, ServedDisk> disks = new ConcurrentHashMap<>();
  private final ExecutorService cleaner =
      Executors.newSingleThreadExecutor(
          new ThreadFactoryBuilder().setNameFormat("disk-cleaner").setDaemon(true).build());

  MidPoints(ServedDisk.Environment environment, Devices devices) {
    this.environment = environment;
    this.devices = devices;
  }

  /**
   * Publishes the nodes of a new disk; it expects its device.
   *
   * @throws IllegalStateException when the domain has gone
   */
  ServedDisk publish(Guest guest, String target, boolean readOnly) {
    DiskDetails details = DiskDetails.expecting(guest, target, readOnly);
    return adopt(details, () -> publishNodes(details));
  }

  /** As {@link #publish} for nodes that are there already: those of an inherited disk. */
  ServedDisk adopt(DiskDetails details) {
    return adopt(details, () -> {});
  }

  /** Within the map's lock of that disk: an earlier disk of that name is wholly gone before. */
  private ServedDisk adopt(DiskDetails details, Runnable publish) {
    return disks.computeIfAbsent(
        new Key(details.guest().domid(), details.target()),
        absent -> {
          publish.run();
          return start(() -> ServedDisk.fresh(environment, details));
        });
  }

  private void publishNodes(DiskDetails details) {
    VbdNodes.Outcome outcome =
        VbdNodes.publish(
            environment.store(), details.address(), details.nodes(), VbdLimits.DEFAULT);
    switch (outcome) {
      case PUBLISHED, ALREADY -> log.info("{}: nodes published", details);
      case NO_DOMAIN, NO_FRONTEND, TAKEN, TOO_LATE ->
          throw new IllegalStateException(
              "%s: its nodes cannot be published: %s".formatted(details, outcome));
    }
  }

  /**
   * Opens a device and serves a disk from it: plain start, restore, hot plug. Does not wait for the
   * storage; a device that comes when its disk has ended is closed.
   */
  CompletableFuture<Void> serve(ServedDisk disk, String source, GenerationClaim generations) {
    if (disk.midPoint().status().state() != MidPoint.State.EXPECTING) {
      return CompletableFuture.completedFuture(null); // a daemon before us had begun
    }
    return storage.begin(() -> openAndServe(disk, source, generations));
  }

  private CompletableFuture<Void> openAndServe(
      ServedDisk disk, String source, GenerationClaim generations)
      throws DeviceException, JournalException {
    DiskDetails details = disk.details();
    long known = devices.newestGeneration(source, details.userName(), details.readOnly());
    long generation = generations.claim(disk.guest().uuid(), disk.target(), known);
    Device device = open(disk, source, generation, Optional.empty());
    return disk.midPoint()
        .serve(device, generation)
        .thenRun(() -> log.info("{}: served from {}, generation {}", disk, source, generation));
  }

  /** What a device here looks like; the future is there at once, the storage may take its time. */
  CompletableFuture<DeviceGeometry> probe(String source, boolean readOnly) {
    return storage.run(() -> devices.probe(source, readOnly));
  }

  /** Work that storage may keep waiting, on a thread that may wait. */
  <T> CompletableFuture<T> withStorage(Callable<CompletableFuture<T>> work) {
    return storage.begin(work);
  }

  /**
   * Serves again what a daemon before us served, and removes what it has left of domains that have
   * gone. Called once, before anything else. Returns when each disk was tried: all at a time, so
   * that the guests of one do not wait for the server of another that is away.
   *
   * @param executor also gives disks free that nobody needs, and is not waited for with that
   */
  void recover(DiskRecovery recovery, Executor executor) {
    List<CompletableFuture<Void>> tried = new ArrayList<>();
    for (VbdAddress address : VbdNodes.list(environment.store(), DiskDetails.BACKEND_DOMID)) {
      tried.add(CompletableFuture.runAsync(() -> recover(address, recovery, executor), executor));
    }
    CompletableFuture.allOf(tried.toArray(CompletableFuture[]::new)).join();
  }

  private void recover(VbdAddress address, DiskRecovery recovery, Executor executor) {
    try {
      Optional<DiskDetails> details =
          DiskDetails.parse(address, VbdNodes.details(environment.store(), address));
      if (details.isPresent() && isAlive(details.get())) {
        recovery.recover(again(details.get()));
      } else {
        log.info("domid {} vbd {}: stale nodes removed", address.domid(), address.devid());
        ServedDisk.removeLeftovers(environment, address);
        details.ifPresent(gone -> executor.execute(() -> giveFree(gone)));
      }
    } catch (IOException | RuntimeException e) {
      log.error(
          "domid {} vbd {}: cannot be served again: {}",
          address.domid(),
          address.devid(),
          e.getMessage(),
          e);
    }
  }

  /**
   * Of a domain that went while no daemon ran: a server that has kept the place of its disk ({@link
   * Device#keepPlace}) would keep it from all others. Not when somebody newer has it.
   */
  private void giveFree(DiskDetails gone) {
    try {
      String source = gone.source().orElse("");
      if (!source.isEmpty()
          && devices.newestGeneration(source, gone.userName(), gone.readOnly())
              == gone.generation()) {
        devices.open(source, gone.openOptions(gone.generation(), Optional.empty())).close();
        log.info("{}: given free", gone);
      }
    } catch (DeviceException | RuntimeException e) {
      log.warn("{}: its server keeps it for its guest, which has gone: {}", gone, e.getMessage());
    }
  }

  /** Disks of a domain, of every life of it that is still in xenstore, in order of target. */
  List<ServedDisk> ofDomain(UUID domain) {
    return sorted(disks.values().stream().filter(disk -> disk.guest().uuid().equals(domain)));
  }

  List<ServedDisk> all() {
    return sorted(disks.values().stream());
  }

  Optional<ServedDisk> find(int domid, String target) {
    return Optional.ofNullable(disks.get(new Key(domid, target)));
  }

  /** A disk of a domain; of its youngest life, when there are several. */
  Optional<ServedDisk> find(UUID domain, String target) {
    return ofDomain(domain).stream()
        .filter(disk -> disk.target().equals(target))
        .max(Comparator.comparingInt(disk -> disk.guest().domid()));
  }

  /**
   * Opens a device for a disk that expects one, and notes that in its nodes. Waits for the storage.
   *
   * @param inheritance what the generation before has left at the device
   * @throws DeviceException also when the disk was given up, or ended, before the device was open:
   *     that is closed, and was not used
   */
  Device open(ServedDisk disk, String source, long generation, Optional<Inheritance> inheritance)
      throws DeviceException {
    Device device = devices.open(source, disk.details().openOptions(generation, inheritance));
    try {
      if (!disk.isExpecting()) {
        throw new DeviceException(
            "%s: %s was opened too late: the disk does not wait for it any more"
                .formatted(disk, source));
      }
      disk.uses(device, source, generation);
      return device;
    } catch (DeviceException | RuntimeException e) {
      log.warn("{}: {} is closed unused: {}", disk, source, e.getMessage());
      device.close();
      throw e;
    }
  }

  /** Who a domid with disks of ours is, or was. */
  Optional<Guest> guestOf(int domid) {
    return disks.values().stream()
        .map(ServedDisk::guest)
        .filter(guest -> guest.domid() == domid)
        .findAny();
  }

  boolean isServing(int domid, String target) {
    return find(domid, target)
        .map(disk -> disk.midPoint().status().state() == MidPoint.State.SERVING)
        .orElse(false);
  }

  /** Ends all disks of a domain that has gone and removes their nodes. Idempotent. */
  void endDomain(int domid) {
    disks.values().stream().filter(disk -> disk.guest().domid() == domid).forEach(this::remove);
  }

  /** Ends one disk and removes its nodes. Idempotent. */
  void remove(ServedDisk disk) {
    disks.computeIfPresent(
        new Key(disk.guest().domid(), disk.target()),
        (key, found) -> {
          if (found != disk) {
            return found;
          }
          disk.end(true);
          log.info("{}: ended", disk);
          return null;
        });
  }

  /** Ends all threads and leaves nodes, rings and tables for the daemon after us. */
  @Override
  public void close() {
    cleaner.shutdownNow();
    storage.close();
    disks.values().forEach(disk -> disk.end(false));
    disks.clear();
  }

  private ServedDisk again(DiskDetails details) {
    ServedDisk disk = start(() -> ServedDisk.again(environment, details));
    disks.put(new Key(details.guest().domid(), details.target()), disk);
    return disk;
  }

  /** Whether the domain of these nodes still runs, and still has this disk. */
  private boolean isAlive(DiskDetails details) {
    return Guest.byId(environment.store(), details.guest().domid())
            .filter(guest -> guest.uuid().equals(details.guest().uuid()))
            .isPresent()
        && environment
            .store()
            .read(details.address().frontendPath() + "/backend")
            .equals(Optional.of(details.address().backendPath()));
  }

  private interface Starter {
    ServedDisk start() throws IOException;
  }

  private ServedDisk start(Starter starter) {
    ServedDisk disk;
    try {
      disk = starter.start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    CompletableFuture<Void> unused =
        disk.midPoint()
            .retired()
            .whenComplete(
                (done, closedBefore) -> {
                  if (closedBefore == null) {
                    removeLater(disk);
                  }
                });
    return disk;
  }

  /** On the mid-point's own thread, which cannot wait for its own end. */
  private void removeLater(ServedDisk disk) {
    try {
      cleaner.execute(() -> remove(disk));
    } catch (RejectedExecutionException e) {
      log.debug("{}: left for the next daemon to clean up", disk);
    }
  }

  private static List<ServedDisk> sorted(Stream<ServedDisk> unsorted) {
    return unsorted
        .sorted(
            Comparator.comparingInt((ServedDisk disk) -> disk.guest().domid())
                .thenComparing(ServedDisk::target))
        .collect(ImmutableList.toImmutableList());
  }
}

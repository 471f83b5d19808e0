package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Devices;
import io.netchannel.device.OpenOptions;
import io.netchannel.midpoint.ManifestBudget;
import io.netchannel.midpoint.block.BlockLimits;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
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

  /** Knows where disks have gone. */
  interface Sources {
    /**
     * A disk is about to start from a source.
     *
     * @throws DeviceException when it must not, with why
     */
    void starts(DiskDetails disk, String source) throws DeviceException;

    /** A disk comes from another host. */
    void arrives(DiskDetails disk);

    /** It has come: the other host has said that this is its source. Waits for nothing. */
    void arrived(DiskDetails disk, String source);
  }

  private record Key(int domid, String target) {}

  /** Room on /run and threads come back within that, or not by themselves. */
  private static final Duration START_PAUSE = Duration.ofSeconds(1);

  private static final int MAX_STARTS = 3;

  /** Less than systemd waits for the daemon's end; what is there then ends as after a kill. */
  private static final Duration CLOSE_BOUND = Duration.ofSeconds(10);

  private final ServedDisk.Environment environment;
  private final Devices devices;
  private final StorageThreads storage = new StorageThreads();

  /** Until nothing is left of them. Nobody waits for anything within this map. */
  private final ConcurrentHashMap<Key, ServedDisk> disks = new ConcurrentHashMap<>();

  /** Disks that somebody publishes just now; of two who do, one waits for the other. */
  private final ConcurrentHashMap<Key, CompletableFuture<ServedDisk>> published =
      new ConcurrentHashMap<>();

  /** For ends and new starts; storage that hangs keeps one thread of it and nobody else. */
  private final ExecutorService ends = new PatientPool("disk-ends-%d");

  private volatile Optional<DiskRecovery> recovery = Optional.empty();

  private volatile Optional<Sources> sources = Optional.empty();

  MidPoints(ServedDisk.Environment environment, Devices devices) {
    this.environment = environment;
    this.devices = devices;
  }

  /** Asked of each disk that starts, or comes, from now on. */
  void checkSources(Sources known) {
    sources = Optional.of(known);
  }

  /** As {@link Sources#arrives}. */
  void arrives(ServedDisk disk) {
    sources.ifPresent(known -> known.arrives(disk.details()));
  }

  /** As {@link Sources#arrived}. */
  void arrived(ServedDisk disk, String source) {
    sources.ifPresent(known -> known.arrived(disk.details(), source));
  }

  /** As {@link LocalDevices#manifestRoom}: what that many disks may have pending, if it fits. */
  LocalDevices.ManifestRoom manifestRoom(int disks) {
    ManifestBudget manifests = environment.memory().manifests();
    long bytes = manifests.take(disks * BlockLimits.defaults().common().bufferBytes());
    AtomicBoolean open = new AtomicBoolean(true);
    return new LocalDevices.ManifestRoom() {
      @Override
      public long bytes() {
        return bytes;
      }

      @Override
      public void close() {
        if (open.getAndSet(false)) {
          manifests.giveBack(bytes);
        }
      }
    };
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

  /** An earlier disk of that name is wholly gone before; bounded, as its storage may hang. */
  private ServedDisk adopt(DiskDetails details, Runnable publish) {
    Key key = new Key(details.guest().domid(), details.target());
    CompletableFuture<ServedDisk> mine = new CompletableFuture<>();
    CompletableFuture<ServedDisk> others = published.putIfAbsent(key, mine);
    if (others != null) {
      return othersDisk(details, others);
    }
    try {
      ServedDisk earlier = disks.get(key);
      ServedDisk disk;
      if (earlier != null && !earlier.isEnding()) {
        disk = earlier;
      } else {
        if (earlier != null) {
          awaitEnd(earlier);
        }
        publish.run();
        disk = startFresh(details);
      }
      mine.complete(disk);
      return disk;
    } catch (RuntimeException | Error e) {
      mine.completeExceptionally(e);
      throw e;
    } finally {
      published.remove(key, mine);
    }
  }

  private static ServedDisk othersDisk(DiskDetails details, CompletableFuture<ServedDisk> others) {
    try {
      return others.get(ServedDisk.END_BOUND.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw new IllegalStateException(String.valueOf(e.getCause().getMessage()), e);
    } catch (TimeoutException e) {
      throw new IllegalStateException(details + " is being made for somebody else", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(details + ": interrupted", e);
    }
  }

  private static void awaitEnd(ServedDisk earlier) {
    if (!isGoneWithin(earlier, ServedDisk.END_BOUND)) {
      throw new IllegalStateException(
          "%s has not ended yet, as its storage does not answer: expected that within %d s; try again when it does"
              .formatted(earlier, ServedDisk.END_BOUND.toSeconds()));
    }
  }

  private ServedDisk startFresh(DiskDetails details) {
    ServedDisk disk = new ServedDisk(environment, details, this::forget);
    try {
      disk.forgetEarlier();
      keep(disk);
      start(disk);
      return disk;
    } catch (IOException | RuntimeException e) {
      if (Thread.currentThread().isInterrupted()) {
        var unused = disk.end(false, ends); // the daemon ends: its nodes are the next one's
      } else {
        remove(disk);
      }
      throw new IllegalStateException("%s: %s".formatted(disk, e.getMessage()), e);
    }
  }

  /** Until it has gone. */
  private void keep(ServedDisk disk) {
    disks.put(key(disk), disk);
  }

  private void forget(ServedDisk disk) {
    disks.remove(key(disk), disk);
    recovery.ifPresent(known -> known.servedAgain().gone(disk));
  }

  private static Key key(ServedDisk disk) {
    return new Key(disk.guest().domid(), disk.target());
  }

  private void publishNodes(DiskDetails details) {
    DeviceNodes.Outcome outcome =
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
    if (!disk.isExpecting()) {
      return CompletableFuture.completedFuture(null); // a daemon before us had begun
    }
    return storage.begin(() -> openAndServe(disk, source, generations));
  }

  private CompletableFuture<Void> openAndServe(
      ServedDisk disk, String source, GenerationClaim generations)
      throws DeviceException, JournalException {
    DiskDetails details = disk.details();
    if (sources.isPresent()) {
      sources.get().starts(details, source);
    }
    long known = devices.newestGeneration(source, details.userName(), details.readOnly());
    long generation = generations.claim(disk.guest().uuid(), disk.target(), known);
    Device device =
        open(disk, source, generation, details.openOptions(generation, Optional.empty()));
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
   * gone. Called once, before anything else: when it returns all disks are known, and nothing waits
   * for storage until then.
   *
   * @param executor a thread for each disk, so that the guests of one do not wait for the server of
   *     another that is away; also gives disks free that nobody needs
   * @return completes when each was tried once, which storage may keep waiting
   */
  CompletableFuture<Void> recover(DiskRecovery found, Executor executor) {
    recovery = Optional.of(found);
    List<CompletableFuture<Void>> tried = new ArrayList<>();
    Map<DeviceAddress, Optional<DiskDetails>> stale = new LinkedHashMap<>();
    for (DeviceAddress address :
        DeviceNodes.list(environment.store(), VbdNodes.TYPE, DiskDetails.BACKEND_DOMID)) {
      try {
        Optional<DiskDetails> details =
            DiskDetails.parse(address, DeviceNodes.details(environment.store(), address));
        if (details.isPresent() && isAlive(details.get())) {
          ServedDisk disk = new ServedDisk(environment, details.get(), this::forget);
          keep(disk);
          found.servedAgain().found(disk);
          tried.add(CompletableFuture.runAsync(() -> tryOnce(disk), executor));
        } else {
          stale.put(address, details);
        }
      } catch (RuntimeException e) {
        cannotBeServedAgain(address, e);
      }
    }
    found.servedAgain().allFound();
    stale.forEach((address, gone) -> removeStale(address, gone, executor));
    return CompletableFuture.allOf(tried.toArray(CompletableFuture[]::new));
  }

  private void tryOnce(ServedDisk disk) {
    try {
      again(disk, 0);
    } catch (RuntimeException | Error e) {
      // Of one disk only: the others' guests go on, and the next start would meet it again.
      disk.fail(
          "it cannot be served again (%s); restart netchanneld when that is mended"
              .formatted(e.getMessage()));
      cannotBeServedAgain(disk.address(), e);
    }
  }

  private void removeStale(
      DeviceAddress address, Optional<DiskDetails> details, Executor executor) {
    try {
      log.info("domid {} vbd {}: stale nodes removed", address.domid(), address.devid());
      ServedDisk.removeLeftovers(environment, address);
      details.ifPresent(gone -> executor.execute(() -> giveFree(gone)));
    } catch (IOException | RuntimeException e) {
      cannotBeServedAgain(address, e);
    }
  }

  private static void cannotBeServedAgain(DeviceAddress address, Throwable why) {
    log.error(
        "domid {} vbd {}: cannot be served again: {}",
        address.domid(),
        address.devid(),
        why.getMessage(),
        why);
  }

  /** Whether a guest waits for a disk here: it has no device yet, or that cannot be reached. */
  boolean guestWaits() {
    return disks.values().stream()
        .filter(disk -> disk.condition() != ServedDisk.Condition.FAILED) // nobody works on it
        .anyMatch(disk -> disk.isExpecting() || disk.problem().isPresent());
  }

  /** How far the disks of the daemon before us are; empty when there are none. */
  Optional<ServedAgain.Progress> servedAgain() {
    return recovery.flatMap(known -> known.servedAgain().progress());
  }

  /**
   * Of a domain that went while no daemon ran: a server that has kept the place of its disk ({@link
   * Device#keepPlace}) would keep it from all others. Not when somebody newer has it.
   */
  private void giveFree(DiskDetails gone) {
    try {
      String source = gone.source().orElse("");
      if (!source.isEmpty()) {
        devices.giveFree(source, gone.openOptions(gone.generation(), Optional.empty()));
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
   * @param options with that generation
   * @throws DeviceException also when the disk was given up, or ended, before the device was open:
   *     that is closed, and was not used
   */
  Device open(ServedDisk disk, String source, long generation, OpenOptions options)
      throws DeviceException {
    Device device = devices.open(source, options);
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
    return find(domid, target).map(ServedDisk::isServing).orElse(false);
  }

  /**
   * Ends all disks of a domain that has gone and removes their nodes: side by side, and not waited
   * for beyond a bound. Idempotent.
   */
  void endDomain(int domid) {
    List<ServedDisk> ending =
        disks.values().stream().filter(disk -> disk.guest().domid() == domid).toList();
    for (ServedDisk disk : ending) {
      var unused = disk.end(true, ends);
    }
    awaitEnds(ending, ServedDisk.END_BOUND);
  }

  /** Ends one disk and removes its nodes, likewise. Idempotent. */
  void remove(ServedDisk disk) {
    var unused = disk.end(true, ends);
    awaitEnds(List.of(disk), ServedDisk.END_BOUND);
  }

  private static void awaitEnds(List<ServedDisk> ending, Duration bound) {
    long deadline = System.nanoTime() + bound.toNanos();
    for (ServedDisk disk : ending) {
      if (isGoneWithin(disk, Duration.ofNanos(Math.max(0, deadline - System.nanoTime())))) {
        log.info("{}: ended", disk);
      } else {
        log.warn("{}: ends when its storage answers; nobody waits for it any more", disk);
      }
    }
  }

  private static boolean isGoneWithin(ServedDisk disk, Duration bound) {
    try {
      disk.gone().get(bound.toNanos(), TimeUnit.NANOSECONDS);
      return true;
    } catch (ExecutionException e) {
      throw new AssertionError("the end of a disk never fails", e);
    } catch (TimeoutException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Ends all threads and leaves nodes, rings and tables for the daemon after us. */
  @Override
  public void close() {
    List<ServedDisk> ending = List.copyOf(disks.values());
    for (ServedDisk disk : ending) {
      var unused = disk.end(false, ends);
    }
    awaitEnds(ending, CLOSE_BOUND);
    storage.close();
    ends.shutdownNow();
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

  private Optional<MidPointRun> start(ServedDisk disk) throws IOException {
    Optional<MidPointRun> started =
        disk.start(failure -> log.error("{}: RECOVERING: {}", disk, failure.toString()));
    started.ifPresent(
        run -> {
          var unusedRetired =
              run.midPoint()
                  .retired()
                  .whenComplete(
                      (done, closedBefore) -> {
                        if (closedBefore == null) {
                          removeLater(disk);
                        }
                      });
          var unusedEnded =
              run.ended()
                  .whenComplete(
                      (done, failure) -> {
                        if (failure != null) {
                          soon(disk, () -> again(disk, 0));
                        }
                      });
        });
    return started;
  }

  /**
   * Starts a mid-point for nodes and requests in flight that are there: after a restart, or in the
   * place of one that has ended by an error and has left its device.
   */
  private void again(ServedDisk disk, int failures) {
    if (disk.failsAgainAndAgain()) {
      fail(disk, "its mid-point has ended by an error %d times".formatted(disk.failures()));
      return;
    }
    try {
      if (start(disk).isEmpty()) {
        return;
      }
    } catch (IOException | RuntimeException | Error e) {
      notStarted(disk, failures + 1, e);
      return;
    }
    recovery.ifPresent(known -> known.recover(disk));
  }

  private void notStarted(ServedDisk disk, int failures, Throwable why) {
    String reason = "its mid-point cannot be started: " + why.getMessage();
    if (failures >= MAX_STARTS || recovery.isEmpty()) {
      fail(disk, reason);
    } else {
      disk.problem(reason);
      log.error("{}: {}", disk, reason, why);
      recovery.get().later(START_PAUSE, () -> again(disk, failures));
    }
  }

  private static void fail(ServedDisk disk, String why) {
    disk.fail(why + "; restart netchanneld when that is mended");
    log.error("{}: FAILED, its guest waits: {}", disk, why);
  }

  /** Of a mid-point that retires by itself, on its own thread, which cannot wait for its end. */
  private void removeLater(ServedDisk disk) {
    soon(disk, () -> remove(disk));
  }

  private void soon(ServedDisk disk, Runnable action) {
    try {
      ends.execute(action);
    } catch (RejectedExecutionException e) {
      log.debug("{}: left for the next daemon", disk);
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

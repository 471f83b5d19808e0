package io.netchannel.daemon;

import static com.google.common.collect.ImmutableSet.toImmutableSet;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.JobPhase;
import io.netchannel.coordinator.JobRefusedException;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Devices;
import java.time.Clock;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The jobs of this host: disks that are put under their running guests in the place of others. Each
 * is carried by a {@link SwapRunner}; what of it outlives the daemon is in the journal.
 */
final class DiskJobs implements DiskRecovery.Jobs, MidPoints.Sources, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(DiskJobs.class);

  /** What a mirror does by time it does within tenths of a second. */
  private static final Duration TICK = Duration.ofMillis(100);

  /** Of those that are over, what the mirror said last is kept for so many. */
  private static final int KEPT = 100;

  private final SwapRunner.Environment environment;
  private final MidPoints midPoints;
  private final Clock clock;
  private final Supplier<UUID> ids;

  /** Those that are not over, by disk. */
  private final Map<DeviceKey, SwapRunner> runners = new ConcurrentHashMap<>();

  private final DiskPlaces places;

  /** Those that are over, by job, oldest first; guarded by itself. */
  private final Map<UUID, SwapRunner> over =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<UUID, SwapRunner> eldest) {
          return size() > KEPT;
        }
      };

  /** Whether a tick is due. */
  private final AtomicBoolean ticking = new AtomicBoolean();

  private volatile boolean closed;

  DiskJobs(
      SwapRunner.Environment environment, MidPoints midPoints, Clock clock, Supplier<UUID> ids) {
    this.environment = environment;
    this.midPoints = midPoints;
    this.clock = clock;
    this.ids = ids;
    this.places =
        new DiskPlaces(environment.devices(), environment.jobs(), midPoints::all, runners::values);
  }

  // ---- The start of the daemon

  /** As the journal has it: nodes may not know of a switch yet. */
  @Override
  public String source(ServedDisk disk, String noted) {
    return environment
        .jobs()
        .active(disk.details().key())
        .filter(job -> job.phase() == JobPhase.SWITCHED && job.oldSource().equals(noted))
        .map(DiskJob::newSource)
        .orElse(noted);
  }

  @Override
  public Device opened(ServedDisk disk, String source, Device device) {
    DiskJob job = environment.jobs().active(disk.details().key()).orElse(null);
    boolean itsDisk =
        job != null
            && source.equals(job.phase() == JobPhase.SWITCHED ? job.newSource() : job.oldSource());
    return itsDisk ? runner(job).opened(disk, device) : device;
  }

  @Override
  public void recovered(ServedDisk disk) {
    Optional.ofNullable(runners.get(disk.details().key())).ifPresent(SwapRunner::recovered);
  }

  /** Who carries a job that is not over: there is one, or there is one from now on. */
  private SwapRunner runner(DiskJob job) {
    SwapRunner runner =
        runners.computeIfAbsent(job.disk(), disk -> SwapRunner.found(environment, job));
    if (runner.stage() == SwapRunner.Stage.OVER && !runner.job().id().equals(job.id())) {
      retire(runner); // of an earlier stay of its disk
      runner = runners.computeIfAbsent(job.disk(), disk -> SwapRunner.found(environment, job));
    }
    tickLater();
    return runner;
  }

  /** Goes on with those that were found, also without their disks. */
  void start() {
    List<DiskJob> active = environment.jobs().all().stream().filter(DiskJob::isActive).toList();
    environment.maps().removeOthers(active.stream().map(DiskJob::id).collect(toImmutableSet()));
    for (DiskJob job : active) {
      SwapRunner runner = runner(job);
      environment.executor().execute(() -> places.found(job));
      midPoints
          .find(job.disk().domain(), job.disk().target())
          .ifPresentOrElse(runner::watch, runner::goOnWithoutDisk);
    }
    environment.jobs().tellFound();
    environment.notes().start();
  }

  /**
   * Goes on with those that came with a guest which is here for good, also without their disks: it
   * may have ended again. Waits for nothing.
   */
  void stays(UUID domain) {
    for (DiskJob job : environment.jobs().all()) {
      if (job.isActive() && job.disk().domain().equals(domain)) {
        SwapRunner runner = runner(job);
        midPoints
            .find(domain, job.disk().target())
            .ifPresentOrElse(runner::takeUp, () -> inBackground(runner::goOnWithoutDisk));
      }
    }
  }

  private void inBackground(Runnable work) {
    try {
      environment.executor().execute(work);
    } catch (RejectedExecutionException e) {
      log.debug("left for the next daemon, as this one is shutting down");
    }
  }

  /** For as long as there are some. */
  private void tickLater() {
    if (!closed && !runners.isEmpty() && !ticking.getAndSet(true)) {
      environment.timer().after(TICK, this::tick);
    }
  }

  private void tick() {
    if (closed) {
      return;
    }
    try {
      for (SwapRunner runner : runners.values()) {
        runner.tick();
        if (runner.stage() == SwapRunner.Stage.OVER) {
          retire(runner);
        }
      }
    } catch (RuntimeException e) {
      log.error("looking after jobs failed, will be tried again", e);
    } finally {
      ticking.set(false);
      tickLater();
    }
  }

  private void retire(SwapRunner runner) {
    synchronized (over) {
      over.put(runner.job().id(), runner);
    }
    runners.remove(runner.key(), runner);
  }

  // ---- What a person says

  /**
   * Begins one. Does not wait for the storage.
   *
   * @return completes when copying has begun, at once for the job that the disk has already;
   *     exceptionally, and nothing has changed, when it cannot
   */
  CompletableFuture<Void> begin(ServedDisk disk, SwapRequest request) throws JobRefusedException {
    DeviceKey key = disk.details().key();
    String old = disk.details().source().orElse("");
    SwapRunner runner =
        SwapRunner.opening(
            environment,
            DiskJob.begin(
                ids.get(),
                key,
                disk.guest().name(),
                old,
                request.source(),
                new DiskJob.Origin(
                    request.follows(), isAnywhere(request.source()), "", request.goesTo()),
                request.settings(),
                clock.instant()));
    SwapRunner other = runners.putIfAbsent(key, runner);
    if (other != null && other.stage() == SwapRunner.Stage.OVER) {
      retire(other);
      other = runners.putIfAbsent(key, runner);
    }
    if (other != null && other.isTo(request.source())) {
      return CompletableFuture.completedFuture(null); // said again
    }
    if (other != null) {
      throw new JobRefusedException(
          "%s has a job already, to %s; see `netchannel jobs`"
              .formatted(disk, other.job().newSource()));
    }
    tickLater();
    return midPoints
        .withStorage(
            () -> {
              check(runner.job().id(), disk, old, request);
              return runner.begin(disk, request.isZero());
            })
        .whenComplete(
            (done, failure) -> {
              if (failure != null) {
                log.info("{}: no job to {}: {}", disk, request.source(), failure.getMessage());
                runners.remove(key, runner);
                environment.jobs().neverBegun(runner.job().id());
              }
            });
  }

  /** An export has one authority, wherever it is asked; a path leads elsewhere on each host. */
  private boolean isAnywhere(String source) {
    try {
      return DiskPlaces.exportForAll(environment.devices().place(source)).isPresent();
    } catch (DeviceException e) {
      return false; // it is refused in a moment
    }
  }

  /** All that can be known before anything is opened for writing. */
  private void check(UUID job, ServedDisk disk, String old, SwapRequest request)
      throws DeviceException {
    Devices devices = environment.devices();
    if (!disk.isServing()) {
      throw new DeviceException(
          "%s is not served at present (%s); try again when it is"
              .formatted(disk, disk.problem().orElse(disk.status().state().toString())));
    }
    DiskPlaces.checkNotInherited(disk);
    DeviceGeometry from = disk.device().map(Device::geometry).orElseThrow();
    if (request.create()) {
      devices.create(request.source(), from.sizeBytes());
    }
    places.checkTarget(job, disk, old, request.source());
    devices.checkUnused(request.source());
    DeviceGeometry to = devices.probe(request.source(), false);
    if (to.sizeBytes() < from.sizeBytes()) {
      throw new DeviceException(
          "%s is smaller: expected at least %d bytes, found %d"
              .formatted(request.source(), from.sizeBytes(), to.sizeBytes()));
    }
    if (to.logicalBlockBytes() > from.logicalBlockBytes()) {
      throw new DeviceException(
          "%s has blocks of %d bytes: the guest was told %d, and may ask for less than one of them"
              .formatted(request.source(), to.logicalBlockBytes(), from.logicalBlockBytes()));
    }
    if (to.canFlush() && !from.canFlush()) {
      throw new DeviceException(
          "%s has a cache, and %s has none: the guest was told that it need not flush, so a power cut would lose what it wrote; take one that writes through"
              .formatted(request.source(), old));
    }
  }

  /** What a disk is being copied to; see {@link LocalDevices#copyOf}. */
  LocalDevices.Copy copyOf(DeviceKey disk) {
    String source =
        midPoints
            .find(disk.domain(), disk.target())
            .flatMap(served -> served.details().source())
            .orElse("");
    return new LocalDevices.Copy(
        running(disk).map(SwapRunner::notAlike).orElse("its job is over"), isAnywhere(source));
  }

  /** The one of a disk that is not over, or is about to be. */
  Optional<SwapRunner> running(DeviceKey disk) {
    return Optional.ofNullable(runners.get(disk))
        .filter(runner -> runner.stage() != SwapRunner.Stage.OVER);
  }

  /** All that are known, newest first; those that are opening are first. */
  List<SwapRunner> all() {
    Stream<SwapRunner> opening =
        runners.values().stream()
            .filter(runner -> environment.jobs().find(runner.job().id()).isEmpty());
    Stream<SwapRunner> begun = environment.jobs().all().stream().map(this::of);
    return Stream.concat(opening, begun).collect(ImmutableList.toImmutableList());
  }

  private SwapRunner of(DiskJob job) {
    Optional<SwapRunner> running =
        Optional.ofNullable(runners.get(job.disk()))
            .filter(runner -> runner.job().id().equals(job.id()));
    synchronized (over) {
      return running
          .or(() -> Optional.ofNullable(over.get(job.id())))
          .orElseGet(() -> SwapRunner.found(environment, job));
    }
  }

  // ---- Where disks have gone

  /** A job is of one life of its disk: what is copied then is not what the next one writes. */
  private void endEarlier(DeviceKey key) {
    DiskJob job = environment.jobs().active(key).orElse(null);
    if (job != null && job.phase() == JobPhase.COPYING) {
      runner(job).goOnWithoutDisk();
    } else if (job != null && job.phase() == JobPhase.TAKEN_OVER) {
      runner(job).comesBack();
    }
  }

  @Override
  public void arrives(DiskDetails disk) {
    endEarlier(disk.key());
  }

  @Override
  public void arrived(DiskDetails disk, String source) {
    inBackground(() -> places.arrived(disk, source));
  }

  @Override
  public void starts(DiskDetails disk, String source) throws DeviceException {
    places.checkStart(disk, source); // a start that is refused is no other life of its disk
    endEarlier(disk.key());
    awaitArrived(disk.key(), source);
  }

  /**
   * A disk that was switched to this source, whose server, if it has one, may not know that yet.
   */
  private void awaitArrived(DeviceKey key, String source) throws DeviceException {
    SwapRunner runner = runners.get(key);
    if (runner != null) {
      String switched = runner.job().newSource();
      if (environment.notes().hasServer(switched) && places.isOne(source, switched)) {
        runner.awaitArrived();
      }
    }
  }

  /** Before the mid-points: what they end now goes on in the next daemon. */
  @Override
  public void close() {
    closed = true;
    environment.notes().close();
    runners.values().forEach(SwapRunner::close);
  }
}

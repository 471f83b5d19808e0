package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.Migration.MovedDevice;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * SEAL at the source: all devices of a migration or none, and its stock disks drained.
 *
 * <pre>
 *   the hypervisor says "suspended" --+
 *                                     +--> seal our devices ---------+--> manifests, HAND_OVER
 *   the destination calls Seal -------+--> drain the stock disks ----+       |
 *                                     |       |  (at the same time)          +--> the parked Seal
 *                                     |       v
 *                                     |    a bound passes, stop(): abort, unseal
 * </pre>
 */
final class SourceSeal {
  private static final Logger log = LoggerFactory.getLogger(SourceSeal.class);

  /** What a device may be late to report the failure of its own bounded seal. */
  private static final Duration SEAL_GRACE = Duration.ofSeconds(2);

  private final Context context;
  private final MigrationStore store;
  private final LocalDevices devices;
  private final SealAnswers answers;
  private final OutgoingEnds ends;

  /** Of seals that are going on: completes with why, when they are to end. */
  private final Map<UUID, CompletableFuture<String>> stops = new ConcurrentHashMap<>();

  /**
   * What their destinations have kept free for the data of what is pending, from PREPARE to the
   * seal. Of a migration from before a restart it is not known: its requests travel without data.
   */
  private final Map<UUID, Long> rooms = new ConcurrentHashMap<>();

  SourceSeal(Context context, SealAnswers answers, OutgoingEnds ends) {
    this.context = context;
    this.store = context.store();
    this.devices = context.devices();
    this.answers = answers;
    this.ends = ends;
  }

  /** Longest time that a seal may take, for those who wait for one that is going on. */
  Duration bound() {
    Duration seal = context.timeouts().seal();
    Duration drain = drainBound();
    return (seal.compareTo(drain) > 0 ? seal : drain).plus(SEAL_GRACE);
  }

  private Duration drainBound() {
    Timeouts timeouts = context.timeouts();
    // The hook keeps one "tell" for itself, and the other one to hear our reason in time.
    Duration hook = timeouts.hook().minus(timeouts.tell().multipliedBy(2));
    return switch (context.stockDisks()) {
      case ABORT -> timeouts.drain();
      case WAIT -> hook.compareTo(timeouts.drain()) > 0 ? hook : timeouts.drain();
      case IGNORE -> Duration.ZERO;
    };
  }

  /** What the destination of a migration has room for, before {@link #sealWhenSuspended}. */
  void hasRoom(UUID id, long dataBytes) {
    rooms.put(id, dataBytes);
  }

  /** Holds nothing of migrations that ended in whatever way. */
  void forgetOver() {
    rooms.keySet().removeIf(id -> store.find(id).filter(known -> !known.isActive()).isPresent());
  }

  /** Seals a migration in PRECOPY by itself as soon as its guest is suspended. */
  void sealWhenSuspended(Migration migration) {
    CompletableFuture<Void> suspended = devices.whenSuspended(migration.domain());
    ends.watches(migration.id(), suspended);
    Runnable seal = () -> suspended(migration.id());
    // It completes on a thread that may block; but this one may be in a hurry.
    CompletableFuture<Void> sealing =
        suspended.isDone()
            ? suspended.thenRunAsync(seal, context.executor())
            : suspended.thenRun(seal);
    log.debug("{}: waits for its guest's suspend: {}", migration.label(), !sealing.isDone());
  }

  private void suspended(UUID id) {
    try (MigrationLocks.Held held = context.locks().lock(store.get(id), bound())) {
      Migration migration = held.migration();
      if (migration.phase() != Phase.PRECOPY) {
        return;
      }
      store.note(id, "guest suspended");
      seal(migration, "the guest is suspended", true);
    } catch (MigrationRefusedException e) {
      log.warn("not sealed early: {}", e.getMessage());
      store.find(id).filter(m -> m.phase() == Phase.ABORT).ifPresent(ends::tellSoon);
      return;
    } catch (RuntimeException e) {
      log.error("migration {}: not sealed early", id, e);
      return;
    }
    handOver(id);
  }

  /** To be called after {@link #seal}, without the migration's lock: answers the parked call. */
  void handOver(UUID id) {
    if (answers.isAwaited(id)) {
      store.note(id, "handed over");
      answers.deliver(id);
    }
  }

  /** Ends a seal that is going on: it aborts, in the thread that seals. */
  void stop(UUID id, String reason) {
    CompletableFuture<String> stop = stops.get(id);
    if (stop != null) {
      stop.complete(reason);
    }
  }

  /**
   * Seals a migration in PRECOPY, all devices or none; who calls holds its lock. After an exception
   * it is in ABORT and its guest's devices go on.
   *
   * @param why for the timeline
   * @param early not asked for by the destination
   */
  ImmutableList<SealedDevice> seal(Migration prepared, String why, boolean early)
      throws MigrationRefusedException {
    UUID id = prepared.id();
    ends.unwatch(id);
    CompletableFuture<String> stop = new CompletableFuture<>();
    CompletableFuture<List<LocalDevices.Drained>> drained = new CompletableFuture<>();
    stops.put(id, stop);
    try {
      if (early) {
        context.faults().at(Point.SOURCE_SUSPENDED);
      } else if (runsAgain(prepared)) {
        throw new MigrationRefusedException(
            "the guest runs on " + context.host() + ": it is not the one that was restored");
      }
      sameDevices(prepared);
      Migration migration = store.apply(prepared, Event.SUSPENDED, "seal begins: " + why);
      List<CompletableFuture<LocalDevices.Sealed>> seals = beginSeals(migration);
      drained = beginDrain(migration);
      ImmutableList<SealedDevice> sealed = awaitSeals(migration, seals, stop);
      awaitDrain(id, drained, stop);
      handingOver(migration, sealed);
      return sealed;
    } catch (MigrationRefusedException | JournalException | RuntimeException e) {
      // Also the devices that are not sealed yet: their guest must not wait for that.
      Migration failed = store.get(id);
      throw context.refused(
          ends.abort(
              failed,
              Deadline.words(e),
              failed.phase() == Phase.PRECOPY ? List.of() : prepared.devices()),
          Deadline.words(e),
          e);
    } finally {
      stops.remove(id, stop);
      drained.cancel(false);
    }
  }

  /** A device plugged since PREPARE would stay behind, and the guest lose it. */
  private void sameDevices(Migration migration) throws MigrationRefusedException {
    List<String> agreed = migration.devices().stream().map(MovedDevice::target).toList();
    List<String> present =
        devices.devicesOf(migration.domain()).stream()
            .map(LocalDevices.GuestDevice::target)
            .toList();
    if (!present.equals(agreed)) {
      throw new MigrationRefusedException(
          "the guest has %s now, and %s were agreed on; do not plug devices while it migrates"
              .formatted(present, agreed));
    }
  }

  /** Whether the hypervisor says that the guest is not suspended. */
  boolean runsAgain(Migration migration) {
    return devices.isSuspended(migration.domain()).filter(suspended -> !suspended).isPresent();
  }

  private List<CompletableFuture<LocalDevices.Sealed>> beginSeals(Migration migration) {
    List<CompletableFuture<LocalDevices.Sealed>> seals = new ArrayList<>();
    long beganNanos = context.nanoTime().getAsLong();
    long roomBytes = Optional.ofNullable(rooms.remove(migration.id())).orElse(0L);
    long disks =
        migration.devices().stream()
            .filter(moved -> moved.device().kind() == LocalDevices.Kind.DISK)
            .count();
    for (MovedDevice moved : migration.devices()) {
      seals.add(
          devices
              .seal(
                  migration.domain(),
                  moved.target(),
                  context.timeouts().seal(),
                  roomBytes / Math.max(1, disks),
                  known -> answers.known(migration.id(), sealed(moved.target(), known)))
              .thenApply(
                  done -> {
                    store.note(
                        migration.id(),
                        "%s sealed: %s pending, %d incomplete, after %s"
                            .formatted(
                                moved.target(),
                                counted(moved, done.pending()),
                                done.incomplete(),
                                words(
                                    Duration.ofNanos(
                                        context.nanoTime().getAsLong() - beganNanos))));
                    return done;
                  }));
    }
    return seals;
  }

  /** "3", "3 URBs". */
  private static String counted(MovedDevice moved, int pending) {
    return switch (moved.device().kind()) {
      case DISK -> Integer.toString(pending);
      case USB_PORT -> pending + " " + moved.device().kind().requests();
    };
  }

  private ImmutableList<SealedDevice> awaitSeals(
      Migration migration,
      List<CompletableFuture<LocalDevices.Sealed>> seals,
      CompletableFuture<String> stop)
      throws MigrationRefusedException {
    Deadline deadline = context.deadline(context.timeouts().seal().plus(SEAL_GRACE));
    ImmutableList.Builder<SealedDevice> sealed = ImmutableList.builder();
    for (int i = 0; i < seals.size(); i++) {
      String target = migration.devices().get(i).target();
      CompletableFuture<LocalDevices.Sealed> seal = seals.get(i);
      deadline.await(CompletableFuture.anyOf(seal, stop), "sealing " + target);
      checkNotStopped(stop);
      LocalDevices.Sealed done = seal.join();
      sealed.add(sealed(target, done));
    }
    return sealed.build();
  }

  private static SealedDevice sealed(String target, LocalDevices.Sealed done) {
    return new SealedDevice(
        target, done.pending(), done.incomplete(), done.manifest(), done.manifestCrc32c());
  }

  private CompletableFuture<List<LocalDevices.Drained>> beginDrain(Migration migration) {
    return switch (context.stockDisks()) {
      case ABORT, WAIT -> devices.drain(migration.domain(), drainBound());
      case IGNORE -> CompletableFuture.completedFuture(List.of());
    };
  }

  private void awaitDrain(
      UUID id, CompletableFuture<List<LocalDevices.Drained>> drain, CompletableFuture<String> stop)
      throws MigrationRefusedException {
    Duration bound = drainBound().plus(SEAL_GRACE);
    try {
      CompletableFuture.anyOf(drain, stop).get(bound.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new MigrationRefusedException(
          notDrained("its stock disks have not drained within " + bound.toSeconds() + " s"), e);
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      String words = Deadline.words(cause);
      throw new MigrationRefusedException(
          cause instanceof TimeoutException ? notDrained(words) : notLookedAt(words), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new MigrationRefusedException("draining its stock disks was interrupted", e);
    }
    checkNotStopped(stop);
    for (LocalDevices.Drained disk : drain.join()) {
      store.note(id, words(disk));
    }
  }

  private static void checkNotStopped(CompletableFuture<String> stop)
      throws MigrationRefusedException {
    if (stop.isDone()) {
      throw new MigrationRefusedException(stop.join());
    }
  }

  private void handingOver(Migration migration, ImmutableList<SealedDevice> sealed)
      throws JournalException {
    ImmutableList.Builder<MovedDevice> counted = ImmutableList.builder();
    int pending = 0;
    int incomplete = 0;
    for (int i = 0; i < sealed.size(); i++) {
      SealedDevice disk = sealed.get(i);
      counted.add(migration.devices().get(i).sealed(disk));
      pending += disk.pending();
      incomplete += disk.incomplete();
    }
    store.apply(
        migration.withDevices(counted.build()),
        Event.SEALED,
        pending + " pending, " + incomplete + " of them incomplete");
    context.faults().at(Point.SOURCE_SEALED);
    answers.put(migration.id(), sealed);
  }

  private String notDrained(String words) {
    return words
        + "; its storage still writes: the guest goes on at "
        + context.host()
        + ". "
        + switch (context.stockDisks()) {
          case ABORT -> "Raise [timeouts] drain or set [stock-disks] unanswered = \"wait\"";
          case WAIT -> "Raise [timeouts] hook";
          case IGNORE -> "";
        };
  }

  private String notLookedAt(String words) {
    return words
        + ": the guest goes on at "
        + context.host()
        + ", as nobody knows what its storage still writes; [stock-disks] unanswered = \"ignore\""
        + " there lets it migrate nevertheless";
  }

  private static String words(LocalDevices.Drained disk) {
    String name = disk.disk().target() + " (" + disk.disk().backend() + "): ";
    return disk.unanswered() == 0
        ? name + "nothing unanswered"
        : name + disk.unanswered() + " unanswered, drained after " + words(disk.waited());
  }

  /** "2.1 ms", "8.2 s". */
  private static String words(Duration duration) {
    double millis = duration.toNanos() / 1e6;
    return millis < 1_000
        ? String.format(Locale.ROOT, "%.1f ms", millis)
        : String.format(Locale.ROOT, "%.1f s", millis / 1e3);
  }
}

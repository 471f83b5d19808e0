package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import com.google.common.hash.Hashing;
import com.google.protobuf.ByteString;
import io.netchannel.coordinator.FaultPoints.FaultException;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.Migration.MovedDisk;
import io.netchannel.coordinator.PeerMessages.Claim;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.SealedDisk;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The source's side: answers the destination, and looks after what the destination does not finish.
 *
 * <p>Until "given" is in the journal it may go on alone, at any time and for any reason. After it
 * only the destination's word, or the end of the domain here, moves the migration.
 */
final class Outgoing {
  private static final Logger log = LoggerFactory.getLogger(Outgoing.class);

  /** What a device may be late to report the failure of its own bounded seal. */
  private static final Duration SEAL_GRACE = Duration.ofSeconds(2);

  private final Context context;
  private final MigrationStore store;
  private final LocalDevices devices;

  /** Manifests of migrations in HAND_OVER; lost with the process, as its abort follows then. */
  private final Map<UUID, ImmutableList<SealedDisk>> manifests = new ConcurrentHashMap<>();

  Outgoing(Context context) {
    this.context = context;
    this.store = context.store();
    this.devices = context.devices();
  }

  /** PREPARE: the destination has chosen us; we check that it sees what we have. */
  synchronized void prepare(String caller, PeerMessages.Prepare request)
      throws MigrationRefusedException {
    if (store.find(request.migration()).isPresent()) {
      Migration known = known(caller, request.migration());
      if (known.phase() == Phase.PRECOPY) {
        return;
      }
      throw context.refused(
          known, "cannot be prepared in phase " + known.phase() + " " + known.detail());
    }
    Migration other = store.active(Direction.OUTGOING, request.domain()).orElse(null);
    if (other != null) {
      try (MigrationLocks.Held held = context.locks().lock(other, context.timeouts().prepare())) {
        replace(held.migration(), caller);
      }
    }
    if (store.active(Direction.INCOMING, request.domain()).isPresent()) {
      throw new MigrationRefusedException(
          request.domainName()
              + " has come to "
              + context.host()
              + " by a migration that its source has not finished; look at `netchannel migrations`"
              + " on both hosts and try again");
    }
    List<LocalDevices.Disk> disks = devices.disksOf(request.domain());
    if (!disks.equals(request.disks())) {
      throw new MigrationRefusedException(
          "the disks of "
              + request.domainName()
              + " on "
              + context.host()
              + " have changed since they were described: expected "
              + request.disks()
              + ", found "
              + disks
              + "; try again");
    }
    Migration migration =
        Migration.begin(
            request.migration(),
            Direction.OUTGOING,
            request.domainName(),
            request.domain(),
            caller,
            disks,
            context.clock().instant());
    try {
      store.journal().makeRoom();
      migration = store.apply(migration, Event.PREPARED, disks.size() + " disks");
    } catch (JournalException e) {
      throw context.refused(
          migration, "the journal on " + context.host() + ": " + e.getMessage(), e);
    }
    try {
      context.faults().at(Point.SOURCE_PREPARED);
    } catch (FaultException e) {
      throw goOn(migration, e.getMessage());
    }
  }

  private void replace(Migration other, String caller) throws MigrationRefusedException {
    if (other.phase() == Phase.PRECOPY) {
      abort(other, "replaced by a new migration to " + caller);
    } else if (other.phase() == Phase.TAKE_OVER && !devices.domainExists(other.domain())) {
      ended(other);
    } else if (other.isActive()) {
      throw context.refused(other, "is in phase " + other.phase() + "; wait until it is over");
    }
  }

  /** SEAL: all disks or none. */
  List<SealedDisk> seal(String caller, UUID id) throws MigrationRefusedException {
    Migration migration = known(caller, id);
    try (MigrationLocks.Held held = context.locks().lock(migration, context.timeouts().seal())) {
      migration = held.migration();
      ImmutableList<SealedDisk> sealed = manifests.get(id);
      if (migration.phase() == Phase.HAND_OVER && sealed != null) {
        return sealed;
      }
      if (migration.phase() != Phase.PRECOPY) {
        throw context.refused(migration, "cannot be sealed in phase " + words(migration));
      }
      sameDisks(migration);
      return sealAll(migration);
    }
  }

  /** A disk plugged since PREPARE would stay behind, and the guest lose it. */
  private void sameDisks(Migration migration) throws MigrationRefusedException {
    List<String> agreed = migration.disks().stream().map(MovedDisk::target).toList();
    List<String> present =
        devices.disksOf(migration.domain()).stream().map(LocalDevices.Disk::target).toList();
    if (!present.equals(agreed)) {
      throw goOn(
          migration,
          "the guest has disks %s now, and %s were agreed on; do not plug disks while it migrates"
              .formatted(present, agreed));
    }
  }

  private ImmutableList<SealedDisk> sealAll(Migration prepared) throws MigrationRefusedException {
    Migration migration = prepared;
    Duration bound = context.timeouts().seal();
    List<CompletableFuture<LocalDevices.Sealed>> seals = new ArrayList<>();
    try {
      migration = store.apply(migration, Event.SUSPENDED, "asked by " + migration.peer());
      for (MovedDisk moved : migration.disks()) {
        seals.add(devices.seal(migration.domain(), moved.target(), bound));
      }
      Deadline deadline = Deadline.after(context.clock(), bound.plus(SEAL_GRACE));
      ImmutableList.Builder<SealedDisk> sealed = ImmutableList.builder();
      ImmutableList.Builder<MovedDisk> counted = ImmutableList.builder();
      int pending = 0;
      int incomplete = 0;
      for (int i = 0; i < seals.size(); i++) {
        MovedDisk moved = migration.disks().get(i);
        LocalDevices.Sealed done = deadline.await(seals.get(i), "sealing " + moved.target());
        sealed.add(
            new SealedDisk(moved.target(), done.pending(), done.incomplete(), done.manifest()));
        counted.add(
            new MovedDisk(
                moved.disk(), done.pending(), done.incomplete(), checksum(done.manifest())));
        pending += done.pending();
        incomplete += done.incomplete();
      }
      String counts = pending + " pending, " + incomplete + " of them incomplete";
      migration = store.apply(migration.withDisks(counted.build()), Event.SEALED, counts);
      ImmutableList<SealedDisk> all = sealed.build();
      manifests.put(migration.id(), all);
      context.faults().at(Point.SOURCE_SEALED);
      return all;
    } catch (MigrationRefusedException | JournalException | RuntimeException e) {
      // Also the disks that are not sealed yet: their guest must not wait for that.
      throw context.refused(
          abort(migration, Deadline.words(e), migration.disks()), Deadline.words(e), e);
    }
  }

  /** TAKE OVER: the one moment in which the disks change hands. */
  void takeOver(String caller, UUID id, List<Claim> claims) throws MigrationRefusedException {
    Migration migration = known(caller, id);
    try (MigrationLocks.Held held =
        context.locks().lock(migration, context.timeouts().takeOver())) {
      migration = held.migration();
      if (migration.phase() != Phase.HAND_OVER && migration.phase() != Phase.TAKE_OVER) {
        throw context.refused(migration, "cannot be taken over in phase " + words(migration));
      }
      List<Claim> expected =
          migration.disks().stream()
              .map(d -> new Claim(d.target(), d.nextGeneration(), d.manifestCrc32c()))
              .toList();
      if (!claims.equals(expected)) {
        throw context.refused(
            migration, "take-over refused: expected " + expected + ", found " + claims);
      }
      if (migration.phase() == Phase.HAND_OVER) {
        try {
          store.apply(
              migration,
              Event.GIVEN,
              "given to " + caller,
              Generation.of(migration, d -> d.disk().generation() + 1, caller));
          manifests.remove(id);
        } catch (JournalException e) {
          throw goOn(migration, "the journal on " + context.host() + ": " + e.getMessage());
        }
      }
      context.faults().at(Point.SOURCE_GIVEN);
    }
  }

  /** The destination does not use N+1, durably. */
  PhaseReport givenUp(Migration known, String reason) throws MigrationRefusedException {
    try (MigrationLocks.Held held = context.locks().lock(known, context.timeouts().tell())) {
      Migration migration = held.migration();
      switch (migration.phase()) {
        case PREPARE, PRECOPY, SEAL, HAND_OVER ->
            abort(migration, migration.peer() + ": " + reason);
        case TAKE_OVER -> reclaim(migration, reason);
        case REDIRECT, RESUME, COMMIT, ABORT ->
            log.debug("{}: told of an abort in phase {}", migration.label(), migration.phase());
      }
    }
    return report(known.id());
  }

  /** The guest runs at the destination for good: our copy must never run. */
  PhaseReport committed(Migration known) throws MigrationRefusedException {
    try (MigrationLocks.Held held = context.locks().lock(known, context.timeouts().tell())) {
      Migration migration = held.migration();
      if (migration.phase() == Phase.TAKE_OVER) {
        commit(migration, "the guest runs on " + migration.peer());
      } else if (migration.phase() != Phase.COMMIT) {
        throw context.refused(migration, "cannot be committed in phase " + words(migration));
      }
    }
    return report(known.id());
  }

  /** The domain has ended on this host. */
  void domainEnded(UUID domain) {
    Migration migration = store.active(Direction.OUTGOING, domain).orElse(null);
    if (migration == null) {
      return;
    }
    try (MigrationLocks.Held held = context.locks().lock(migration, context.timeouts().seal())) {
      ended(held.migration());
    } catch (MigrationRefusedException e) {
      log.warn("{}: its domain has ended, seen to later: {}", migration.label(), e.getMessage());
    }
  }

  private void ended(Migration migration) {
    switch (migration.phase()) {
      case PREPARE, PRECOPY, SEAL, HAND_OVER -> {
        Migration over = abort(migration, "its domain ended on " + context.host(), List.of());
        over.disks().forEach(moved -> retire(moved.disk()));
        tellSoon(over);
      }
      case TAKE_OVER -> tellSoon(commit(migration, "its domain ended on " + context.host()));
      case REDIRECT, RESUME, COMMIT, ABORT -> {}
    }
  }

  /** What a crash left: before "given" we go on; after it {@link #tick} asks the destination. */
  void recover() {
    for (Migration migration : store.active(Direction.OUTGOING)) {
      switch (migration.phase()) {
        case SEAL, HAND_OVER ->
            context.tells().later(abort(migration, "netchanneld restarted before it was given"));
        case TAKE_OVER ->
            log.warn(
                "{}: given to {} before a restart; waiting for its word",
                migration.label(),
                migration.peer());
        case PREPARE, PRECOPY, REDIRECT, RESUME, COMMIT, ABORT -> {}
      }
    }
  }

  /** Sees to bounds, and asks the destination of migrations that were given. */
  void tick() {
    for (Migration active : store.active(Direction.OUTGOING)) {
      context.locks().ifFree(active.id(), this::lookAfter);
      // Not under the lock: the destination may be waiting for it in a call to us.
      boolean given = store.find(active.id()).filter(m -> m.phase() == Phase.TAKE_OVER).isPresent();
      if (given && context.backoff().isDue(active.id())) {
        askDestination(active);
      }
    }
  }

  private void lookAfter(Migration migration) {
    Instant now = context.clock().instant();
    Duration age = Duration.between(migration.since(), now);
    Timeouts timeouts = context.timeouts();
    if (!devices.domainExists(migration.domain())) {
      ended(migration);
    } else if (migration.phase() == Phase.PRECOPY && age.compareTo(timeouts.prepared()) > 0) {
      tellSoon(abort(migration, "no seal within " + timeouts.prepared()));
    } else if (migration.phase() == Phase.HAND_OVER && age.compareTo(timeouts.sealed()) > 0) {
      tellSoon(abort(migration, "no take-over within " + timeouts.sealed()));
    }
  }

  private void askDestination(Migration migration) {
    try {
      PhaseReport report =
          context
              .peer(migration.peer())
              .status(
                  migration.id(),
                  migration.domain(),
                  Direction.INCOMING,
                  context.timeouts().tell());
      switch (report.phase()) {
        case ABORT -> givenUp(migration, report.detail());
        case COMMIT -> committed(migration);
        case PREPARE, PRECOPY, SEAL, HAND_OVER, TAKE_OVER, REDIRECT, RESUME ->
            log.info("{}: {} says {}", migration.label(), migration.peer(), report.phase());
      }
    } catch (PeerException | MigrationRefusedException e) {
      log.warn(
          "{}: stays sealed, {} may have it: {}",
          migration.label(),
          migration.peer(),
          e.getMessage());
    }
  }

  PhaseReport report(UUID id) {
    Migration migration = store.get(id);
    return new PhaseReport(migration.phase(), migration.detail());
  }

  /** Aborts and gives the exception that says why. */
  private MigrationRefusedException goOn(Migration migration, String reason) {
    return context.refused(abort(migration, reason), reason);
  }

  private Migration abort(Migration migration, String reason) {
    return abort(
        migration,
        reason,
        migration.phase() == Phase.HAND_OVER ? migration.disks() : List.<MovedDisk>of());
  }

  /**
   * Ends it before anything was given; {@code sealed} disks, or ones that are about to be, go on
   * with the generation they have.
   */
  private Migration abort(Migration migration, String reason, List<MovedDisk> sealed) {
    Migration current = store.get(migration.id());
    Migration aborted;
    try {
      aborted = store.apply(current, Event.ABORTED, reason);
    } catch (JournalException e) {
      throw new AssertionError("an abort before the take-over needs no journal", e);
    }
    manifests.remove(migration.id());
    sealed.forEach(moved -> unseal(moved.disk(), moved.disk().generation()));
    return aborted;
  }

  /** Goes on with N+2, after the destination has given N+1 up. */
  private void reclaim(Migration migration, String reason) throws MigrationRefusedException {
    try {
      store.apply(
          migration,
          Event.GIVEN_UP,
          "given back by " + migration.peer() + ": " + reason,
          Generation.of(migration, d -> d.disk().generation() + 2, ""));
    } catch (JournalException e) {
      throw context.refused(migration, "cannot be reclaimed yet: " + e.getMessage(), e);
    }
    context.backoff().forget(migration.id());
    migration.disks().forEach(moved -> unseal(moved.disk(), moved.disk().generation() + 2));
  }

  private Migration commit(Migration migration, String reason) {
    Migration over;
    try {
      over = store.apply(migration, Event.COMMITTED, reason);
    } catch (JournalException e) {
      throw new AssertionError("a commit at the source needs no journal", e);
    }
    context.backoff().forget(migration.id());
    over.disks().forEach(moved -> retire(moved.disk()));
    return over;
  }

  /** A disk that fails must not keep the others of its guest from going on. */
  private void unseal(LocalDevices.Disk disk, long generation) {
    try {
      devices.unseal(disk.domain(), disk.target(), generation);
    } catch (RuntimeException e) {
      log.warn("domain {}: {} does not go on: {}", disk.domain(), disk.target(), Deadline.words(e));
    }
  }

  /** Nothing of it is lost when that fails: it is sealed, and ends with its nodes. */
  private void retire(LocalDevices.Disk disk) {
    try {
      devices.retire(disk.domain(), disk.target());
    } catch (RuntimeException e) {
      log.warn("domain {}: {} is not retired: {}", disk.domain(), disk.target(), Deadline.words(e));
    }
  }

  private void tellSoon(Migration over) {
    context.tells().later(over);
    context.executor().execute(context.tells()::tick);
  }

  private Migration known(String caller, UUID id) throws MigrationRefusedException {
    return store
        .find(id)
        .filter(m -> m.direction() == Direction.OUTGOING && m.peer().equals(caller))
        .orElseThrow(
            () ->
                new MigrationRefusedException(
                    context.host() + " knows no migration " + id + " to " + caller));
  }

  static int checksum(ByteString manifest) {
    return Hashing.crc32c().hashBytes(manifest.toByteArray()).asInt();
  }

  private static String words(Migration migration) {
    return migration.phase() + " (" + migration.detail() + ")";
  }
}

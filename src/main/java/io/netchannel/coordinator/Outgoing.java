package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.Striped;
import io.netchannel.coordinator.FaultPoints.FaultException;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.Migration.MovedDevice;
import io.netchannel.coordinator.PeerMessages.Claim;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.Prepared;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.Lock;
import java.util.function.Consumer;
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

  private final Context context;
  private final MigrationStore store;
  private final LocalDevices devices;
  private final SealAnswers answers = new SealAnswers();
  private final DeviceOrders orders;
  private final OutgoingEnds ends;
  private final SourceSeal sealing;
  private final GoingCopies copies;

  /** By domain. */
  private final Striped<Lock> preparing = Striped.lazyWeakLock(Integer.MAX_VALUE);

  Outgoing(Context context, DeviceOrders orders) {
    this.context = context;
    this.store = context.store();
    this.devices = context.devices();
    this.orders = orders;
    this.ends = new OutgoingEnds(context, answers, orders);
    this.sealing = new SourceSeal(context, answers, ends);
    this.copies = new GoingCopies(context);
  }

  /** PREPARE: the destination has chosen us; we check that it sees what we have. */
  Prepared prepare(String caller, PeerMessages.Prepare request) throws MigrationRefusedException {
    // One at a time for a domain: what it replaces may be waited for, and no other guest with it.
    Lock lock = preparing.get(request.domain());
    lock.lock();
    try {
      // Its jobs rest from now on, and then for as long as it migrates.
      store.hold(request.domain());
      Map<String, String> sources = prepareAlone(caller, request);
      return new Prepared(
          store.get(request.migration()).jobs().stream().map(DiskJob::carried).toList(), sources);
    } finally {
      store.release(request.domain());
      lock.unlock();
    }
  }

  /** Returns where the destination finds devices that it does not reach by their sources. */
  private Map<String, String> prepareAlone(String caller, PeerMessages.Prepare request)
      throws MigrationRefusedException {
    if (store.find(request.migration()).isPresent()) {
      Migration known = known(caller, request.migration());
      if (known.phase() == Phase.PRECOPY) {
        return reachable(request);
      }
      throw context.refused(
          known, "cannot be prepared in phase " + known.phase() + " " + known.detail());
    }
    Optional<String> obstacle = devices.obstacle(request.domain());
    if (obstacle.isPresent()) {
      throw new MigrationRefusedException(request.domainName() + obstacle.get());
    }
    Migration other = newest(request.domain()).orElse(null);
    if (other != null) {
      // Also of one that is over: who ended it may not have told its disks yet.
      try (MigrationLocks.Held held = context.locks().lock(other, context.timeouts().prepare())) {
        replace(held.migration(), caller);
      }
    }
    Optional<String> unfinished = orders.openOf(request.domain());
    if (unfinished.isPresent()) {
      throw new MigrationRefusedException(
          "the migration of %s before this one is not quite over on %s: %s; try again"
              .formatted(request.domainName(), context.host(), unfinished.get()));
    }
    if (store.active(Direction.INCOMING, request.domain()).isPresent()) {
      throw new MigrationRefusedException(
          request.domainName()
              + " has come to "
              + context.host()
              + " by a migration that its source has not finished; look at `netchannel migrations`"
              + " on both hosts and try again");
    }
    awaitSwitches(request);
    List<LocalDevices.GuestDevice> found = devices.devicesOf(request.domain());
    if (!found.equals(request.devices())) {
      throw new MigrationRefusedException(
          "the devices of "
              + request.domainName()
              + " on "
              + context.host()
              + " have changed since they were described: expected "
              + request.devices()
              + ", found "
              + found
              + "; try again");
    }
    Map<String, String> sources = reachable(request);
    int stock = devices.stockDisksOf(request.domain()).size();
    Migration migration =
        Migration.begin(
            request.migration(),
            Direction.OUTGOING,
            request.domainName(),
            request.domain(),
            caller,
            found,
            context.clock().instant());
    try {
      store.journal().makeRoom();
      migration = store.begin(migration, context.jobs(), Migration.count(found, stock));
      sealing.hasRoom(migration.id(), request.manifestDataBytes());
    } catch (JournalException e) {
      devices.keeps(request.domain());
      throw context.refused(
          migration, "the journal on " + context.host() + ": " + e.getMessage(), e);
    }
    try {
      context.faults().at(Point.SOURCE_PREPARED);
    } catch (FaultException e) {
      throw ends.goOn(migration, e.getMessage());
    }
    sealing.sealWhenSuspended(migration);
    return sources;
  }

  /** By target, of the devices that another host reaches by another source than their own. */
  private Map<String, String> reachable(PeerMessages.Prepare request)
      throws MigrationRefusedException {
    ImmutableMap.Builder<String, String> sources = ImmutableMap.builder();
    for (LocalDevices.GuestDevice device : request.devices()) {
      String source;
      try {
        source = devices.reachable(device);
      } catch (MigrationRefusedException e) {
        devices.keeps(request.domain());
        throw new MigrationRefusedException(
            "%s of %s: %s".formatted(device.name(), request.domainName(), e.getMessage()), e);
      }
      if (!source.equals(device.source())) {
        sources.put(device.target(), source);
      }
    }
    return sources.buildOrThrow();
  }

  /** A disk that was just switched is not refused at once: a moment later its XML is right. */
  private void awaitSwitches(PeerMessages.Prepare request) throws MigrationRefusedException {
    long bound = context.timeouts().prepare().dividedBy(2).toMillis(); // the caller's is the whole
    try {
      context.jobs().settled(request.domain()).get(bound, TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      log.debug("{}: a switch is not over after {} ms", request.domainName(), bound);
    } catch (ExecutionException e) {
      throw new AssertionError("the end of a job never fails", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new MigrationRefusedException(context.host() + " is shutting down", e);
    }
  }

  private Optional<Migration> newest(UUID domain) {
    return store.all().stream()
        .filter(m -> m.direction() == Direction.OUTGOING && m.domain().equals(domain))
        .reduce((earlier, later) -> later);
  }

  private void replace(Migration other, String caller) throws MigrationRefusedException {
    if (other.phase() == Phase.PRECOPY) {
      ends.abort(other, "replaced by a new migration to " + caller);
    } else if (other.phase() == Phase.TAKE_OVER && !devices.domainExists(other.domain())) {
      ends.ended(other);
    }
    if (store.get(other.id()).isActive()) {
      throw context.refused(other, "is in phase " + other.phase() + "; wait until it is over");
    }
  }

  /** SEAL: all devices or none. */
  List<SealedDevice> seal(String caller, UUID id) throws MigrationRefusedException {
    Migration migration = known(caller, id);
    List<SealedDevice> sealed;
    try (MigrationLocks.Held held = context.locks().lock(migration, sealing.bound())) {
      migration = held.migration();
      Optional<ImmutableList<SealedDevice>> before = answers.of(id);
      if (migration.phase() == Phase.HAND_OVER && before.isPresent()) {
        return before.get();
      }
      if (migration.phase() != Phase.PRECOPY) {
        throw context.refused(migration, "cannot be sealed in phase " + words(migration));
      }
      sealed = sealing.seal(migration, "asked by " + migration.peer(), false);
    }
    sealing.handOver(id);
    return sealed;
  }

  /** SEAL without asking for it: what {@link SourceSeal} does when the guest is suspended. */
  CompletableFuture<List<SealedDevice>> sealWhenSuspended(
      String caller, UUID id, Consumer<SealedDevice> disks) throws MigrationRefusedException {
    Migration known = known(caller, id);
    CompletableFuture<List<SealedDevice>> parked = answers.park(id, disks);
    Migration migration = store.get(id);
    return switch (migration.phase()) {
      case PREPARE, PRECOPY, SEAL, HAND_OVER -> {
        store.note(id, known.peer() + " waits for the seal");
        yield parked;
      }
      case TAKE_OVER, REDIRECT, RESUME, COMMIT, ABORT -> {
        parked.cancel(false);
        throw context.refused(migration, "cannot be sealed in phase " + words(migration));
      }
    };
  }

  /**
   * TAKE OVER: the one moment in which the devices change hands.
   *
   * @return the targets of those that are their copies from now on
   */
  List<String> takeOver(String caller, UUID id, List<Claim> claims)
      throws MigrationRefusedException {
    Migration migration = known(caller, id);
    try (MigrationLocks.Held held =
        context.locks().lock(migration, context.timeouts().takeOver())) {
      migration = held.migration();
      if (migration.phase() != Phase.HAND_OVER && migration.phase() != Phase.TAKE_OVER) {
        throw context.refused(migration, "cannot be taken over in phase " + words(migration));
      }
      List<Claim> expected =
          migration.devices().stream()
              .map(d -> new Claim(d.target(), d.nextGeneration(), d.manifestCrc32c()))
              .toList();
      if (!claims.stream().map(Claim::withoutCopy).toList().equals(expected)) {
        throw context.refused(
            migration, "take-over refused: expected " + expected + ", found " + claims);
      }
      if (migration.phase() == Phase.HAND_OVER) {
        if (sealing.runsAgain(migration)) {
          throw ends.goOn(migration, runsAgain());
        }
        migration = give(migration, caller, claims);
      }
      context.faults().at(Point.SOURCE_GIVEN);
      return migration.devices().stream()
          .filter(MovedDevice::isCopy)
          .map(MovedDevice::target)
          .toList();
    }
  }

  private Migration give(Migration migration, String caller, List<Claim> claims)
      throws MigrationRefusedException {
    try {
      Migration given =
          context
              .jobs()
              .give(
                  copies.chosen(migration, claims),
                  "given to " + caller,
                  Generation.of(migration, MovedDevice::nextGeneration, caller));
      answers.end(migration.id(), "given to " + caller);
      return given;
    } catch (JournalException e) {
      throw ends.goOn(migration, "the journal on " + context.host() + ": " + e.getMessage());
    } catch (MigrationRefusedException | JobRefusedException e) {
      throw ends.goOn(migration, e.getMessage());
    }
  }

  /** The destination does not use N+1, durably. */
  PhaseReport givenUp(Migration known, String reason) throws MigrationRefusedException {
    sealing.stop(known.id(), known.peer() + ": " + reason);
    try (MigrationLocks.Held held = context.locks().lock(known, context.timeouts().tell())) {
      Migration migration = held.migration();
      switch (migration.phase()) {
        case PREPARE, PRECOPY, SEAL, HAND_OVER ->
            ends.abort(migration, migration.peer() + ": " + reason);
        case TAKE_OVER ->
            ends.reclaim(migration, "given back by " + migration.peer() + ": " + reason);
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
        ends.commit(migration, "the guest runs on " + migration.peer());
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
    sealing.stop(migration.id(), "its domain ended on " + context.host());
    try (MigrationLocks.Held held = context.locks().lock(migration, context.timeouts().seal())) {
      ends.ended(held.migration());
    } catch (MigrationRefusedException e) {
      log.warn("{}: its domain has ended, seen to later: {}", migration.label(), e.getMessage());
    }
  }

  /**
   * The domain is about to be on this host anew, after it has ended here: where its disks are is
   * known before.
   *
   * @throws MigrationRefusedException while only the host that they were given to knows it
   */
  void comesAgain(UUID domain) throws MigrationRefusedException {
    domainEnded(domain);
    Migration given = store.active(Direction.OUTGOING, domain).orElse(null);
    if (given == null || given.phase() != Phase.TAKE_OVER || !given.hasCopies()) {
      return;
    }
    String answer = askDestination(given);
    if (store.get(given.id()).isActive()) {
      throw context.refused(
          given,
          "has given the disks to %s with their copies, and %s has not said yet whether it has them for good: %s"
              .formatted(given.peer(), given.peer(), answer));
    }
  }

  /**
   * A person's word that the destination is gone for good, with all that it had: what it was given
   * is this host's again, copies are the old devices.
   *
   * @throws MigrationRefusedException while the destination answers, or when nothing is given
   */
  void takeBack(UUID id) throws MigrationRefusedException {
    Migration given = store.get(id);
    checkGiven(given);
    try {
      PhaseReport report = status(given);
      throw context.refused(
          given,
          "cannot be taken back, as %s answers: it is in %s there: %s"
              .formatted(given.peer(), report.phase(), report.detail()));
    } catch (PeerException e) {
      switch (e.kind()) {
        case NO_ANSWER -> log.warn("{}: is taken back by hand: {}", given.label(), e.getMessage());
        case REFUSED ->
            throw context.refused(
                given,
                "cannot be taken back, as %s answers: %s".formatted(given.peer(), e.getMessage()),
                e);
      }
    }
    try (MigrationLocks.Held held = context.locks().lock(given, context.timeouts().tell())) {
      checkGiven(held.migration());
      ends.reclaim(held.migration(), "taken back by hand, as %s is lost".formatted(given.peer()));
    }
  }

  private void checkGiven(Migration migration) throws MigrationRefusedException {
    if (migration.direction() != Direction.OUTGOING || migration.phase() != Phase.TAKE_OVER) {
      throw context.refused(
          migration, "has nothing to be taken back here: it is in " + words(migration));
    }
  }

  private PhaseReport status(Migration given) throws PeerException {
    return context
        .peer(given.peer())
        .status(given.id(), given.domain(), Direction.INCOMING, context.timeouts().tell());
  }

  /**
   * What a crash left: before "given" we go on, and seal again when the guest is suspended; after
   * it {@link #tick} asks the destination.
   */
  void recover() {
    for (Migration migration : store.active(Direction.OUTGOING)) {
      switch (migration.phase()) {
        case PRECOPY -> sealing.sealWhenSuspended(migration);
        // Journals of version 1 have these.
        case SEAL, HAND_OVER ->
            context
                .tells()
                .later(ends.abort(migration, "netchanneld restarted before it was given"));
        case TAKE_OVER ->
            log.warn(
                "{}: given to {} before a restart; waiting for its word",
                migration.label(),
                migration.peer());
        case PREPARE, REDIRECT, RESUME, COMMIT, ABORT -> {}
      }
    }
  }

  /** Sees to bounds, and asks the destination of migrations that were given. */
  void tick() {
    orders.tick();
    sealing.forgetOver();
    for (Migration active : store.active(Direction.OUTGOING)) {
      context.errands().run(active.id(), () -> tick(active));
    }
  }

  private void tick(Migration active) {
    if (active.phase() == Phase.SEAL && sealing.runsAgain(active)) {
      sealing.stop(active.id(), runsAgain());
    }
    context.locks().ifFree(active.id(), this::lookAfter);
    // Not under the lock: the destination may be waiting for it in a call to us.
    boolean given = store.find(active.id()).filter(m -> m.phase() == Phase.TAKE_OVER).isPresent();
    if (given && context.backoff().isDue(active.id())) {
      askDestination(active);
    }
  }

  private void lookAfter(Migration migration) {
    Duration age = store.age(migration);
    Timeouts timeouts = context.timeouts();
    if (!devices.domainExists(migration.domain())) {
      ends.ended(migration);
    } else if (migration.phase() == Phase.PRECOPY && age.compareTo(timeouts.prepared()) > 0) {
      ends.tellSoon(ends.abort(migration, "no seal within " + timeouts.prepared()));
    } else if (migration.phase() == Phase.HAND_OVER) {
      Optional<Boolean> suspended = devices.isSuspended(migration.domain());
      // A guest that is known to stand still misses nothing: its memory is on the way.
      Duration bound = suspended.orElse(false) ? timeouts.prepared() : timeouts.sealed();
      if (suspended.isPresent() && !suspended.get()) {
        ends.tellSoon(ends.abort(migration, runsAgain()));
      } else if (age.compareTo(bound) > 0) {
        ends.tellSoon(ends.abort(migration, "no take-over within " + bound));
      }
    }
  }

  private String runsAgain() {
    return "the guest runs again on " + context.host();
  }

  /**
   * @return what it has said, and what can be done, for people
   */
  private String askDestination(Migration migration) {
    try {
      PhaseReport report = status(migration);
      if (report.phase() == Phase.RESUME && !devices.domainExists(migration.domain())) {
        // It waits for our word as we for its: it decides, so that both come to the same end.
        report = context.peer(migration.peer()).commit(migration.id(), context.timeouts().tell());
      }
      switch (report.phase()) {
        case ABORT -> givenUp(migration, report.detail());
        case COMMIT -> committed(migration);
        case PREPARE, PRECOPY, SEAL, HAND_OVER, TAKE_OVER, REDIRECT, RESUME ->
            log.info("{}: {} says {}", migration.label(), migration.peer(), report.phase());
      }
      return "it is in %s there: %s; try again when it is over"
          .formatted(report.phase(), report.detail());
    } catch (PeerException e) {
      return switch (e.kind()) {
        case NO_ANSWER ->
            staysSealed(migration, e)
                + "; start netchanneld there and try again. If %s is lost for good, with all that it had: `netchannel migrations %s --take-back`"
                    .formatted(migration.peer(), migration.id());
        case REFUSED -> staysSealed(migration, e);
      };
    } catch (MigrationRefusedException e) {
      return staysSealed(migration, e);
    }
  }

  private static String staysSealed(Migration migration, Exception e) {
    log.warn(
        "{}: stays sealed, {} may have it: {}",
        migration.label(),
        migration.peer(),
        e.getMessage());
    return e.getMessage();
  }

  PhaseReport report(UUID id) {
    Migration migration = store.get(id);
    return new PhaseReport(migration.phase(), migration.detail());
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

  private static String words(Migration migration) {
    return migration.phase() + " (" + migration.detail() + ")";
  }
}

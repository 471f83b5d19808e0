package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.Migration.MovedDevice;
import io.netchannel.coordinator.PeerMessages.Claim;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.Prepared;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
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
  private final OutgoingPrepare preparing;
  private final OutgoingEnds ends;
  private final SourceSeal sealing;
  private final GoingCopies copies;

  Outgoing(Context context, DeviceOrders orders) {
    this.context = context;
    this.store = context.store();
    this.devices = context.devices();
    this.orders = orders;
    this.ends = new OutgoingEnds(context, answers, orders);
    this.sealing = new SourceSeal(context, answers, ends);
    this.copies = new GoingCopies(context);
    this.preparing = new OutgoingPrepare(context, orders, ends, sealing);
  }

  /** As {@link OutgoingPrepare#prepare}. */
  Prepared prepare(String caller, PeerMessages.Prepare request) throws MigrationRefusedException {
    return preparing.prepare(caller, request);
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
    return known(context, caller, id);
  }

  /** One that is on its way to a peer. */
  static Migration known(Context context, String caller, UUID id) throws MigrationRefusedException {
    return context
        .store()
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

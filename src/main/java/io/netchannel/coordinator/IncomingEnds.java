package io.netchannel.coordinator;

import io.netchannel.coordinator.Migration.MovedDevice;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The ends that a migration can have at the destination: aborted before the take-over, given up
 * after it, committed when the guest has moved for good. Who calls holds the migration's lock.
 *
 * <p>Giving up is repeated until it is done, and once begun nothing else happens to the migration:
 *
 * <pre>
 *   TAKE_OVER, REDIRECT, RESUME
 *      |
 *      v
 *   devices stop --all have--> N+1 is given up in the journal --durable--> ABORT, the source is told
 *      ^   | one has failed              ^      | it cannot be written
 *      +---+ tick: 1 s, 2 s ... 30 s     +------+
 * </pre>
 *
 * That it has begun is in memory only: a daemon that starts finds the phase, and comes to the same
 * end by itself, or goes on where the hook is called again.
 */
final class IncomingEnds {
  private static final Logger log = LoggerFactory.getLogger(IncomingEnds.class);

  private static final String RAN_HERE = "the guest was here last and has ended";

  /** Devices that stop, and why; {@code problem} is what keeps them, for people. */
  private static final class GivingUp {
    private final String reason;
    private SideBySide stops;
    private boolean failed;
    private volatile String problem = "its devices have not stopped";

    private GivingUp(String reason, SideBySide stops) {
      this.reason = reason;
      this.stops = stops;
    }
  }

  private final Context context;
  private final MigrationStore store;
  private final LocalDevices devices;
  private final Map<UUID, GivingUp> givingUp = new ConcurrentHashMap<>();

  IncomingEnds(Context context) {
    this.context = context;
    this.store = context.store();
    this.devices = context.devices();
  }

  /**
   * Ends it on this side without the guest: nothing here touches the disks afterwards.
   *
   * @param bound of the wait for the devices; what is not done then {@link #goOnGivingUp} does
   * @return who has the disks now, for people
   */
  String end(Migration migration, String reason, Deadline bound) {
    return switch (migration.phase()) {
      case PREPARE, PRECOPY, SEAL, HAND_OVER -> abort(migration, reason, bound);
      case TAKE_OVER, REDIRECT, RESUME -> giveUp(migration, reason, bound);
      case COMMIT -> "the guest is on " + context.host();
      case ABORT -> "the disks are with " + migration.peer();
    };
  }

  /** Before the take-over: nothing here has touched the disks. */
  void abort(Migration migration, String reason) {
    String holder = abort(migration, reason, unhurried());
    log.info("{}: {}", migration.label(), holder);
  }

  private String abort(Migration migration, String reason, Deadline bound) {
    Optional<PhaseReport> told;
    try {
      told = tell(store.apply(migration, Event.ABORTED, reason), bound);
    } catch (JournalException e) {
      throw new AssertionError("an abort before the take-over needs no journal", e);
    }
    return told.filter(report -> report.phase().isOver()).isPresent()
        ? "the guest goes on at " + migration.peer() + " with its disks"
        : "the disks are with %s, which goes on by itself; `netchannel migrations` there"
            .formatted(migration.peer());
  }

  /** Whether it is on its way back to its source, and nothing else may happen to it. */
  Optional<String> givingUp(UUID id) {
    return Optional.ofNullable(givingUp.get(id))
        .map(
            going ->
                "%s; %s still holds its disks, and gives them back as soon as it can: %s"
                    .formatted(going.reason, context.host(), going.problem));
  }

  /** In the background when there is not enough time left: who waits has a bound of its own. */
  private Optional<PhaseReport> tell(Migration over, Deadline bound) {
    if (bound.remaining().compareTo(context.timeouts().tell()) >= 0) {
      return context.tells().now(over);
    }
    tellSoon(over);
    return Optional.empty();
  }

  private void tellSoon(Migration over) {
    context.tells().later(over);
    context.executor().execute(context.tells()::tick);
  }

  /** For callers whom nobody waits for with a bound. */
  Deadline unhurried() {
    return context.deadline(context.timeouts().takeOver());
  }

  /** Gives N+1 up: first the devices stop, then it is durable, then the source hears it. */
  private String giveUp(Migration migration, String reason, Deadline bound) {
    GivingUp going = begin(migration, reason);
    try {
      going.stops.await(bound.remaining());
      return givenUp(migration, going)
          .map(over -> holder(over, tell(over, bound)))
          .orElseGet(() -> stillHeld(migration, going));
    } catch (MigrationRefusedException e) {
      notYet(migration, going, e);
      return stillHeld(migration, going);
    }
  }

  /** Likewise, without a wait: {@link #goOnGivingUp} sees to the rest. */
  void beginToGiveUp(Migration migration, String reason) {
    var unused = begin(migration, reason);
    goOnGivingUp(migration);
  }

  private GivingUp begin(Migration migration, String reason) {
    GivingUp going = givingUp.get(migration.id());
    if (going == null) {
      going = new GivingUp(reason, stop(migration));
      givingUp.put(migration.id(), going);
      context.backoff().forget(migration.id());
    } else if (going.stops.isDone()) {
      going.stops = stop(migration);
    }
    return going;
  }

  /** What has failed is tried again, when it is time. */
  void goOnGivingUp(Migration migration) {
    GivingUp going = givingUp.get(migration.id());
    if (going == null || (going.failed && !context.backoff().isDue(migration.id()))) {
      return;
    }
    if (going.failed) {
      going.failed = false;
      going.stops = stop(migration);
    }
    if (!going.stops.isDone()) {
      return;
    }
    try {
      going.stops.await(Duration.ZERO);
    } catch (MigrationRefusedException e) {
      notYet(migration, going, e);
      return;
    }
    givenUp(migration, going).ifPresent(this::tellSoon);
  }

  private SideBySide stop(Migration migration) {
    SideBySide stops = new SideBySide();
    for (MovedDevice moved : migration.devices()) {
      stops.add("stopping " + moved.target(), devices.retire(migration.domain(), moved.target()));
    }
    return stops;
  }

  /** Its devices have stopped: never again is N+1 used here. Empty when that is not durable. */
  private Optional<Migration> givenUp(Migration migration, GivingUp going) {
    try {
      Migration over =
          store.apply(
              migration,
              Event.GIVEN_UP,
              going.reason,
              Generation.of(migration, MovedDevice::nextGeneration, migration.peer()));
      givingUp.remove(migration.id(), going);
      context.backoff().forget(migration.id());
      return Optional.of(over);
    } catch (JournalException e) {
      notYet(migration, going, e);
      return Optional.empty();
    }
  }

  private void notYet(Migration migration, GivingUp going, Exception e) {
    going.problem = Deadline.words(e);
    going.failed = going.stops.isDone();
    log.error(
        "{}: cannot give the disks back to {} yet, tried again: {}",
        migration.label(),
        migration.peer(),
        going.problem);
  }

  private String stillHeld(Migration migration, GivingUp going) {
    return "the disks are still held by %s (%s), which gives them back to %s as soon as it can; `netchannel status` here"
        .formatted(context.host(), going.problem, migration.peer());
  }

  private static String holder(Migration over, Optional<PhaseReport> told) {
    if (told.filter(report -> report.phase().isOver()).isEmpty()) {
      return "the disks were given back to %s, which has not answered yet; `netchannel migrations` there"
          .formatted(over.peer());
    }
    return over.devices().isEmpty()
        ? "the guest goes on at " + over.peer()
        : "the disks are back at %s with generation %s"
            .formatted(
                over.peer(),
                over.devices().stream()
                    .map(moved -> moved.device().generation() + 2 + " of " + moved.target())
                    .collect(Collectors.joining(", ")));
  }

  /** Its domain has ended on this host. */
  void ended(Migration migration) {
    Optional<Boolean> moved =
        migration.phase() == Phase.RESUME ? hasMovedForGood(migration) : Optional.of(false);
    if (moved.isEmpty()) {
      return;
    }
    if (moved.get()) {
      commit(migration, RAN_HERE);
    } else {
      String holder = end(migration, "the domain has ended on " + context.host(), unhurried());
      log.info("{}: {}", migration.label(), holder);
    }
  }

  /**
   * Likewise of one that had been restored, found by a look at it: does not wait for its devices.
   */
  void hasEnded(Migration resumed) {
    hasMovedForGood(resumed)
        .ifPresent(
            moved -> {
              if (moved) {
                commit(resumed, RAN_HERE);
              } else {
                beginToGiveUp(resumed, "the domain has ended on " + context.host());
              }
            });
  }

  /**
   * Whether the guest, whose domain is not here any more, has run here or the source has let go;
   * else the source may still run it. Empty while that is not known: a guest that has run on its
   * copies has written what no other device has.
   */
  private Optional<Boolean> hasMovedForGood(Migration resumed) {
    if (devices.guestHasRun(resumed.domain())) {
      return Optional.of(true);
    }
    Optional<Boolean> source =
        sourceSays(resumed).map(says -> says.phase() == Phase.COMMIT || says.domainEnded());
    return resumed.hasCopies() ? source : Optional.of(source.orElse(false));
  }

  /** What the source says of it; empty when it does not answer. */
  Optional<PhaseReport> sourceSays(Migration migration) {
    try {
      return Optional.of(
          context
              .peer(migration.peer())
              .status(
                  migration.id(),
                  migration.domain(),
                  Direction.OUTGOING,
                  context.timeouts().tell()));
    } catch (PeerException e) {
      log.warn("{}: {}", migration.label(), e.getMessage());
      return Optional.empty();
    }
  }

  /** The guest is here for good. */
  void commit(Migration migration, String reason) {
    try {
      context.tells().later(store.apply(migration, Event.COMMITTED, reason));
      context.backoff().forget(migration.id());
      devices.stays(migration.domain());
    } catch (JournalException e) {
      log.error("{}: cannot be committed yet: {}", migration.label(), e.getMessage());
    }
  }
}

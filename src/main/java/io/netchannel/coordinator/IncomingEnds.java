package io.netchannel.coordinator;

import io.netchannel.coordinator.Migration.MovedDisk;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The ends that a migration can have at the destination: aborted before the take-over, given up
 * after it, committed when the guest has moved for good. Who calls holds the migration's lock.
 */
final class IncomingEnds {
  private static final Logger log = LoggerFactory.getLogger(IncomingEnds.class);

  private final Context context;
  private final MigrationStore store;
  private final LocalDevices devices;

  IncomingEnds(Context context) {
    this.context = context;
    this.store = context.store();
    this.devices = context.devices();
  }

  /** Ends it on this side without the guest: nothing here touches the disks afterwards. */
  void end(Migration migration, String reason) {
    switch (migration.phase()) {
      case PREPARE, PRECOPY, SEAL, HAND_OVER -> abort(migration, reason);
      case TAKE_OVER, REDIRECT, RESUME -> giveUp(migration, reason);
      case COMMIT, ABORT -> {}
    }
  }

  /** Before the take-over: nothing here has touched the disks. */
  void abort(Migration migration, String reason) {
    try {
      context.tells().now(store.apply(migration, Event.ABORTED, reason));
    } catch (JournalException e) {
      throw new AssertionError("an abort before the take-over needs no journal", e);
    }
  }

  /** Gives N+1 up: first the devices stop, then it is durable, then the source hears it. */
  void giveUp(Migration migration, String reason) {
    Deadline deadline = context.deadline(context.timeouts().takeOver());
    try {
      List<CompletableFuture<Void>> stops =
          migration.disks().stream()
              .map(moved -> devices.giveUp(migration.domain(), moved.target()))
              .toList();
      for (CompletableFuture<Void> stop : stops) {
        deadline.await(stop, "stopping the devices");
      }
      context
          .tells()
          .now(
              store.apply(
                  migration,
                  Event.GIVEN_UP,
                  reason,
                  Generation.of(migration, MovedDisk::nextGeneration, migration.peer())));
      context.backoff().forget(migration.id());
    } catch (MigrationRefusedException | JournalException e) {
      log.error(
          "{}: cannot give the disks back to {} yet: {}",
          migration.label(),
          migration.peer(),
          e.getMessage());
    }
  }

  /** Its domain has ended on this host. */
  void ended(Migration migration) {
    if (migration.phase() == Phase.RESUME && hasMovedForGood(migration)) {
      commit(migration, "the guest ran here and has ended");
    } else {
      end(migration, "the domain has ended on " + context.host());
    }
  }

  /** Whether the guest has run here or the source has let go; else the source may still run it. */
  private boolean hasMovedForGood(Migration migration) {
    return devices.guestHasRun(migration.domain())
        || sourceSays(migration).filter(phase -> phase == Phase.COMMIT).isPresent();
  }

  /** What the source says of it; empty when it does not answer. */
  Optional<Phase> sourceSays(Migration migration) {
    try {
      return Optional.of(
          context
              .peer(migration.peer())
              .status(
                  migration.id(), migration.domain(), Direction.OUTGOING, context.timeouts().tell())
              .phase());
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
    } catch (JournalException e) {
      log.error("{}: cannot be committed yet: {}", migration.label(), e.getMessage());
    }
  }
}

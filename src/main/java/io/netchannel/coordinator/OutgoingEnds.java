package io.netchannel.coordinator;

import io.netchannel.coordinator.Migration.MovedDevice;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The ends that a migration can have at the source: aborted before anything was given, reclaimed
 * after it, committed when the guest has moved. Who calls holds the migration's lock.
 */
final class OutgoingEnds {
  private final Context context;
  private final MigrationStore store;
  private final DeviceOrders orders;
  private final SealAnswers answers;

  /** What waits for the suspend of a domain, by migration in PRECOPY. */
  private final Map<UUID, CompletableFuture<Void>> watches = new ConcurrentHashMap<>();

  OutgoingEnds(Context context, SealAnswers answers, DeviceOrders orders) {
    this.context = context;
    this.store = context.store();
    this.orders = orders;
    this.answers = answers;
  }

  /** To be cancelled when the migration leaves PRECOPY. */
  void watches(UUID migration, CompletableFuture<Void> suspended) {
    watches.put(migration, suspended);
  }

  void unwatch(UUID migration) {
    CompletableFuture<Void> watch = watches.remove(migration);
    if (watch != null) {
      watch.cancel(false);
    }
  }

  /** Aborts and gives the exception that says why. */
  MigrationRefusedException goOn(Migration migration, String reason) {
    return context.refused(abort(migration, reason), reason);
  }

  Migration abort(Migration migration, String reason) {
    return abort(
        migration,
        reason,
        switch (migration.phase()) {
          case SEAL, HAND_OVER -> migration.devices();
          case PREPARE, PRECOPY, TAKE_OVER, REDIRECT, RESUME, COMMIT, ABORT ->
              List.<MovedDevice>of();
        });
  }

  /**
   * Ends it before anything was given; {@code sealed} devices, or ones that are about to be, go on
   * with the generation they have.
   */
  Migration abort(Migration migration, String reason, List<MovedDevice> sealed) {
    Migration current = store.get(migration.id());
    Migration aborted;
    try {
      aborted = store.apply(current, Event.ABORTED, reason);
    } catch (JournalException e) {
      throw new AssertionError("an abort before the take-over needs no journal", e);
    }
    sealed.forEach(moved -> orders.goOn(aborted, moved, moved.device().generation()));
    unwatch(migration.id());
    answers.end(migration.id(), reason);
    context.devices().keeps(migration.domain());
    return aborted;
  }

  /** Goes on with N+2, after the destination has given N+1 up, or will never have it again. */
  void reclaim(Migration migration, String reason) throws MigrationRefusedException {
    Migration over;
    try {
      over =
          context
              .jobs()
              .givenBack(
                  migration,
                  reason,
                  Generation.of(migration, d -> d.device().generation() + 2, ""));
    } catch (JournalException e) {
      throw context.refused(migration, "cannot be reclaimed yet: " + e.getMessage(), e);
    }
    context.backoff().forget(migration.id());
    over.devices().forEach(moved -> orders.goOn(over, moved, moved.device().generation() + 2));
    context.devices().keeps(migration.domain());
  }

  Migration commit(Migration migration, String reason) {
    Migration over;
    try {
      over = context.jobs().taken(migration, reason);
    } catch (JournalException e) {
      throw new AssertionError("a commit at the source needs no journal", e);
    }
    context.backoff().forget(migration.id());
    over.devices().forEach(moved -> orders.end(over, moved));
    return over;
  }

  /**
   * Its domain has ended on this host. That says nothing of where its disks are when some of them
   * are their copies, which only one of both hosts can start from: the destination says it then.
   */
  void ended(Migration migration) {
    switch (migration.phase()) {
      case PREPARE, PRECOPY, SEAL, HAND_OVER -> {
        Migration over = abort(migration, "its domain ended on " + context.host(), List.of());
        over.devices().forEach(moved -> orders.end(over, moved));
        tellSoon(over);
      }
      case TAKE_OVER -> {
        if (!migration.hasCopies()) {
          // Told by a tick: the guest connects its disks there just now and is not to be disturbed.
          context.tells().later(commit(migration, "its domain ended on " + context.host()));
        }
      }
      case REDIRECT, RESUME, COMMIT, ABORT -> {}
    }
  }

  void tellSoon(Migration over) {
    context.tells().soon(over);
  }
}

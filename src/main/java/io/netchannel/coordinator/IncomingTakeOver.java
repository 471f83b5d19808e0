package io.netchannel.coordinator;

import com.google.protobuf.ByteString;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.Migration.MovedDisk;
import io.netchannel.coordinator.PeerMessages.Claim;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/** TAKE OVER and REDIRECT at the destination, inside hook "started". */
final class IncomingTakeOver {
  private final Context context;
  private final MigrationStore store;
  private final LocalDevices devices;

  IncomingTakeOver(Context context) {
    this.context = context;
    this.store = context.store();
    this.devices = context.devices();
  }

  /** TAKE OVER: N+1 is ours at the source, and then in our journal. */
  void takeOver(UUID id, Peer source, Deadline deadline) throws PeerException, JournalException {
    context.faults().at(Point.DESTINATION_SEALED);
    Migration migration = store.get(id);
    claim(migration, source, deadline);
    store.apply(
        migration,
        Event.GIVEN,
        "generation " + numbers(migration) + " from " + migration.peer(),
        Generation.of(migration, MovedDisk::nextGeneration, ""));
    context.faults().at(Point.DESTINATION_TAKEN_OVER);
  }

  /** Again gives the same answer. */
  void claim(Migration migration, Peer source, Deadline deadline) throws PeerException {
    List<Claim> claims =
        migration.disks().stream()
            .map(d -> new Claim(d.target(), d.nextGeneration(), d.manifestCrc32c()))
            .toList();
    deadline
        .within(context.timeouts().takeOver())
        .ask(
            bound -> {
              source.takeOver(migration.id(), claims, bound);
              return true;
            });
    store.note(migration.id(), "claim answered");
  }

  /** REDIRECT: every mid-point here has its device and what was pending. */
  void redirect(UUID id, int domid, Deadline deadline)
      throws JournalException, MigrationRefusedException {
    Migration migration = store.get(id);
    List<CompletableFuture<Void>> takeOvers = new ArrayList<>();
    for (int i = 0; i < migration.disks().size(); i++) {
      MovedDisk moved = migration.disks().get(i);
      ByteString manifest = store.journal().manifest(id, i);
      takeOvers.add(
          devices
              .takeOver(domid, withNextGeneration(moved), manifest)
              .thenRun(() -> store.note(id, moved.target() + " taken over")));
    }
    Deadline bound = deadline.within(context.timeouts().takeOver());
    for (int i = 0; i < takeOvers.size(); i++) {
      bound.await(takeOvers.get(i), "taking over " + migration.disks().get(i).target());
    }
    store.apply(migration, Event.TAKEN_OVER, takeOvers.size() + " disks");
  }

  private static LocalDevices.Disk withNextGeneration(MovedDisk moved) {
    LocalDevices.Disk disk = moved.disk();
    return new LocalDevices.Disk(
        disk.domain(),
        disk.target(),
        disk.source(),
        disk.readOnly(),
        disk.sizeBytes(),
        moved.nextGeneration());
  }

  private static String numbers(Migration migration) {
    return migration.disks().stream()
        .map(d -> d.nextGeneration() + " of " + d.target())
        .reduce((a, b) -> a + ", " + b)
        .orElse("none");
  }
}

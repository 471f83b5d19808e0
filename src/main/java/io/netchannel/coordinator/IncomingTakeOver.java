package io.netchannel.coordinator;

import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.Migration.MovedDevice;
import io.netchannel.coordinator.PeerMessages.Claim;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/** TAKE OVER and REDIRECT at the destination, inside hook "started". */
final class IncomingTakeOver {
  private final Context context;
  private final MigrationStore store;
  private final LocalDevices devices;
  private final IncomingSeal sealing;

  IncomingTakeOver(Context context, IncomingSeal sealing) {
    this.context = context;
    this.sealing = sealing;
    this.store = context.store();
    this.devices = context.devices();
  }

  /**
   * TAKE OVER: N+1 is ours at the source, and then in our journal. Where it is there already it is
   * asked for once more: the source may have had it back meanwhile.
   */
  void takeOver(UUID id, Peer source, Deadline deadline) throws PeerException, JournalException {
    Migration migration = store.get(id);
    if (migration.phase() != Phase.HAND_OVER) {
      claim(migration, source, deadline);
      return;
    }
    context.faults().at(Point.DESTINATION_SEALED);
    List<String> copied = claim(migration, source, deadline);
    store.apply(
        withCopies(migration, copied),
        Event.GIVEN,
        "generation %s from %s%s"
            .formatted(
                numbers(migration),
                migration.peer(),
                copied.isEmpty() ? "" : ", as their copies: " + String.join(", ", copied)),
        Generation.of(migration, MovedDevice::nextGeneration, ""));
    context.faults().at(Point.DESTINATION_TAKEN_OVER);
  }

  /** Again gives the same answer. */
  private List<String> claim(Migration migration, Peer source, Deadline deadline)
      throws PeerException {
    List<Claim> claims =
        migration.devices().stream()
            .map(
                d ->
                    new Claim(
                        d.target(),
                        d.nextGeneration(),
                        d.manifestCrc32c(),
                        going(migration, d.target()).map(DiskJob::newSource).orElse(""),
                        d.onlyCopy()))
            .toList();
    List<String> copied =
        deadline
            .within(context.timeouts().takeOver())
            .ask(bound -> source.takeOver(migration.id(), claims, bound));
    store.note(migration.id(), "claim answered");
    return copied;
  }

  /** The job by which a disk comes along; empty when it stays where it is. */
  private static Optional<DiskJob> going(Migration migration, String target) {
    return migration.jobs().stream()
        .filter(job -> job.disk().target().equals(target) && job.origin().goesAlong())
        .findFirst();
  }

  /** What the source has decided: its copy is the disk, or the job goes on here as any other. */
  private Migration withCopies(Migration migration, List<String> copied) {
    List<MovedDevice> disks =
        migration.devices().stream()
            .map(
                moved ->
                    copied.contains(moved.target())
                        ? moved.as(going(migration, moved.target()).orElseThrow().newSource())
                        : moved)
            .toList();
    List<DiskJob> jobs =
        migration.jobs().stream()
            .map(
                job ->
                    copied.contains(job.disk().target())
                        ? job.moved(
                            JobPhase.SWITCHED,
                            "its guest has come with it",
                            context.clock().instant())
                        : job.stayed())
            .toList();
    return migration.with(disks, jobs);
  }

  /**
   * REDIRECT: every mid-point here has its device and what was pending. All are opened at the same
   * time, and the first one that fails ends it; one that hangs, at the latest when the bound
   * passes.
   */
  void redirect(UUID id, int domid, Deadline deadline)
      throws JournalException, MigrationRefusedException {
    Migration migration = store.get(id);
    Deadline bound = deadline.within(context.timeouts().takeOver());
    SideBySide takeOvers = new SideBySide();
    for (int i = 0; i < migration.devices().size(); i++) {
      MovedDevice moved = migration.devices().get(i);
      takeOvers.add(
          "taking over " + moved.target(),
          devices
              .takeOver(domid, moved.taken(), moved.isCopy(), sealing.manifest(migration, i))
              .thenRun(() -> store.note(id, moved.target() + " taken over")));
    }
    takeOvers.await(bound.remaining());
    if (migration.phase() == Phase.TAKE_OVER) {
      store.apply(migration, Event.TAKEN_OVER, migration.count());
    }
    sealing.forget(id);
  }

  private static String numbers(Migration migration) {
    return migration.devices().stream()
        .map(d -> d.nextGeneration() + " of " + d.target())
        .reduce((a, b) -> a + ", " + b)
        .orElse("none");
  }
}

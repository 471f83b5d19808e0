package io.netchannel.coordinator;

import io.netchannel.files.MemoryFiles;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;

/** A host: its journal outlives its daemon, which can crash at any step. */
final class SimulatedHost {

  /** The daemon has died; nothing of it runs on. */
  static final class Crash extends Error {
    private static final long serialVersionUID = 1L;

    Crash(String host, int step) {
      super(host + " at step " + step);
    }
  }

  private final Simulation world;
  private final String name;
  private final Random random;
  private final MemoryFiles disk;
  private Coordinator coordinator;
  private SimulatedDevices devices;
  private boolean up;
  private int life;
  private int steps;
  private int crashAt;

  SimulatedHost(Simulation world, String name, Random random) {
    this.world = world;
    this.name = name;
    this.random = random;
    this.disk = new MemoryFiles(random, () -> step(life()));
  }

  String name() {
    return name;
  }

  boolean isUp() {
    return up;
  }

  int life() {
    return life;
  }

  int steps() {
    return steps;
  }

  Coordinator coordinator() {
    return coordinator;
  }

  SimulatedDevices devices() {
    return devices;
  }

  /** Where its journal is. */
  MemoryFiles disk() {
    return disk;
  }

  /** It has answered that the disks are the other's: a power cut must not make it forget. */
  void hasGiven(UUID migration, SimulatedHost other) {
    Optional<Phase> durable = durableJournal().migration(migration).map(Migration::phase);
    if (!durable.equals(Optional.of(Phase.TAKE_OVER))) {
      world
          .guest()
          .targets()
          .forEach(
              target ->
                  world
                      .disk(target)
                      .violates(
                          "%s gives it to %s, its journal has %s durably"
                              .formatted(name, other.name(), durable)));
    }
  }

  /** What its journal says after a power cut that leaves no more than it must. */
  MigrationJournal durableJournal() {
    try {
      return JournalInMemory.open(disk.worstCase());
    } catch (JournalException e) {
      throw new AssertionError(e);
    }
  }

  void crashAtStep(int step) {
    crashAt = step;
  }

  /** For the history of the world. */
  void calls(SimulatedHost other) {
    world.tell(name + " calls " + other.name);
  }

  /** Between any two steps the daemon may die; code of an earlier life does nothing any more. */
  void step(int ofLife) {
    if (!up || ofLife != life) {
      throw new Crash(name, steps);
    }
    steps++;
    world.stepped();
    if (steps == crashAt) {
      up = false;
      life++;
      if (random.nextBoolean()) {
        disk.cutPower();
      }
      world.daemonDied(name);
      throw new Crash(name, steps);
    }
  }

  /** All that have to know of a switch do at once. */
  void tellSwitches() {
    for (DiskJob job : coordinator.jobs().all()) {
      switch (job.phase()) {
        case SWITCHED, TAKEN_OVER -> coordinator.jobs().end(job, JobEvent.FINISHED, "all know it");
        case COPYING, DONE, ABORTED, FAILED -> {}
      }
    }
  }

  /** Starts the daemon; false when it crashed while starting. */
  boolean start() {
    up = true;
    try {
      MigrationJournal journal = JournalInMemory.open(disk);
      devices = new SimulatedDevices(world, this);
      coordinator =
          new Coordinator(
              name,
              journal,
              devices,
              List.of(world.peer(this)),
              Timeouts.DEFAULTS,
              world.stockDisks(),
              world.faultPoints(),
              world.clock(name),
              world::nanoTime,
              Runnable::run,
              world::newId);
      if (world.domainExistsOn(name)) {
        for (String target : world.guest().targets()) {
          devices.restore(target, coordinator.standing(Simulation.DOMAIN, target));
        }
      }
      coordinator.recover();
      tellSwitches();
      return true;
    } catch (Crash e) {
      return false;
    } catch (JournalException e) {
      if (!disk.isFailing()) {
        throw new AssertionError(e);
      }
      // As the real one does: it says why and ends.
      up = false;
      life++;
      return false;
    }
  }
}

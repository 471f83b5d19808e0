package io.netchannel.coordinator;

import java.util.List;
import java.util.Random;

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
  private final MemoryStorage storage = new MemoryStorage(() -> step(life()));
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
  MemoryStorage storage() {
    return storage;
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
      storage.crash(random);
      world.daemonDied(name);
      throw new Crash(name, steps);
    }
  }

  /** Starts the daemon; false when it crashed while starting. */
  boolean start() {
    up = true;
    try {
      MigrationJournal journal = new MigrationJournal(storage);
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
      return true;
    } catch (Crash e) {
      return false;
    } catch (JournalException e) {
      throw new AssertionError(e);
    }
  }
}

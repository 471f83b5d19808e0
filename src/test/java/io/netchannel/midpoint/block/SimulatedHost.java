package io.netchannel.midpoint.block;

import io.netchannel.device.Outcome;
import io.netchannel.midpoint.InflightTables;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointLimits;
import io.netchannel.midpoint.MidPointMemory;
import io.netchannel.midpoint.MidPointTrace;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;

/**
 * One host's side: its daemon with a mid-point, its device and its cache; the daemon may be killed.
 */
final class SimulatedHost {
  /** The process is killed at this point of the program. */
  static final class Killed extends Error {
    private static final long serialVersionUID = 1L;
  }

  static final BlockLimits LIMITS =
      new BlockLimits(new MidPointLimits(24, 3L * BlockLimits.MAX_REQUEST_BYTES, 4), 1_000);

  private final Random random;
  private final boolean errors;
  private final Supplier<ScriptedDevice> devices;
  private final ByteBuffer inflight;
  private MidPointMemory memory;
  private int storesToLive = -1;
  long nanos;
  MemoryDisk disk = new MemoryDisk();
  ScriptedDevice device;
  BlockMidPoint midPoint;
  int stores;

  /** What its mid-points have said of guests that arrived. */
  final List<String> milestones = new ArrayList<>();

  SimulatedHost(Random random, Storage storage, boolean errors) {
    this(random, cached(storage), errors);
  }

  /** One whose mid-point shares memory with others. */
  SimulatedHost(Storage storage, MidPointMemory memory) {
    this(new Random(1), cached(storage), false, memory);
  }

  private static Supplier<ScriptedDevice> cached(Storage storage) {
    Storage.HostCache cache = storage.host();
    return () -> new ScriptedDevice(cache);
  }

  /**
   * @param devices one for each life of its daemon
   */
  SimulatedHost(Random random, Supplier<ScriptedDevice> devices, boolean errors) {
    this(random, devices, errors, MidPointMemory.unshared(LIMITS.common().bufferBytes()));
  }

  private SimulatedHost(
      Random random, Supplier<ScriptedDevice> devices, boolean errors, MidPointMemory memory) {
    this.memory = memory;
    this.random = random;
    this.errors = errors;
    this.devices = devices;
    device = devices.get();
    inflight = InflightTables.memory(BlockMidPoint.INFLIGHT, LIMITS.common());
    midPoint = newMidPoint();
  }

  private BlockMidPoint newMidPoint() {
    return new BlockMidPoint(
        new MidPointId("guest", new UUID(0, 1), 7, "xvdb"),
        disk,
        InflightTables.over(BlockMidPoint.INFLIGHT, inflight, this::onStore),
        LIMITS,
        memory,
        MidPointTrace.off(),
        () -> nanos,
        () -> {},
        milestones::add);
  }

  private void onStore() {
    stores++;
    if (storesToLive > 0 && --storesToLive == 0) {
      throw new Killed();
    }
  }

  /** Kills the daemon at the given store to the in-flight table, counted from now. */
  void killAtStore(int store) {
    storesToLive = store;
  }

  /** The process is dead: nothing of it is used any more, and a new one goes on. */
  void restart(SharedRings rings, long generation, boolean sealed) {
    restart(rings, generation, sealed, -1);
  }

  /** Likewise; the new process is killed too, at the given store counted from its start. */
  void restart(SharedRings rings, long generation, boolean sealed, int killAtStore) {
    boolean steady = disk.isSteady();
    storesToLive = killAtStore;
    device.die(random::nextBoolean);
    disk.fence("its process is dead");
    device = devices.get();
    if (steady) {
      disk = MemoryDisk.restarted(rings);
    } else {
      // The frontend had not finished connecting: it begins again with the new process.
      disk = new MemoryDisk();
      disk.connect(rings);
    }
    memory = MidPointMemory.unshared(LIMITS.common().bufferBytes()); // as all of a new process
    midPoint = newMidPoint();
    await(midPoint.recover(device, generation, sealed));
  }

  void work() {
    midPoint.doWork();
  }

  /** Some of what is at the device completes. */
  void completeSome() {
    int count = random.nextInt(3);
    while (count-- > 0 && !device.running.isEmpty()) {
      boolean fails = errors && random.nextInt(12) == 0;
      device.complete(
          random.nextInt(device.running.size()),
          fails ? Outcome.IO_ERROR : Outcome.OK,
          !fails || random.nextBoolean());
    }
  }

  /** Works until the future is done, the device completing everything. */
  <T> T await(CompletableFuture<T> future) {
    for (int i = 0; i < 10_000 && !future.isDone(); i++) {
      work();
      device.completeAll();
    }
    if (!future.isDone()) {
      throw new AssertionError("it does not end: " + midPoint.status());
    }
    return future.join();
  }
}

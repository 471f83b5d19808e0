package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Device;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.mirror.MirrorDevice;
import io.netchannel.device.mirror.MirrorOwner;
import io.netchannel.device.mirror.MirrorSettings;
import io.netchannel.device.mirror.MirrorState;
import io.netchannel.midpoint.InflightTables;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointMemory;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.midpoint.block.SimulatedHost.Killed;
import java.nio.ByteBuffer;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * A guest with random racing I/O while another device is put under its disk by a whole mid-point:
 * inserted, copied to, switched, taken away. Its daemon is killed at any store to the in-flight
 * table, at either side of the record, and between any two steps; the power may go at any moment.
 * Each answer, what would be durable, and the disk at the end are held against a plain model. Which
 * device is the disk the record alone says, and the other one is scribbled over.
 */
final class SwapPropertyTest {
  private static final int SIZE_BYTES = SimulatedGuest.SECTORS * BlockLimits.SECTOR_BYTES;
  private static final int BUFFERS = 16;
  private static final long LONGEST_STEP_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final int LONGEST_RUN = 20_000;

  // A test that never gets there shows nothing.
  private int killedBefore;
  private int killedAfter;
  private int killedAtTheRecord;
  private int paused;

  @Test
  void swaps() {
    Seeds.forEach(500, random -> new Run(random, false).go(0));
  }

  @Test
  void swapsToADiskThatFailsAtTimes() {
    Seeds.forEach(500, random -> new Run(random, true).go(0));
    if (Long.getLong("netchannel.seed") == null) {
      assertThat(paused).as("steps in which it was paused").isGreaterThan(1000);
    }
  }

  @Test
  void killedDaemons() {
    Seeds.forEach(800, random -> new Run(random, random.nextInt(3) == 0).go(3));
    if (Long.getLong("netchannel.seed") == null) {
      assertThat(killedBefore).as("killed before the record").isGreaterThan(200);
      assertThat(killedAfter).as("killed after the record").isGreaterThan(100);
      assertThat(killedAtTheRecord).as("killed with the record, untold").isGreaterThan(50);
    }
  }

  private final class Run implements MirrorOwner {
    private final Random random;
    private final boolean followerFails;
    private final VolatileDisk old = new VolatileDisk(SIZE_BYTES);
    private final VolatileDisk fresh = new VolatileDisk(SIZE_BYTES);
    private final SimulatedGuest guest;
    private final ByteBuffer inflight =
        InflightTables.memory(BlockMidPoint.INFLIGHT, SimulatedHost.LIMITS.common());

    /** The journal: the fresh one is the disk. */
    private boolean recorded;

    private int killsLeft;

    // A process.
    private int storesToLive = -1;
    private long nanos;
    private MemoryDisk disk = new MemoryDisk();
    private BlockMidPoint midPoint;
    private VolatileDisk.Opened leader;
    private VolatileDisk.Opened follower;

    /** Null before it is made, and when it is not under the guest any more. */
    private MirrorDevice mirror;

    /** Asked for and not written yet; else null. */
    private CompletableFuture<Void> record;

    /** The survivor takes the mirror's place; else null. */
    private CompletableFuture<Void> leaving;

    Run(Random random, boolean followerFails) {
      this.random = random;
      this.followerFails = followerFails;
      guest =
          new SimulatedGuest(
              random,
              new DiskModel(SimulatedGuest.SECTORS),
              () -> recorded ? fresh.durable : old.durable,
              false);
      fresh.scribble(random); // it was somebody else's
    }

    void go(int kills) {
      killsLeft = kills;
      midPoint = newMidPoint();
      leader = old.open();
      await(midPoint.serve(leader, 1));
      disk.connect(guest.rings());
      for (int i = random.nextInt(40); i > 0; i--) {
        step();
      }
      follower = fresh.open();
      MirrorDevice made = mirrored();
      CompletableFuture<Void> inserted = midPoint.exchange(before -> made);
      for (int i = random.nextInt(20); i > 0; i--) {
        step();
      }
      await(inserted);
      mirror = made;
      mirror.resume();
      for (int i = 0; mirror != null; i++) {
        assertThat(i).as("steps to the switch: %s", mirror.status()).isLessThan(LONGEST_RUN);
        stepOrDie();
      }
      for (int i = random.nextInt(40); i > 0; i--) {
        stepOrDie();
      }
      finish();
    }

    private MirrorDevice mirrored() {
      return new MirrorDevice(
          leader,
          follower,
          new MirrorSettings(
              false,
              false,
              random.nextBoolean(),
              true,
              random.nextBoolean(),
              MirrorSettings.LEG_TIMEOUT),
          new BufferBudget((long) BUFFERS * BufferBudget.UNIT_BYTES),
          this,
          () -> nanos);
    }

    private BlockMidPoint newMidPoint() {
      return new BlockMidPoint(
          new MidPointId("guest", new UUID(0, 1), 7, "xvdb"),
          disk,
          InflightTables.over(BlockMidPoint.INFLIGHT, inflight, this::onStore),
          SimulatedHost.LIMITS,
          MidPointMemory.unshared(SimulatedHost.LIMITS.common().bufferBytes()),
          MidPointTrace.off(),
          () -> nanos,
          () -> {},
          said -> {});
    }

    private void onStore() {
      if (storesToLive > 0 && --storesToLive == 0) {
        throw new Killed();
      }
    }

    @Override
    public CompletableFuture<Void> recordSwitch() {
      record = new CompletableFuture<>();
      return record;
    }

    private void step() {
      switch (random.nextInt(8)) {
        case 0, 1 -> guest.submit(12);
        case 2, 3 -> midPoint.doWork();
        case 4 -> leader.completeOne(random, false);
        case 5 -> complete(follower);
        case 6 -> guest.interrupt(random.nextInt(4) == 0);
        default -> time(random.nextInt(4) == 0 ? random.nextLong(LONGEST_STEP_NANOS) : 0);
      }
      guest.checkDurable("should the power go");
    }

    private void complete(VolatileDisk.Opened device) {
      if (device != null) {
        // From the moment that the record is asked for its errors may be the disk's.
        boolean mayFail = followerFails && record == null && !recorded;
        device.completeOne(random, mayFail && random.nextInt(12) == 0);
      }
    }

    private void time(long passedNanos) {
      nanos += passedNanos;
      if (mirror != null) {
        mirror.tick();
        paused += mirror.status().state() == MirrorState.PAUSED ? 1 : 0;
        carryOn();
      }
    }

    /** What a job's runner does: the record, and the end of the mirror. */
    private void carryOn() {
      if (record != null) {
        recorded = true;
        if (killsLeft > 0 && random.nextInt(4) == 0) {
          killedAtTheRecord++;
          throw new Killed();
        }
        CompletableFuture<Void> written = record;
        record = null;
        written.complete(null);
      } else if (mirror.status().state() == MirrorState.SYNC) {
        if (random.nextInt(8) == 0) {
          mirror.switchOver(); // it was told to wait for that
        }
      } else if (leaving == null
          && mirror.status().state() == MirrorState.ALONE
          && mirror.left().isDone()) {
        MirrorDevice over = mirror;
        leaving = midPoint.exchange(before -> over.survivor());
      } else if (leaving != null && leaving.isDone()) {
        leaving.join();
        mirror.dissolve();
        assertThat(leader.closed).isTrue();
        mirror = null;
        leaving = null;
        old.scribble(random);
        leader = follower;
        follower = null;
      }
    }

    private void stepOrDie() {
      if (killsLeft > 0 && random.nextInt(60) == 0) {
        storesToLive = 1 + random.nextInt(40);
      }
      try {
        step();
        if (killsLeft > 0 && random.nextInt(200) == 0) {
          throw new Killed();
        }
      } catch (Killed e) {
        killsLeft--;
        restart();
      }
    }

    /** The next process has the rings, the in-flight table, both devices and the record. */
    private void restart() {
      storesToLive = -1;
      leader.die(random);
      if (follower != null) {
        follower.die(random);
      }
      record = null;
      leaving = null;
      boolean steady = disk.isSteady();
      disk.fence("its process is dead");
      if (steady) {
        disk = MemoryDisk.restarted(guest.rings());
      } else {
        disk = new MemoryDisk();
        disk.connect(guest.rings());
      }
      midPoint = newMidPoint();
      Device device;
      if (recorded) {
        killedAfter++;
        leader = fresh.open();
        device = leader;
        old.scribble(random);
        follower = null;
        mirror = null;
      } else {
        killedBefore++;
        fresh.scribble(random); // a map that is lost says nothing of it
        leader = old.open();
        follower = fresh.open();
        mirror = mirrored();
        device = mirror;
      }
      await(midPoint.recover(device, 1, false));
      if (mirror != null) {
        mirror.resume();
      }
    }

    private void finish() {
      storesToLive = -1;
      for (int i = 0; i < 2000 && guest.outstanding() > 0; i++) {
        midPoint.doWork();
        leader.completeAll();
        guest.interrupt(true);
      }
      assertThat(guest.outstanding()).as("requests never answered").isZero();
      assertThat(recorded).isTrue();
      guest.checkDisk(fresh.cached, "at the end");
      midPoint.close();
      assertThat(leader.closed).isTrue();
    }

    private void await(CompletableFuture<?> future) {
      for (int i = 0; i < 10_000 && !future.isDone(); i++) {
        midPoint.doWork();
        leader.completeAll();
        if (follower != null) {
          follower.completeAll();
        }
      }
      assertThat(future).as("%s", midPoint.status()).isDone();
      future.join();
    }
  }
}

package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferBudget;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * The mirror itself, on legs whose requests end one by one in any order, against what a guest may
 * expect of one disk. Two and a bit regions, a guest that writes, reads, flushes and discards,
 * errors at either leg, a silent follower, pauses, kill -9 with a restart from the map, loss of
 * power with any subset of unflushed blocks lost. After each step all invariants are looked at;
 * each run ends with a switch and a follower that has it all.
 */
final class MirrorModelTest {
  private static final int BLOCK = SteppedDevice.BLOCK_BYTES;
  private static final int REGION_BLOCKS = DifferenceMap.REGION_BYTES / BLOCK;
  private static final int BLOCKS = 2 * REGION_BLOCKS + 3;

  /** The blocks the guest uses: both sides of the borders of regions, and the short last one. */
  private static final int[] USED = {
    0, 1, REGION_BLOCKS - 1, REGION_BLOCKS, REGION_BLOCKS + 1, 2 * REGION_BLOCKS, BLOCKS - 1
  };

  private static final int RUNS = 1_000;
  private static final int STEPS = 120;

  /** Steps to the end without any fault; a run that needs more hangs. */
  private static final int MOST_STEPS = 20_000;

  /** States that runs have been in: a test that never gets there shows nothing. */
  private final Set<MirrorState> visited = EnumSet.noneOf(MirrorState.class);

  @Test
  void whateverTheOrderTheGuestHasOneDisk() {
    Optional<Long> only = Optional.ofNullable(Long.getLong("netchannel.seed"));
    if (only.isPresent()) {
      new Run(only.get(), true).run();
      return;
    }
    for (long seed = 0; seed < RUNS; seed++) {
      try {
        new Run(seed, false).run();
      } catch (AssertionError | RuntimeException e) {
        throw new AssertionError("-Dnetchannel.seed=" + seed + ": " + e.getMessage(), e);
      }
    }
    assertThat(visited).containsExactlyInAnyOrder(MirrorState.values());
  }

  /** A guest's request that has not been answered. */
  private static final class Open {
    final MirroredRequest.Kind kind;
    final int first;
    final int count;
    final int value;
    final ByteBuffer data;

    /** Of a flush: what each block has at least when it is done. */
    int[] told;

    Open(MirroredRequest.Kind kind, int first, int count, int value) {
      this.kind = kind;
      this.first = first;
      this.count = count;
      this.value = value;
      data = kind == MirroredRequest.Kind.FLUSH ? null : ByteBuffer.allocate(count * BLOCK);
    }

    boolean touches(int from, int blocks) {
      return kind != MirroredRequest.Kind.FLUSH && first < from + blocks && from < first + count;
    }
  }

  private final class Run {
    private final long seed;
    private final boolean loud;
    private final Random random;
    private final boolean bothZero;
    private final SteppedDevice leader;
    private final SteppedDevice follower;
    private final List<SteppedDevice> legs;
    private final ByteBuffer memory =
        ByteBuffer.allocateDirect(DifferenceMap.bytesFor((long) BLOCKS * BLOCK) + 8)
            .alignedSlice(8);
    private final List<Open> open = new ArrayList<>();

    /** By block: what the guest was told it has; several after a failed write. */
    private final List<Set<Integer>> known = new ArrayList<>();

    /** By block: what it may have at least, after a loss of power. Values only grow. */
    private final int[] flushed = new int[BLOCKS];

    private final int[] zeroedAt = new int[BLOCKS];

    private final boolean zeroFollower;

    /** One unit is not always enough for what copier and follower would have at once. */
    private final long budgetBytes;

    private long nanos = 1;
    private int nextValue = 1;
    private MirrorDevice mirror;
    private CompletableFuture<Void> record;
    private boolean recorded;
    private boolean aborted;
    private boolean faults = true;
    private boolean leaderFaults;

    Run(long seed, boolean loud) {
      this.seed = seed;
      this.loud = loud;
      random = new Random(seed);
      for (int block = 0; block < BLOCKS; block++) {
        known.add(new HashSet<>(Set.of(0)));
      }
      budgetBytes = (random.nextInt(5) == 0 ? 1 : 16) * (long) BufferBudget.UNIT_BYTES;
      zeroFollower = random.nextInt(4) == 0;
      bothZero = random.nextInt(3) > 0;
      leader = new SteppedDevice("leader", BLOCKS, 0, true);
      follower = new SteppedDevice("follower", BLOCKS, zeroFollower ? 0 : -1, bothZero);
      legs = List.of(leader, follower);
      leaderFaults = random.nextInt(3) == 0;
      begin(DifferenceMap.allDiffering(memory, (long) BLOCKS * BLOCK, () -> {}), zeroFollower);
    }

    private void begin(DifferenceMap map, boolean zero) {
      MirrorSettings settings =
          new MirrorSettings(
              zero,
              !zero && random.nextBoolean(),
              random.nextInt(3) > 0,
              random.nextInt(4) > 0,
              Duration.ofSeconds(5));
      mirror =
          new MirrorDevice(
              leader,
              follower,
              map,
              settings,
              new BufferBudget(budgetBytes),
              new Owner(),
              () -> nanos);
      mirror.resume();
    }

    private final class Owner implements MirrorOwner {
      @Override
      public CompletableFuture<Void> recordSwitch() {
        record = new CompletableFuture<>();
        return record;
      }
    }

    void run() {
      for (int step = 0; step < STEPS && !recorded && !aborted; step++) {
        step();
        check();
      }
      finish();
    }

    private void step() {
      int choice = random.nextInt(100);
      if (choice < 22) {
        guest();
      } else if (choice < 80) {
        device();
      } else if (choice < 88) {
        pass();
      } else if (choice < 92 && record != null) {
        answerRecord(random.nextInt(4) > 0);
      } else if (choice < 93) {
        say("pause");
        mirror.pause("a person says so");
      } else if (choice < 95) {
        say("resume");
        mirror.resume();
      } else if (choice < 96) {
        mirror.switchOver();
      } else if (choice < 98) {
        restart(false);
      } else if (choice < 99) {
        restart(true);
      } else if (random.nextInt(4) == 0) {
        say("abort");
        aborted = mirror.abort();
      }
    }

    private void pass() {
      nanos += TimeUnit.MILLISECONDS.toNanos(random.nextInt(10) == 0 ? 6_000 : 100);
      mirror.tick();
    }

    // ---- The guest

    private void guest() {
      if (open.size() >= 4) {
        return;
      }
      int first = USED[random.nextInt(USED.length)];
      int count = first + 2 <= BLOCKS && random.nextInt(3) == 0 ? 2 : 1;
      MirroredRequest.Kind kind =
          switch (random.nextInt(10)) {
            case 0, 1 -> MirroredRequest.Kind.READ;
            case 2 -> MirroredRequest.Kind.FLUSH;
            case 3 -> MirroredRequest.Kind.DISCARD;
            default -> MirroredRequest.Kind.WRITE;
          };
      if (kind == MirroredRequest.Kind.DISCARD && !bothZero) {
        return; // it is refused, see MirrorDeviceTest
      }
      // As a mid-point has it: one of those that overlap at a time.
      if (kind != MirroredRequest.Kind.FLUSH && isOpen(first, count)) {
        return;
      }
      Open request = new Open(kind, first, count, nextValue++);
      open.add(request);
      if (kind == MirroredRequest.Kind.FLUSH) {
        request.told = leastKnown();
      }
      submit(request);
    }

    private int[] leastKnown() {
      int[] least = new int[BLOCKS];
      for (int block = 0; block < BLOCKS; block++) {
        least[block] =
            isOpen(block, 1) ? 0 : known.get(block).stream().min(Integer::compare).orElseThrow();
      }
      return least;
    }

    private boolean isOpen(int first, int count) {
      for (Open each : open) {
        if (each.touches(first, count)) {
          return true;
        }
      }
      return false;
    }

    private void submit(Open request) {
      say("guest %s %d+%d %d".formatted(request.kind, request.first, request.count, request.value));
      long offset = (long) request.first * BLOCK;
      MirrorDevice to = mirror;
      switch (request.kind) {
        case READ -> mirror.read(offset, request.data, outcome -> answered(to, request, outcome));
        case WRITE -> {
          for (int i = 0; i < request.count; i++) {
            SteppedDevice.put(request.data, i * BLOCK, request.value);
          }
          mirror.write(offset, request.data, outcome -> answered(to, request, outcome));
        }
        case DISCARD -> {
          for (int i = 0; i < request.count; i++) {
            // Zeros may come at any moment now, and have no order.
            flushed[request.first + i] = 0;
            zeroedAt[request.first + i] = request.value;
          }
          mirror.discard(
              offset, (long) request.count * BLOCK, outcome -> answered(to, request, outcome));
        }
        case FLUSH -> mirror.flush(outcome -> answered(to, request, outcome));
      }
    }

    private void answered(MirrorDevice from, Open request, Outcome outcome) {
      if (from != mirror) {
        return; // of a process that was killed
      }
      say("answered %s %d: %s".formatted(request.kind, request.value, outcome));
      assertThat(open.remove(request)).as("answered once").isTrue();
      if (!leaderFaults && !recorded) {
        assertThat(outcome)
            .as("the guest sees nothing of the follower's errors")
            .isEqualTo(Outcome.OK);
      }
      switch (request.kind) {
        case READ -> {
          for (int i = 0; i < request.count && outcome == Outcome.OK; i++) {
            assertThat(known.get(request.first + i))
                .as("block %s", request.first + i)
                .contains(SteppedDevice.get(request.data, i * BLOCK));
          }
        }
        case WRITE, DISCARD -> {
          int value = request.kind == MirroredRequest.Kind.WRITE ? request.value : 0;
          for (int i = 0; i < request.count; i++) {
            if (outcome == Outcome.OK) {
              known.set(request.first + i, new HashSet<>(Set.of(value)));
            } else {
              known.get(request.first + i).add(value);
            }
          }
          if (request.kind == MirroredRequest.Kind.WRITE && request.data != null) {
            // The buffer is the guest's again: who uses it from now on is wrong.
            for (int i = 0; i < request.count; i++) {
              SteppedDevice.put(request.data, i * BLOCK, Integer.MIN_VALUE);
            }
          }
        }
        case FLUSH -> {
          for (int block = 0; block < BLOCKS && outcome == Outcome.OK; block++) {
            if (zeroedAt[block] < request.value) {
              flushed[block] = Math.max(flushed[block], request.told[block]);
            }
          }
        }
      }
    }

    // ---- The devices

    private void device() {
      SteppedDevice leg = legs.get(random.nextInt(2));
      if (leg.steps.isEmpty()) {
        return;
      }
      SteppedDevice.Step step = leg.steps.get(random.nextInt(leg.steps.size()));
      // The one that was left may fail as it likes: of what went to both the other one decides.
      boolean mayFail =
          leg == follower ? faults && !recorded : leaderFaults && (faults || recorded);
      if (mayFail && random.nextInt(12) == 0) {
        Outcome outcome = random.nextBoolean() ? Outcome.IO_ERROR : Outcome.NO_SPACE;
        say(step.what() + " FAILS");
        boolean becomesTheDisk = mirror.status().state() == MirrorState.RECORDING;
        if (step.what().endsWith("flushes") && leg == follower && !becomesTheDisk) {
          leg.losePower(random); // what was not durable may be gone after a failed flush
        }
        leg.fail(step, random.nextBoolean(), outcome);
      } else {
        say(step.what());
        leg.end(step);
      }
    }

    private void answerRecord(boolean well) {
      CompletableFuture<Void> answered = record;
      record = null;
      say("record " + well);
      if (well) {
        recorded = true;
        answered.complete(null);
      } else {
        answered.completeExceptionally(new IOException("no room"));
      }
    }

    // ---- Ends

    private void restart(boolean power) {
      if (recorded) {
        return;
      }
      say(power ? "POWER" : "KILL");
      mirror = null;
      // The journal's frame was written, and nobody heard of it: then the next one begins alone.
      boolean wasRecorded = record != null && random.nextBoolean();
      record = null;
      legs.forEach(leg -> leg.kill(random));
      DifferenceMap map;
      if (power) {
        legs.forEach(leg -> leg.losePower(random));
        for (int block = 0; block < BLOCKS; block++) {
          int found = (wasRecorded ? follower : leader).current[block];
          assertThat(found)
              .as("block %s after a loss of power", block)
              .isGreaterThanOrEqualTo(flushed[block]);
          known.set(block, new HashSet<>(Set.of(found)));
        }
        open.clear(); // the guest is gone, too
        memory.putLong(0, 0);
        map = DifferenceMap.allDiffering(memory, (long) BLOCKS * BLOCK, () -> {});
      } else {
        try {
          map = DifferenceMap.reopen(memory, (long) BLOCKS * BLOCK, () -> {});
        } catch (IOException e) {
          throw new AssertionError(e);
        }
      }
      if (wasRecorded) {
        say("it was recorded");
        recorded = true;
        reissue(follower);
        return;
      }
      begin(map, false);
      for (Open each : List.copyOf(open)) {
        if (open.contains(each)) {
          submit(each);
        }
      }
    }

    /** A process that begins after the record knows one leg only. */
    private void reissue(SteppedDevice alone) {
      for (Open each : List.copyOf(open)) {
        for (int i = 0; i < each.count; i++) {
          int value = each.kind == MirroredRequest.Kind.WRITE ? each.value : 0;
          if (each.kind.changesData()) {
            alone.current[each.first + i] = value;
            known.set(each.first + i, new HashSet<>(Set.of(value)));
          }
        }
        open.remove(each);
      }
    }

    /** Without any more faults it comes to its end: one leg has all, the other one is left. */
    private void finish() {
      faults = false;
      for (int step = 0; !isOver(); step++) {
        if (step > MOST_STEPS) {
          throw new AssertionError("does not end: " + (mirror == null ? "" : mirror.status()));
        }
        if (record != null) {
          answerRecord(true);
        }
        if (step % 50 == 0) {
          mirror.resume();
          mirror.switchOver();
        }
        device();
        if (step % 7 == 0) {
          pass();
        }
        if (step < 500 && step % 10 == 0) {
          guest();
        }
        check();
      }
      for (int block = 0; block < BLOCKS; block++) {
        assertThat(known.get(block))
            .as("block %s", block)
            .contains((aborted ? leader : follower).current[block]);
      }
      if (mirror != null) {
        assertThat(mirror.left()).isCompleted();
        mirror.close();
      }
    }

    private boolean isOver() {
      if (mirror == null) {
        return true;
      }
      return mirror.status().state() == (aborted ? MirrorState.ABORTED : MirrorState.ALONE)
          && open.isEmpty()
          && legs.stream().allMatch(leg -> leg.steps.isEmpty());
    }

    // ---- What must be true at every moment

    private void check() {
      if (mirror == null) {
        return;
      }
      MirrorState state = mirror.status().state();
      visited.add(state);
      SteppedDevice disk = state == MirrorState.ALONE ? follower : leader;
      assertThat(state == MirrorState.ALONE && !recorded).as("alone before the record").isFalse();
      for (int block = 0; block < BLOCKS; block++) {
        if (!isOpen(block, 1) && !known.get(block).contains(disk.current[block])) {
          throw new AssertionError(
              "block %d has %d, the guest was told %s"
                  .formatted(block, disk.current[block], known.get(block)));
        }
      }
      checkLegs(state);
    }

    private void checkLegs(MirrorState state) {
      if (state == MirrorState.ALONE || state == MirrorState.ABORTED) {
        return;
      }
      DifferenceMap map;
      try {
        map = DifferenceMap.reopen(memory, (long) BLOCKS * BLOCK, () -> {});
      } catch (IOException e) {
        throw new AssertionError(e);
      }
      // In RECORDING a follower may have failed: it is given up, or alone, when that is known.
      boolean inSync =
          state == MirrorState.SYNC || (state == MirrorState.RECORDING && map.count() == 0);
      for (int block = 0; block < BLOCKS; block++) {
        boolean equal = leader.current[block] == follower.current[block];
        if (!map.isSet(block / REGION_BLOCKS) && !isOpen(block, 1) && !isAtALeg(block)) {
          expect(equal, "block %d differs, and its bit is clear", block);
        }
        if (inSync && !isOpen(block, 1)) {
          expect(equal, "block %d differs in sync", block);
          expect(
              follower.leastDurable(block) >= flushed[block],
              "block %d was flushed, and is not durable on the follower",
              block);
        }
      }
    }

    private void expect(boolean holds, String otherwise, int block) {
      if (!holds) {
        throw new AssertionError(otherwise.formatted(block));
      }
    }

    private boolean isAtALeg(int block) {
      return legs.stream().anyMatch(leg -> leg.isChanging(block));
    }

    private void say(String what) {
      if (loud) {
        System.out.println(
            what + (mirror == null ? "" : "   " + mirror.status().state()) + " " + seed);
      }
    }
  }
}

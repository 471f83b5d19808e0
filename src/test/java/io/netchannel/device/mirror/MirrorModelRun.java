package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** One run of the model, see {@link MirrorModelTest}: the same one for the same seed. */
final class MirrorModelRun {
  private static final int BLOCK = SteppedDevice.BLOCK_BYTES;
  private static final int REGION_BLOCKS = DifferenceMap.REGION_BYTES / BLOCK;

  /** The blocks the guest uses: both sides of the borders of regions, and the short last one. */
  private static final int[] USED = {
    0, 1, REGION_BLOCKS - 1, REGION_BLOCKS, REGION_BLOCKS + 1, 2 * REGION_BLOCKS
  };

  /** What a copy has memory for, and a hole behind it that is copied as one. */
  private static final int[] USED_IF_LONG = {
    0, 3 * REGION_BLOCKS, 5 * REGION_BLOCKS, 9 * REGION_BLOCKS - 1, 9 * REGION_BLOCKS
  };

  private static final int STEPS = 120;

  /** Steps to the end without any fault; a run that needs more hangs. */
  private static final int MOST_STEPS = 20_000;

  /** What a run may go through. */
  enum Event {
    CLOSE,
    CLOSE_WHILE_RECORDING,
    KILL,
    KILL_AT_A_STORE,
    POWER_LOSS,
    FOUND_WITHOUT_A_BIT,
    LATE_REISSUE,
    TRACKED,
    KILL_WHILE_TRACKED,
    BEGUN_WITH_REQUESTS_OF_BEFORE,
    OTHER_TARGET,
    FLUSHES_FAIL,
    HELD_IN_SYNC,
    OVERLAP,
    CHANGE_WHILE_VERIFYING,
    VERIFIED,
    DAMAGE,
    DAMAGE_FOUND
  }

  /** The process is killed at this store of the map. */
  private static final class Killed extends Error {
    private static final long serialVersionUID = 1L;
  }

  private final long seed;
  private final boolean loud;
  private final Map<MirrorState, Integer> visited;
  private final Map<Event, Integer> seen;
  private final Random random;
  private final boolean bothZero;
  private final boolean overlaps;
  private final boolean verifies;
  private final boolean damages;
  private final int blocks;
  private final long bytes;
  private final int[] used;
  private final SteppedDevice leader;
  private final SteppedDevice follower;
  private final List<SteppedDevice> legs;
  private final MirrorInvariants invariants;
  private final ByteBuffer memory;
  private final GuestModel guest;
  private final boolean zeroFollower;

  /** One unit is not always enough for what copier and follower would have at once. */
  private final long budgetBytes;

  /** Not answered by the process before, and not issued by this one yet. */
  private final Queue<GuestModel.Request> reissues = new ArrayDeque<>();

  private long nanos = 1;
  private int storesToLive;
  private boolean killed;
  private MirrorDevice mirror;

  /** What the guest has without a mirror; null when it has one. */
  private TrackedDevice tracked;

  /** Requests that went past the mirror, and have not ended: it begins when they have. */
  private int past;

  private boolean resumeDue;

  /** Goes up with each death: nobody hears what its requests become. */
  private int process;

  private CompletableFuture<Void> record;
  private boolean recorded;
  private boolean aborted;
  private boolean held;

  /** Nobody hears the answers any more: the process is about to end. */
  private boolean deaf;

  private boolean faults = true;
  private boolean leaderFaults;

  MirrorModelRun(
      long seed, boolean loud, Map<MirrorState, Integer> visited, Map<Event, Integer> seen) {
    this.seed = seed;
    this.loud = loud;
    this.visited = visited;
    this.seen = seen;
    random = new Random(seed);
    budgetBytes = (random.nextInt(5) == 0 ? 1 : 16) * (long) BufferBudget.UNIT_BYTES;
    zeroFollower = random.nextInt(4) == 0;
    bothZero = random.nextInt(3) > 0;
    overlaps = random.nextInt(4) == 0;
    verifies = random.nextBoolean();
    damages = verifies && random.nextBoolean();
    boolean isLong = random.nextInt(5) == 0;
    blocks = (isLong ? 10 : 2) * REGION_BLOCKS + 3;
    bytes = (long) blocks * BLOCK;
    used = Arrays.copyOf(isLong ? USED_IF_LONG : USED, (isLong ? USED_IF_LONG : USED).length + 1);
    used[used.length - 1] = blocks - 1;
    memory = ByteBuffer.allocateDirect(DifferenceMap.bytesFor(bytes) + 8).alignedSlice(8);
    guest = new GuestModel(blocks);
    leader = new SteppedDevice("leader", blocks, 0, true);
    follower = new SteppedDevice("follower", blocks, zeroFollower ? 0 : -1, bothZero);
    legs = List.of(leader, follower);
    invariants = new MirrorInvariants(guest, leader, follower);
    legs.forEach(leg -> leg.onCall = this::expectNoLock);
    leaderFaults = random.nextInt(3) == 0;
    begin(newMap(), zeroFollower);
  }

  private DifferenceMap newMap() {
    memory.putLong(0, 0);
    return DifferenceMap.allDiffering(memory, bytes, this::stored);
  }

  private DifferenceMap foundMap() {
    try {
      return DifferenceMap.reopen(memory, bytes, this::stored);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private void stored() {
    if (storesToLive > 0 && --storesToLive == 0) {
      killed = true;
      throw new Killed();
    }
  }

  /** Futures keep to themselves what is thrown by who waits for them. */
  private void dieIfKilled() {
    if (killed) {
      throw new Killed();
    }
  }

  private void begin(DifferenceMap map, boolean zero) {
    legs.forEach(SteppedDevice::open);
    deaf = false;
    mirror(map, zero);
  }

  /** The follower is not open yet. */
  private void track(DifferenceMap map) {
    saw(Event.TRACKED);
    leader.open();
    held = false;
    deaf = false;
    record = null;
    tracked = new TrackedDevice(leader, map);
  }

  /** Now it is. */
  private void exchange() {
    say("exchange");
    if (past > 0) {
      saw(Event.BEGUN_WITH_REQUESTS_OF_BEFORE);
    }
    follower.open();
    DifferenceMap map = tracked.map();
    tracked = null;
    mirror(map, false);
  }

  private void mirror(DifferenceMap map, boolean zero) {
    MirrorSettings settings =
        new MirrorSettings(
            zero,
            !zero && random.nextBoolean(),
            random.nextInt(3) > 0,
            random.nextInt(4) > 0,
            verifies,
            Duration.ofSeconds(5));
    held = false;
    record = null;
    mirror =
        new MirrorDevice(
            leader,
            follower,
            map,
            settings,
            new BufferBudget(budgetBytes),
            new Owner(),
            () -> nanos);
    resume();
  }

  private void resume() {
    resumeDue = past > 0;
    if (!resumeDue) {
      mirror.resume();
    }
  }

  private final class Owner implements MirrorOwner {
    @Override
    public CompletableFuture<Void> recordSwitch() {
      expectNoLock();
      assertThat(held).as("a switch that is held").isFalse();
      if (verifies) {
        saw(Event.VERIFIED);
        assertThat(mirror.status().uncomparedBytes()).isZero();
        assertThat(follower.current).as("verified").doesNotContain(SteppedDevice.DAMAGED);
      }
      record = new CompletableFuture<>();
      return record;
    }

    @Override
    public void changed() {
      expectNoLock();
    }
  }

  private void expectNoLock() {
    if (mirror != null && mirror.holdsLock()) {
      throw new AssertionError("called under the mirror's lock");
    }
  }

  void run() {
    for (int step = 0; step < STEPS && !recorded && !aborted; step++) {
      try {
        step();
        dieIfKilled();
      } catch (Killed e) {
        saw(Event.KILL_AT_A_STORE);
        kill();
      }
      check();
    }
    finish();
  }

  private void step() {
    if (tracked != null) {
      stepWithoutMirror();
      return;
    }
    damage();
    if (!reissues.isEmpty() && random.nextInt(4) == 0) {
      issue(reissues.remove());
      return;
    }
    int choice = random.nextInt(100);
    if (choice < 22) {
      request();
    } else if (choice < 80) {
      device();
    } else if (choice < 87) {
      pass();
    } else if (choice < 91 && record != null) {
      answerRecord(random.nextInt(4) > 0);
    } else if (choice < 92) {
      say("pause");
      mirror.pause("a person says so");
    } else if (choice < 94) {
      say("resume");
      resume();
    } else if (choice < 95) {
      switching();
    } else {
      end();
    }
  }

  private void stepWithoutMirror() {
    int choice = random.nextInt(20);
    if (choice < 4 && !reissues.isEmpty()) {
      issue(reissues.remove());
    } else if (choice < 8) {
      request();
    } else if (choice < 15) {
      device();
    } else if (choice < 16) {
      saw(Event.KILL_WHILE_TRACKED);
      kill();
    } else if (choice < 17) {
      storesToLive = 1 + random.nextInt(3);
    } else {
      exchange();
    }
  }

  private void end() {
    switch (random.nextInt(12)) {
      case 0, 1, 2 -> kill();
      case 3, 4 -> storesToLive = 1 + random.nextInt(6);
      case 5, 6 -> losePower();
      case 7, 8, 9 -> close();
      case 10 -> otherTarget();
      default -> {
        if (random.nextInt(3) == 0) {
          say("abort");
          aborted = mirror.abort();
        }
      }
    }
  }

  /** Before anything has been compared: it has to be found, unless it is written over. */
  private void damage() {
    MirrorStatus status = mirror.status();
    if (damages
        && status.state() == MirrorState.FLUSHING
        && status.uncomparedBytes() == bytes
        && random.nextBoolean()) {
      int block = random.nextInt(blocks);
      say("DAMAGE " + block);
      saw(Event.DAMAGE);
      follower.damage(block);
    }
  }

  private void pass() {
    nanos += TimeUnit.MILLISECONDS.toNanos(random.nextInt(10) == 0 ? 6_000 : 100);
    mirror.tick();
  }

  private void switching() {
    say("switch");
    switch (random.nextInt(3)) {
      case 0 -> mirror.switchOver();
      case 1 -> held = mirror.holdSwitch();
      default -> {
        held = false;
        mirror.releaseSwitch();
      }
    }
  }

  // ---- The guest

  private void request() {
    if (guest.open().size() >= 4) {
      return;
    }
    int first = used[random.nextInt(used.length)];
    int count = first + 2 <= blocks && random.nextInt(3) == 0 ? 2 : 1;
    Kind kind =
        switch (random.nextInt(10)) {
          case 0, 1 -> Kind.READ;
          case 2 -> Kind.FLUSH;
          case 3 -> Kind.DISCARD;
          default -> Kind.WRITE;
        };
    if (kind == Kind.DISCARD && !bothZero) {
      return; // it is refused, see MirrorDeviceTest
    }
    if (kind == Kind.FLUSH) {
      first = 0;
      count = 0;
    } else if (guest.isOpen(first, count)) {
      // A mid-point issues one of those that overlap at a time, a server all of them.
      if (!overlaps) {
        return;
      }
      saw(Event.OVERLAP);
    }
    issue(guest.begin(kind, first, count));
  }

  private void issue(GuestModel.Request request) {
    say("guest %s %d+%d %d".formatted(request.kind, request.first, request.count, request.number));
    long offset = (long) request.first * BLOCK;
    boolean isPast = tracked != null;
    past += isPast ? 1 : 0;
    if (request.kind.changesData() && isVerifying()) {
      saw(Event.CHANGE_WHILE_VERIFYING);
    }
    Device to = isPast ? tracked : mirror;
    int by = process;
    Completion answered = outcome -> answered(by, isPast, request, outcome);
    switch (request.kind) {
      case READ -> to.read(offset, request.data, answered);
      case WRITE -> {
        guest.fill(request);
        to.write(offset, request.data, answered);
      }
      case DISCARD -> to.discard(offset, (long) request.count * BLOCK, answered);
      case FLUSH -> to.flush(answered);
    }
  }

  private boolean isVerifying() {
    return mirror != null
        && mirror.status().state() == MirrorState.SYNC
        && mirror.status().uncomparedBytes() > 0;
  }

  private void answered(int by, boolean isPast, GuestModel.Request request, Outcome outcome) {
    if (by != process) {
      return; // of a process that has been killed
    }
    past -= isPast ? 1 : 0;
    if (resumeDue && past == 0 && mirror != null) {
      resume();
    }
    if (deaf) {
      return; // it does not look any more
    }
    expectNoLock();
    say("answered %s %d: %s".formatted(request.kind, request.number, outcome));
    if (!leaderFaults && !recorded) {
      assertThat(outcome)
          .as("the guest sees nothing of the follower's errors")
          .isEqualTo(Outcome.OK);
    }
    guest.answered(request, outcome);
  }

  // ---- The devices

  private void device() {
    SteppedDevice leg = legs.get(random.nextInt(2));
    if (leg.steps.isEmpty()) {
      return;
    }
    SteppedDevice.Step step = leg.steps.get(random.nextInt(leg.steps.size()));
    boolean flushes = step.what().endsWith("flushes");
    // The one that was left may fail as it likes: of what went to both the other one decides.
    boolean mayFail = leg == follower ? faults && !recorded : leaderFaults && (faults || recorded);
    if ((mayFail && random.nextInt(12) == 0) || (flushes && leg.flushFails)) {
      Outcome outcome = random.nextBoolean() ? Outcome.IO_ERROR : Outcome.NO_SPACE;
      say(step.what() + " FAILS");
      boolean becomesTheDisk = mirror != null && mirror.status().state() == MirrorState.RECORDING;
      if (flushes && leg == follower && !becomesTheDisk) {
        leg.losePower(random); // what was not durable may be gone after a failed flush
        if (random.nextBoolean()) {
          saw(Event.FLUSHES_FAIL);
          leg.flushFails = true;
        }
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
    dieIfKilled();
  }

  // ---- Ends, and what the next process makes of them

  private void kill() {
    say("KILL");
    saw(Event.KILL);
    boolean wasRecorded = dies();
    goOn(wasRecorded);
  }

  /** Returns whether the journal says that the follower is the disk, though nobody heard of it. */
  private boolean dies() {
    storesToLive = 0;
    killed = false;
    nobody();
    boolean wasRecorded = recorded || (record != null && random.nextBoolean());
    record = null;
    legs.forEach(leg -> leg.kill(random));
    return wasRecorded;
  }

  /** The process has ended. */
  private void nobody() {
    mirror = null;
    tracked = null;
    past = 0;
    resumeDue = false;
    process++;
  }

  private void losePower() {
    if (IntStream.range(0, blocks).anyMatch(follower::wasDamaged)) {
      return; // what was found, and repaired, may be lost again: nobody looks after the switch
    }
    say("POWER");
    saw(Event.POWER_LOSS);
    boolean wasRecorded = dies();
    legs.forEach(leg -> leg.losePower(random));
    guest.lostPower((wasRecorded ? follower : leader).current);
    reissues.clear();
    if (wasRecorded) {
      goOnAlone();
    } else {
      begin(newMap(), false);
    }
  }

  /** The process before has closed it, as far as it came; its answers were heard or not. */
  private void close() {
    say("CLOSE");
    saw(Event.CLOSE);
    storesToLive = random.nextInt(4) == 0 ? 1 + random.nextInt(3) : 0;
    deaf = random.nextBoolean();
    if (record == null) {
      mirror.close();
    } else {
      saw(Event.CLOSE_WHILE_RECORDING);
      closeWhileRecording();
    }
    assertThat(legs).as("nothing is at a leg that is closed").allMatch(leg -> leg.steps.isEmpty());
    if (!deaf) {
      assertThat(guest.open()).as("each is answered").hasSameElementsAs(reissues);
    }
    storesToLive = 0;
    nobody();
    goOn(recorded);
  }

  /** It waits for the record on a thread of its own; this one does not go on beside it. */
  private void closeWhileRecording() {
    FutureTask<Void> closed =
        new FutureTask<>(
            () -> {
              mirror.close();
              return null;
            });
    Thread thread = new Thread(closed, "close");
    thread.setDaemon(true); // killed while it waits it waits for ever
    thread.start();
    while (thread.getState() != Thread.State.WAITING && !closed.isDone()) {
      Thread.onSpinWait();
    }
    if (!closed.isDone()) {
      answerRecord(random.nextBoolean());
    }
    try {
      closed.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Error error) {
        throw error;
      }
      throw new AssertionError(e.getCause());
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** With the legs opened anew, the map that is found, and what was not answered. */
  private void goOn(boolean wasRecorded) {
    reissues.clear();
    if (wasRecorded) {
      goOnAlone();
      return;
    }
    DifferenceMap map = foundMap();
    // As the daemon does of what is in flight: one leg may have it. It may be issued again late.
    guest.open().stream()
        .filter(each -> each.kind.changesData())
        .forEach(each -> map.set((long) each.first * BLOCK, (long) each.count * BLOCK));
    if (map.count() == 0) {
      saw(Event.FOUND_WITHOUT_A_BIT);
    }
    if (random.nextInt(3) == 0) {
      track(map);
    } else {
      begin(map, zeroFollower);
    }
    reissues.addAll(guest.open());
    if (random.nextBoolean()) {
      reissueAll();
    } else if (!reissues.isEmpty()) {
      saw(Event.LATE_REISSUE);
    }
  }

  private void reissueAll() {
    while (!reissues.isEmpty()) {
      issue(reissues.remove());
    }
  }

  /** A process that begins after the record knows one leg only. */
  private void goOnAlone() {
    say("it was recorded");
    recorded = true;
    for (GuestModel.Request each : guest.open()) {
      for (int i = 0; i < each.count; i++) {
        if (each.kind.changesData()) {
          follower.current[each.first + i] = each.value();
        } else {
          SteppedDevice.put(each.data, i * BLOCK, follower.current[each.first + i]);
        }
      }
      guest.answered(each, each.kind == Kind.FLUSH ? Outcome.IO_ERROR : Outcome.OK);
    }
  }

  /** The target is opened anew and is not what it was: nothing is known of it. */
  private void otherTarget() {
    if (record != null) {
      return;
    }
    say("OTHER TARGET");
    storesToLive = 0; // a map is of no use once its mirror was aborted
    saw(Event.OTHER_TARGET);
    if (random.nextBoolean() && mirror.abort()) {
      reissueAll();
      for (int i = 0; i < MOST_STEPS && !(isIdle() && guest.open().isEmpty()); i++) {
        device();
      }
      assertThat(mirror.left()).isCompleted();
      assertThat(mirror.survivor()).isSameAs(leader);
      mirror.dissolve();
    } else {
      dies();
      reissues.clear();
      reissues.addAll(guest.open());
    }
    follower.becomeOther(random, -7);
    begin(newMap(), false);
    reissueAll();
  }

  /** Without any more faults it comes to its end: one leg has all, the other one is left. */
  private void finish() {
    faults = false;
    storesToLive = 0;
    if (follower.flushFails && !recorded && !aborted) {
      kill();
    }
    if (tracked != null) {
      exchange();
    }
    for (int step = 0; !isOver(); step++) {
      if (step > MOST_STEPS) {
        throw new AssertionError("does not end: " + (mirror == null ? "" : mirror.status()));
      }
      if (record != null) {
        answerRecord(true);
      }
      if (step % 50 == 0) {
        reissueAll();
        held = false;
        mirror.releaseSwitch();
        resume();
        mirror.switchOver();
      }
      device();
      if (step % 7 == 0) {
        pass();
      }
      if (step < 500 && step % 10 == 0) {
        request();
      }
      check();
    }
    SteppedDevice disk = aborted ? leader : follower;
    invariants.checkDisk(disk);
    if (mirror != null) {
      assertThat(mirror.left()).isCompleted();
      assertThat(mirror.survivor()).isSameAs(disk);
      mirror.dissolve();
      mirror.close();
    }
  }

  private boolean isOver() {
    if (mirror == null) {
      return true;
    }
    return mirror.status().state() == (aborted ? MirrorState.ABORTED : MirrorState.ALONE)
        && guest.open().isEmpty()
        && isIdle();
  }

  private boolean isIdle() {
    return legs.stream().allMatch(leg -> leg.steps.isEmpty());
  }

  private void check() {
    if (tracked != null) {
      invariants.check(MirrorState.PAUSED, tracked.map());
    } else if (mirror != null) {
      MirrorState state = mirror.status().state();
      if (state == MirrorState.ABORTED && !aborted) {
        damageFound();
      }
      visited.merge(state, 1, Integer::sum);
      if (held && state == MirrorState.SYNC) {
        saw(Event.HELD_IN_SYNC);
      }
      assertThat(state == MirrorState.ALONE && !recorded).as("alone before the record").isFalse();
      invariants.check(state, foundMap());
    }
  }

  /** There is some where it is said to be: a guest that writes meanwhile makes no difference. */
  private void damageFound() {
    Matcher told = Pattern.compile("differ at byte (\\d+),").matcher(mirror.status().reason());
    assertThat(told.find()).as(mirror.status().reason()).isTrue();
    assertThat(follower.current[(int) (Long.parseLong(told.group(1)) / BLOCK)])
        .isEqualTo(SteppedDevice.DAMAGED);
    say("DAMAGE FOUND");
    saw(Event.DAMAGE_FOUND);
    aborted = true;
  }

  private void saw(Event event) {
    seen.merge(event, 1, Integer::sum);
  }

  private void say(String what) {
    if (loud) {
      String steps =
          legs.stream()
              .flatMap(leg -> leg.steps.stream().map(SteppedDevice.Step::what))
              .collect(Collectors.joining(", "));
      System.out.println(
          "%d  %s   %s  [%s]"
              .formatted(
                  seed, what, mirror == null ? "" : mirror.status().state().toString(), steps));
    }
  }
}

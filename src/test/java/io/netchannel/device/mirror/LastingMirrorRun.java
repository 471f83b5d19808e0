package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A lasting mirror under a guest, on two legs whose requests end in any order, fail, or hang. Its
 * owner records as {@code device.legs} does: of one leg at this host, then at that leg; of both at
 * one after the other, then at this host. After each step every leg that a start might choose, here
 * or on another host, has what the guest was told.
 */
final class LastingMirrorRun {
  private static final int REGION_BLOCKS = DifferenceMap.REGION_BYTES / SteppedDevice.BLOCK_BYTES;
  private static final int BLOCKS = 2 * REGION_BLOCKS;
  private static final long BYTES = (long) BLOCKS * SteppedDevice.BLOCK_BYTES;
  private static final int STEPS = 400;
  private static final int LAST_STEPS = 2_000;
  private static final List<Kind> KINDS = List.of(Kind.values());

  /** More records than a generation makes. */
  private static final int GENERATION_STEP = 1_000;

  /** What was seen in all runs. */
  enum Event {
    REQUEST_FAILED,
    FLUSH_FAILED,
    LEG_HUNG,
    LEG_LOST_POWER,
    RECORD_FAILED,
    RECORD_UNKNOWN,
    ROLES_CHANGED,
    KILLED,
    STARTED_ALONE,
    HOST_LOST_POWER,
    DISCARD_REFUSED
  }

  /** As an authority has it; of two that with the higher epoch holds. */
  private record Known(int epoch, List<SteppedDevice> members) {}

  private final long seed;

  /** Whether it says that all is recorded, and does nothing: then the model has to find it out. */
  private final boolean lies;

  private final Map<MirrorState, Integer> visited;
  private final Map<Event, Integer> seen;
  private final Random random;
  private final SteppedDevice a = new SteppedDevice("a", BLOCKS, 0, true);
  private final SteppedDevice b = new SteppedDevice("b", BLOCKS, -1, true);
  private final List<SteppedDevice> legs = List.of(a, b);
  private final GuestModel guest = new GuestModel(BLOCKS);
  private final ByteBuffer memory =
      ByteBuffer.allocateDirect(DifferenceMap.bytesFor(BYTES) + 8).alignedSlice(8);

  /** What is to be done by the owner, in order; each is one step. */
  private final Queue<Runnable> errands = new ArrayDeque<>();

  /** Not answered by the process before. */
  private final Queue<GuestModel.Request> reissues = new ArrayDeque<>();

  private Known atA = new Known(1, List.of(a));
  private Known atB = new Known(0, List.of(a));
  private Known here = atA;
  private Known known = atA;
  private Known asked = atA;
  private int generation = 1;
  private MirrorDevice mirror;
  private long nanos = 1;

  /** Its requests do not end before it is given up. */
  private Optional<SteppedDevice> hung = Optional.empty();

  /** Of which what was not flushed may be lost. */
  private Optional<SteppedDevice> lossy = Optional.empty();

  /** The one whose requests fail, until both are up to date again. */
  private Optional<SteppedDevice> failing = Optional.empty();

  private boolean faults = true;

  /** Which process it is: what an earlier one is told nobody hears. */
  private int life;

  LastingMirrorRun(
      long seed, boolean lies, Map<MirrorState, Integer> visited, Map<Event, Integer> seen) {
    this.seed = seed;
    this.lies = lies;
    this.visited = visited;
    this.seen = seen;
    random = new Random(seed);
    a.zeroFails = seed % 5 == 0 || seed % 5 == 2;
    b.zeroFails = seed % 5 == 1 || seed % 5 == 2;
    begin(a, newMap(), false);
  }

  private DifferenceMap newMap() {
    memory.putLong(0, 0);
    return DifferenceMap.allDiffering(memory, BYTES, () -> {});
  }

  private DifferenceMap foundMap() {
    try {
      return DifferenceMap.reopen(memory, BYTES, () -> {});
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private SteppedDevice other(SteppedDevice leg) {
    return leg == a ? b : a;
  }

  private Known at(SteppedDevice leg) {
    return leg == a ? atA : atB;
  }

  private void tell(SteppedDevice leg, Known what) {
    if (leg == a) {
      atA = what;
    } else {
      atB = what;
    }
  }

  private void begin(SteppedDevice leader, DifferenceMap map, boolean compares) {
    life++;
    errands.clear();
    hung = Optional.empty();
    failing = Optional.empty();
    legs.forEach(SteppedDevice::open);
    mirror =
        MirrorDevice.lasting(
            leader,
            other(leader),
            random.nextBoolean() ? Optional.of(a) : Optional.empty(),
            map,
            MirrorSettings.lasting(compares, Duration.ofSeconds(5)),
            new BufferBudget(16L * BufferBudget.UNIT_BYTES),
            new Owner(life),
            () -> nanos);
    errands.add(() -> comeBack(life));
  }

  private void comeBack(int of) {
    if (of == life) {
      tell((SteppedDevice) mirror.follower(), known);
      mirror.resume();
    }
  }

  // ---- The owner

  private final class Owner implements MirrorOwner {
    private final int of;

    private Owner(int of) {
      this.of = of;
    }

    @Override
    public CompletableFuture<Void> recordSwitch() {
      throw new AssertionError("a lasting mirror is not switched");
    }

    @Override
    public CompletableFuture<Void> recordMembers(Members members) {
      assertThat(mirror.holdsLock()).isFalse();
      SteppedDevice leader = (SteppedDevice) mirror.leader();
      List<SteppedDevice> named =
          switch (members) {
            case LEADER -> List.of(leader);
            case FOLLOWER -> {
              saw(Event.ROLES_CHANGED);
              yield List.of(other(leader));
            }
            case BOTH -> List.of(leader, other(leader));
          };
      if (lies) {
        return CompletableFuture.completedFuture(null);
      }
      boolean isSame = !asked.equals(known) && asked.members().equals(named);
      CompletableFuture<Void> recorded = new CompletableFuture<>();
      tellOn(of, isSame ? asked : next(asked, named), 0, isSame, recorded);
      return recorded;
    }

    @Override
    public void followerAway(boolean lost) {
      assertThat(mirror.holdsLock()).isFalse();
      if (of == life) {
        errands.add(() -> giveUp(of, lost));
      }
    }
  }

  private Known next(Known before, List<SteppedDevice> members) {
    return new Known(Math.max(before.epoch() + 1, generation * GENERATION_STEP), members);
  }

  /**
   * One after the other.
   *
   * @param told how many were
   * @param somewhere whether one of them may have it
   */
  private void tellOn(
      int of, Known what, int told, boolean somewhere, CompletableFuture<Void> recorded) {
    boolean isAlone = what.members().size() == 1;
    int member = isAlone ? told - 1 : told;
    boolean isHere = member < 0 || member == what.members().size();
    boolean isLast = told == what.members().size();
    errands.add(
        () -> {
          if (of != life) {
            return;
          }
          boolean fails = faults && random.nextInt(6) == 0;
          boolean nowhere = fails && told == 0 && random.nextBoolean();
          if (!nowhere) {
            asked = what;
            if (isHere) {
              here = what;
            } else if (!fails || random.nextBoolean()) {
              tell(what.members().get(member), what);
            }
          }
          if (fails) {
            saw(nowhere && !somewhere ? Event.RECORD_FAILED : Event.RECORD_UNKNOWN);
            recorded.completeExceptionally(
                nowhere && !somewhere
                    ? new IllegalStateException("nowhere")
                    : new UnknownSwitchException("somewhere", null));
          } else if (isLast) {
            known = what;
            recorded.complete(null);
          } else {
            tellOn(of, what, told + 1, true, recorded);
          }
        });
  }

  /** What it has ends at once, done or not; nothing of it lands later. */
  private void giveUp(int of, boolean lost) {
    if (of != life) {
      return;
    }
    SteppedDevice leg = (SteppedDevice) mirror.follower();
    List.copyOf(leg.steps).forEach(step -> leg.fail(step, random.nextBoolean(), Outcome.IO_ERROR));
    hung = hung.filter(other -> other != leg);
    failing = failing.filter(other -> other != leg);
    if (lost) {
      leg.open();
    }
    errands.add(() -> comeBack(of));
  }

  // ---- Steps

  void run() {
    for (int step = 0; step < STEPS; step++) {
      step();
      check();
    }
    finish();
  }

  private void step() {
    int choice = random.nextInt(100);
    if (!reissues.isEmpty() && choice < 40) {
      issue(reissues.remove());
    } else if (choice < 25) {
      request();
    } else if (choice < 75) {
      for (int i = 0; i < 4; i++) {
        device();
      }
    } else if (choice < 88) {
      errand();
    } else if (choice < 94) {
      pass(100);
    } else if (choice < 98) {
      legFault();
    } else if (random.nextInt(4) == 0) {
      end();
    }
  }

  private void errand() {
    Runnable next = errands.poll();
    if (next != null) {
      next.run();
    }
  }

  private void pass(long millis) {
    nanos += TimeUnit.MILLISECONDS.toNanos(millis);
    mirror.tick();
  }

  private void request() {
    Kind kind = KINDS.get(random.nextInt(KINDS.size()));
    int count = kind == Kind.FLUSH ? 0 : 1 + random.nextInt(2);
    int first = kind == Kind.FLUSH ? 0 : random.nextInt(BLOCKS - 1);
    if (kind != Kind.FLUSH && guest.isOpen(first, count)) {
      return;
    }
    issue(guest.begin(kind, first, count));
  }

  private void issue(GuestModel.Request request) {
    int of = life;
    long offset = (long) request.first * SteppedDevice.BLOCK_BYTES;
    long length = (long) request.count * SteppedDevice.BLOCK_BYTES;
    switch (request.kind) {
      case READ -> mirror.read(offset, request.data, outcome -> answered(of, request, outcome));
      case WRITE -> {
        guest.fill(request);
        mirror.write(offset, request.data, outcome -> answered(of, request, outcome));
      }
      case DISCARD -> mirror.discard(offset, length, outcome -> answered(of, request, outcome));
      case FLUSH -> mirror.flush(outcome -> answered(of, request, outcome));
    }
  }

  private void answered(int of, GuestModel.Request request, Outcome outcome) {
    if (of == life) {
      boolean isRefused = request.kind == Kind.DISCARD && outcome == Outcome.UNSUPPORTED;
      assertThat(isRefused ? Outcome.OK : outcome)
          .as("what the guest is told")
          .isEqualTo(Outcome.OK);
      if (isRefused) {
        saw(Event.DISCARD_REFUSED);
      }
      guest.answered(request, outcome);
    }
  }

  private void device() {
    List<SteppedDevice> able =
        legs.stream()
            .filter(leg -> !leg.steps.isEmpty() && hung.filter(leg::equals).isEmpty())
            .toList();
    if (able.isEmpty()) {
      return;
    }
    SteppedDevice leg = able.get(random.nextInt(able.size()));
    SteppedDevice.Step step = leg.steps.get(random.nextInt(leg.steps.size()));
    boolean isFlush = step.what().endsWith("flushes");
    int seldom = mirror.status().state() == MirrorState.SYNC ? 12 : 60;
    boolean fails = (isFlush && leg.flushFails) || (mayFail(leg) && random.nextInt(seldom) == 0);
    if (fails) {
      failing = mayFail(leg) ? Optional.of(leg) : failing;
      saw(isFlush ? Event.FLUSH_FAILED : Event.REQUEST_FAILED);
      leg.fail(step, random.nextBoolean(), Outcome.IO_ERROR);
    } else {
      leg.end(step);
    }
  }

  /** One at a time fails: the guest has a leg that does not. */
  private boolean mayFail(SteppedDevice leg) {
    MirrorState state = mirror.status().state();
    if (!faults || hung.isPresent()) {
      return false;
    }
    if (failing.isPresent()) {
      return failing.get() == leg;
    }
    return state == MirrorState.SYNC || leg == mirror.follower();
  }

  /** While both are up to date one of them does not answer any more. */
  private void legFault() {
    if (mirror.status().state() == MirrorState.SYNC
        && hung.isEmpty()
        && failing.isEmpty()
        && lossy.isEmpty()) {
      SteppedDevice leg = legs.get(random.nextInt(2));
      hung = Optional.of(leg);
      if (random.nextBoolean()) {
        saw(Event.LEG_LOST_POWER);
        lossy = hung;
        leg.losePower(random);
        leg.flushFails = true;
        mirror.legFails(leg, "its server is away");
      } else {
        saw(Event.LEG_HUNG);
      }
    } else if (hung.isPresent()) {
      pass(6_000);
    }
  }

  // ---- The end of a process

  /**
   * Not with a leg that has lost its memory just then: its server tells the next process of that.
   */
  private void end() {
    if (lossy.isPresent()) {
      return;
    }
    if (random.nextInt(3) > 0) {
      saw(Event.KILLED);
      legs.forEach(leg -> leg.kill(random));
      reissues.clear();
      reissues.addAll(guest.open());
      start(foundMap(), false);
    } else {
      saw(Event.HOST_LOST_POWER);
      generation++;
      legs.forEach(leg -> leg.kill(random));
      reissues.clear();
      SteppedDevice disk = disk();
      guest.lostPower(disk.current);
      start(newMap(), random.nextBoolean());
    }
  }

  /** As the rule of a start says. */
  private SteppedDevice disk() {
    Known newest = newest();
    boolean isA = atA.epoch() >= atB.epoch();
    return atA.equals(atB) || newest.equals(here) ? newest.members().get(0) : (isA ? a : b);
  }

  /** Of the legs; or of this host, about one of them that was to be told. */
  private Known newest() {
    return isBegun(a) || isBegun(b) ? here : newestAtLegs();
  }

  private Known newestAtLegs() {
    return atA.epoch() >= atB.epoch() ? atA : atB;
  }

  private boolean isBegun(SteppedDevice leg) {
    return at(leg).epoch() == newestAtLegs().epoch()
        && here.epoch() > at(leg).epoch()
        && here.members().equals(List.of(leg))
        && at(leg).members().contains(leg);
  }

  private void start(DifferenceMap map, boolean compares) {
    SteppedDevice disk = disk();
    Optional<SteppedDevice> alone =
        legs.stream().filter(this::mayStartAlone).skip(random.nextInt(2)).findFirst();
    if (alone.isPresent() && map.isFound() && random.nextInt(4) == 0) {
      saw(Event.STARTED_ALONE);
      disk = alone.get();
    }
    Known newest = newest();
    Known next = newest.members().equals(List.of(disk)) ? newest : next(newest, List.of(disk));
    here = next;
    tell(disk, next);
    known = next;
    asked = next;
    begin(disk, map, compares);
  }

  /** Its record and this host's are the same, and name it. */
  private boolean mayStartAlone(SteppedDevice leg) {
    return at(leg).members().contains(leg) && at(leg).equals(here);
  }

  // ---- What always holds

  private void check() {
    MirrorState state = mirror.status().state();
    visited.merge(state, 1, Integer::sum);
    if (state == MirrorState.SYNC
        && guest.open().isEmpty()
        && legs.stream().noneMatch(this::isBusy)) {
      failing = Optional.empty(); // nothing waits for the leg that does not
    }
    lossy = lossy.filter(leg -> !isUpToDateAgain(leg));
    Known newest = newestAtLegs();
    for (SteppedDevice leg : legs) {
      boolean byBoth = at(leg).equals(newest) && newest.members().contains(leg);
      boolean elsewhere = at(leg).members().equals(List.of(leg));
      if (byBoth || mayStartAlone(leg) || isBegun(leg) || elsewhere) {
        hasAll(leg);
      }
    }
    List<Known> kept = List.of(atA, atB, here);
    assertThat(kept).allMatch(one -> kept.stream().allMatch(two -> areOne(one, two)));
  }

  private static boolean areOne(Known one, Known two) {
    return one.epoch() != two.epoch() || one.members().equals(two.members());
  }

  private boolean isBusy(SteppedDevice leg) {
    return !leg.steps.isEmpty();
  }

  /** It was given up, and is named again. */
  private boolean isUpToDateAgain(SteppedDevice leg) {
    return mirror.status().state() == MirrorState.SYNC
        && !leg.flushFails
        && known.members().contains(leg);
  }

  private void hasAll(SteppedDevice leg) {
    for (int block = 0; block < BLOCKS; block++) {
      boolean mayLackSome = lossy.filter(leg::equals).isPresent();
      if (!mayLackSome && !guest.allows(block, leg.current[block])) {
        throw new AssertionError(
            "block %d of %s, which is up to date: %d, expected %s"
                .formatted(block, leg.name, leg.current[block], guest.expected(block)));
      }
      if (leg.leastDurable(block) < guest.flushed(block)) {
        throw new AssertionError(
            "block %d of %s may be %d after a loss of power, expected %d or more"
                .formatted(block, leg.name, leg.leastDurable(block), guest.flushed(block)));
      }
    }
  }

  private void finish() {
    faults = false;
    for (int step = 0; step < LAST_STEPS && !isDone(); step++) {
      if (!reissues.isEmpty()) {
        issue(reissues.remove());
      }
      errand();
      for (int i = 0; i < 10; i++) {
        device();
      }
      pass(hung.isPresent() ? 6_000 : 100);
      check();
    }
    assertThat(isDone())
        .as("seed %s ends: %s, record %s, %s, %s", seed, mirror.status(), atA, atB, guest.open())
        .isTrue();
    for (int block = 0; block < BLOCKS; block++) {
      assertThat(b.current[block]).as("block %s of b", block).isEqualTo(a.current[block]);
    }
    assertThat(known.members()).hasSize(2);
  }

  private boolean isDone() {
    return mirror.status().state() == MirrorState.SYNC
        && reissues.isEmpty()
        && guest.open().isEmpty()
        && legs.stream().noneMatch(this::isBusy);
  }

  private void saw(Event event) {
    seen.merge(event, 1, Integer::sum);
  }
}

package io.netchannel.device.mirror;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.mirror.MirrorOwner.Members;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import io.netchannel.device.mirror.MirroredRequest.Route;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * The parts of a mirror, and the lock that guards them.
 *
 * <p>Whatever happens is told to the parts under the lock, which is held for microseconds, {@link
 * #advance} last; then {@link #work} does without it what that leads to. No part takes the lock but
 * {@link Agenda}, {@link CopyPump}, {@link Copier} and {@link Verification}, as each says.
 */
final class Mirror {
  /**
   * The copier's: {@link CopyPace#ALONE} copies, each maybe with what it is compared to; later the
   * comparisons'.
   */
  private static final long COPIER_BYTES = 8L << 20;

  private static final long NANOS_PER_MILLI = TimeUnit.MILLISECONDS.toNanos(1);

  /** Guards all but the legs; held by nobody who calls a device, a completion or the owner. */
  final Object lock = new Object();

  final Legs legs;
  final MirrorStates states;
  final CopyPace pace;

  /** Completed when the leg that was left has nothing of it any more. */
  final CompletableFuture<Void> left = new CompletableFuture<>();

  private final DifferenceMap map;
  private final BufferLease buffers;
  private final MirrorOwner owner;
  private final LongSupplier nanoTime;
  private final ActiveRanges active = new ActiveRanges();
  private final RequestPool pool = new RequestPool(this::leaderEnded, this::followerEnded);
  private final Errands errands = new Errands(lock, this::giveMemoryBackIfUnused);
  private final Agenda agenda = new Agenda(lock, errands, pool, new Doer());
  private final Copier copier;
  private final Verification verification;
  private final Differences differences;
  private final Placement placement;
  private final Answers answers;
  private final CopyPump pump;

  /** Whether its memory goes back as soon as nothing has any of it. */
  private boolean givesMemoryBack;

  /** Whether its legs are others' now: the one that was left is closed, the survivor is in use. */
  private boolean dissolved;

  Mirror(
      Legs legs,
      DifferenceMap map,
      MirrorSettings settings,
      BufferBudget budget,
      MirrorOwner owner,
      LongSupplier nanoTime) {
    checkArgument(
        map.sizeBytes() == legs.geometry.sizeBytes(),
        "expected the map of a device of %s bytes, found that of one of %s",
        legs.geometry.sizeBytes(),
        map.sizeBytes());
    this.legs = legs;
    this.map = map;
    this.owner = owner;
    this.nanoTime = nanoTime;
    // Whoever waits for memory is looked at with every completion and tick. A wake-up would come on
    // another user's thread, maybe under that one's lock.
    buffers = budget.lease("mirror", Placement.COPIES_BYTES + COPIER_BYTES, () -> {});
    pace = new CopyPace(nanoTime.getAsLong());
    copier =
        new Copier(
            lock, legs, map, active, buffers, pace, settings.known(), nanoTime, new CopierOwner());
    verification =
        new Verification(
            lock,
            legs,
            settings.verifies(),
            active,
            buffers,
            pace,
            nanoTime,
            new VerificationOwner());
    differences = new Differences(map, active, copier, verification);
    states =
        new MirrorStates(
            legs, settings, active, differences, copier, verification, agenda, nanoTime);
    placement =
        new Placement(
            legs, states, active, differences, copier, verification, buffers, agenda, nanoTime);
    answers = new Answers(legs, states, active, differences, pace, agenda, pool, nanoTime);
    pump = new CopyPump(lock, errands, states, copier, verification);
  }

  // ---- For its device

  void submit(
      Kind kind, long offsetBytes, long lengthBytes, ByteBuffer data, Completion completion) {
    MirroredRequest request;
    boolean placed;
    synchronized (lock) {
      request = pool.take();
      request.begin(kind, offsetBytes, lengthBytes, data, completion, nanoTime.getAsLong());
      placed = placement.placeOrPark(request);
      if (placed) {
        errands.begin();
      }
    }
    if (placed) {
      try {
        Legs.send(request);
      } finally {
        errands.end();
      }
    }
  }

  /** Something that its owner wants of a part. */
  void decide(Runnable decision) {
    synchronized (lock) {
      decision.run();
      advance();
    }
    work();
  }

  void resumeWith(int leg, Optional<UUID> storage) {
    decide(
        () -> {
          differences.legIs(leg, storage);
          states.resume();
        });
  }

  boolean abort() {
    boolean aborted;
    synchronized (lock) {
      aborted = states.abort();
      advance();
    }
    work();
    return aborted;
  }

  <T> T ask(Supplier<T> question) {
    synchronized (lock) {
      return question.get();
    }
  }

  void tick() {
    boolean followerLost = legs.follower.hasLostWrites();
    synchronized (lock) {
      if (followerLost) {
        states.followerLost();
      }
      pace.tick(nanoTime.getAsLong());
      copier.tick();
      states.tick();
      buffers.giveBack();
      advance();
    }
    work();
  }

  boolean isQuiet() {
    synchronized (lock) {
      return states.state() == MirrorState.SYNC && active.isEmpty() && placement.isEmpty();
    }
  }

  /** Under the lock. */
  MirrorStatus status() {
    return new MirrorStatus(
        states.state(),
        states.reason(),
        map.sizeBytes(),
        copier.copiedBytes,
        copier.zeroBytes,
        differences.leftBytes(),
        verification.comparedBytes,
        verification.leftBytes(),
        copier.passes,
        copier.staleCopies,
        placement.heldWrites(),
        TimeUnit.NANOSECONDS.toMillis(answers.longestWriteNanos() + NANOS_PER_MILLI - 1),
        states.isThrottled());
  }

  /** Which leg is the disk. */
  Device disk() {
    synchronized (lock) {
      return states.state() == MirrorState.ALONE ? legs.follower : legs.leader;
    }
  }

  /** Why requests wait: beside the disk itself for a record, without which nothing is answered. */
  Optional<String> problem() {
    synchronized (lock) {
      if (states.state() == MirrorState.DROPPING) {
        return Optional.of(
            "requests wait until it is recorded that one leg goes on alone: " + states.reason());
      }
    }
    return disk().problem();
  }

  /** Those that are the disk, or become it. */
  ImmutableList<Device> legsToKeep() {
    synchronized (lock) {
      return switch (states.state()) {
        case ALONE -> ImmutableList.of(legs.follower);
        case ABORTED -> ImmutableList.of(legs.leader);
        case COPYING, PAUSED, CONVERGING, FLUSHING, SYNC, RECORDING, JOINING, DROPPING ->
            ImmutableList.of(legs.leader, legs.follower);
      };
    }
  }

  Device survivor() {
    synchronized (lock) {
      checkState(
          !states.isMirroring(),
          "expected a mirror that is over, found one that is %s",
          states.state());
      return disk();
    }
  }

  void dissolve() {
    Device leg;
    synchronized (lock) {
      if (dissolved || states.isClosing()) {
        return;
      }
      checkState(
          states.hasLeft() && active.isEmpty(),
          "expected a mirror that is over and has nothing under way, found one that is %s",
          states.state());
      dissolved = true;
      giveMemoryBack();
      leg = states.state() == MirrorState.ALONE ? legs.leader : legs.follower;
    }
    leg.close();
  }

  void close() {
    CompletableFuture<Void> told;
    synchronized (lock) {
      if (dissolved) {
        return;
      }
      told = states.close();
    }
    told.join();
    synchronized (lock) {
      answers.settleAll();
      advance();
    }
    work();
    // The disk first: its next user waits for that one, and the other may hang.
    Device disk = disk();
    disk.close();
    (disk == legs.leader ? legs.follower : legs.leader).close();
    left.completeExceptionally(new IllegalStateException("the mirror was closed"));
    synchronized (lock) {
      // A leg that is closed takes nothing, but who is on his way to it has the guest's memory.
      errands.awaitOthers();
      giveMemoryBack();
    }
  }

  private void giveMemoryBack() {
    givesMemoryBack = true;
    giveMemoryBackIfUnused();
  }

  /**
   * A leg may tell of its holes after its close, and who is on his way may be the one that closes
   * it: the memory is not another's yet.
   */
  private void giveMemoryBackIfUnused() {
    if (givesMemoryBack && copier.isIdle() && verification.isIdle() && errands.areDone()) {
      buffers.close();
    }
  }

  // ---- What happens

  private void leaderEnded(MirroredRequest request, Outcome outcome) {
    if (mustWriteZeros(request, outcome)) {
      Legs.writeZeros(request.leader, request.offsetBytes, request.lengthBytes, request.leaderDone);
      return;
    }
    synchronized (lock) {
      ended(request, outcome, true);
      advance();
    }
    work();
  }

  private void followerEnded(MirroredRequest request, Outcome outcome) {
    if (mustWriteZeros(request, outcome)) {
      Legs.writeZeros(
          request.follower, request.offsetBytes, request.lengthBytes, request.followerDone);
      return;
    }
    synchronized (lock) {
      placement.releaseCopy(request);
      ended(request, outcome, false);
      advance();
    }
    work();
  }

  /**
   * Whether a leg of a lasting mirror cannot make zeros where the other one does: it is no worse
   * for that, and gets them as data. The guest is told of the next discard that there are none.
   */
  private boolean mustWriteZeros(MirroredRequest request, Outcome outcome) {
    if (outcome != Outcome.UNSUPPORTED) {
      return false;
    }
    synchronized (lock) {
      boolean must =
          request.kind == Kind.DISCARD
              && request.sentTo == Route.BOTH
              && states.isLasting()
              && !states.isShut();
      legs.discardFails |= must;
      return must;
    }
  }

  /** At the leg that was the leader, or the follower, when it was sent. */
  private void ended(MirroredRequest request, Outcome outcome, boolean atFormerLeader) {
    if (atFormerLeader == request.exchanged) {
      answers.followerEnded(request, outcome);
    } else {
      answers.leaderEnded(request, outcome);
    }
  }

  private void membersRecorded(Throwable failure) {
    synchronized (lock) {
      states.membersRecorded(failure);
      advance();
    }
    work();
  }

  private void flushEnded(Outcome outcome) {
    synchronized (lock) {
      states.flushEnded(outcome);
      advance();
    }
    work();
  }

  private void recorded(Throwable failure) {
    CompletableFuture<Void> told;
    synchronized (lock) {
      told = states.recorded(failure);
      advance();
    }
    work();
    told.complete(null);
  }

  private void goOn() {
    synchronized (lock) {
      advance();
    }
    work();
  }

  /**
   * Makes each step that has become possible. Under the lock, after all else that is done there.
   */
  private void advance() {
    if (states.takeUnsettled()) {
      answers.settleAll();
    }
    states.step();
    placement.unpark();
    giveMemoryBackIfUnused();
    if (states.hasLeft()) {
      agenda.tellThatItIsOver();
    }
  }

  /** Without the lock. */
  private void work() {
    agenda.work();
    pump.run();
  }

  private final class Doer implements Agenda.Doer {
    @Override
    public void send(MirroredRequest request) {
      Legs.send(request);
    }

    @Override
    public void flushFollower() {
      legs.follower.flush(Mirror.this::flushEnded);
    }

    @Override
    public void recordSwitch() {
      CompletableFuture<Void> asked;
      try {
        asked = owner.recordSwitch();
      } catch (RuntimeException e) {
        asked = CompletableFuture.failedFuture(e);
      }
      var unused = asked.whenComplete((nothing, failure) -> recorded(failure));
    }

    @Override
    public void recordMembers(Members members) {
      CompletableFuture<Void> asked;
      try {
        asked = owner.recordMembers(members);
      } catch (RuntimeException e) {
        asked = CompletableFuture.failedFuture(e);
      }
      var unused = asked.whenComplete((nothing, failure) -> membersRecorded(failure));
    }

    @Override
    public void followerAway(boolean lost) {
      owner.followerAway(lost);
    }

    @Override
    public void tell(boolean isOver) {
      if (isOver) {
        left.complete(null);
      }
      owner.changed();
    }
  }

  private final class CopierOwner implements Copier.Owner {
    @Override
    public void copyFailed(String why) {
      states.stop(why);
    }

    @Override
    public void work() {
      goOn();
    }
  }

  private final class VerificationOwner implements Verification.Owner {
    @Override
    public void alike() {
      states.alike();
    }

    @Override
    public void comparisonFailed(String why) {
      states.stop(why);
    }

    @Override
    public void differ(long offsetBytes) {
      states.differ(offsetBytes);
    }

    @Override
    public void work() {
      goOn();
    }
  }
}

package io.netchannel.device.mirror;

import static com.google.common.base.Preconditions.checkState;

import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.mirror.MirrorOwner.Members;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * The state of a mirror, and what leads from one to the next; the diagram is in the package's
 * description. Guarded by the mirror's lock.
 *
 * <p>After whatever may have made a step possible comes {@link #step}. Answers that a new state
 * gives are asked for with {@link #takeUnsettled}.
 */
final class MirrorStates {
  private static final long FIRST_RETRY_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long LAST_RETRY_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final Legs legs;
  private final MirrorSettings settings;
  private final ActiveRanges active;
  private final Differences differences;
  private final Copier copier;
  private final Verification verification;
  private final Agenda agenda;
  private final LongSupplier nanoTime;

  private MirrorState state = MirrorState.PAUSED;
  private String reason = "not begun";

  /** Whether a person paused it, or it has not begun: it does not go on by itself. */
  private boolean waitsForResume = true;

  private long retryAtNanos;
  private long retryNanos = FIRST_RETRY_NANOS;
  private boolean switches;

  /** Whether it stays in SYNC whatever happens, although it may switch. */
  private boolean holdsSwitch;

  private boolean closing;

  /** Completed when it is known, and acted upon, whether the switch was recorded. */
  private CompletableFuture<Void> recording = CompletableFuture.completedFuture(null);

  /** Whether the follower has a flush of FLUSHING, maybe of an earlier try. */
  private boolean flushing;

  private long flushBeganNanos;

  /** Whether the follower is about to be left, having lost what it had not made durable. */
  private boolean lostWrites;

  /** Whether the follower's last flush has failed: most devices fail all others, too. */
  private boolean flushFails;

  // ---- Of a lasting mirror

  /** Who is to be recorded as up to date, in DROPPING; and in JOINING, once that is known. */
  private Members wanted = Members.BOTH;

  /** Whether the record that holds names both. */
  private boolean recordedBoth;

  private boolean recordingMembers;

  /** In DROPPING it is asked again then; in SYNC a leg that fails is looked at again. */
  private long recordAtNanos;

  /** Whether those that were not answered may be, as the state is another one. */
  private boolean unsettled;

  MirrorStates(
      Legs legs,
      MirrorSettings settings,
      ActiveRanges active,
      Differences differences,
      Copier copier,
      Verification verification,
      Agenda agenda,
      LongSupplier nanoTime) {
    this.legs = legs;
    this.settings = settings;
    this.active = active;
    this.differences = differences;
    this.copier = copier;
    this.verification = verification;
    this.agenda = agenda;
    this.nanoTime = nanoTime;
    switches = settings.switches();
    flushFails = settings.lasting(); // what the process before had there may be lost
    recordAtNanos = nanoTime.getAsLong();
  }

  // ---- What others ask

  MirrorState state() {
    return state;
  }

  String reason() {
    return reason;
  }

  /**
   * Whether nothing waits for the follower any more, as both are closed. What is to be on both legs
   * of a lasting mirror is not answered then: the next process issues it again.
   */
  boolean isClosing() {
    return closing && state != MirrorState.RECORDING && !(settings.lasting() && state.isInSync());
  }

  /** Whether nothing begins any more. */
  boolean isShut() {
    return closing;
  }

  /**
   * Whether what waits for its turn goes nowhere any more. What is to be on both legs would be on
   * one of them, as the other one is closed before.
   */
  boolean keepsParked() {
    return closing && settings.lasting() && state.isInSync();
  }

  boolean isLasting() {
    return settings.lasting();
  }

  /** Whether reads go to the follower. */
  boolean readsFollower() {
    return switch (state) {
      case ALONE -> true;
      case SYNC, JOINING -> legs.readsFollower();
      case DROPPING -> wanted == Members.FOLLOWER;
      case COPYING, PAUSED, CONVERGING, FLUSHING, RECORDING, ABORTED -> false;
    };
  }

  /** Whether the map counts. */
  boolean isMirroring() {
    return state != MirrorState.ALONE && state != MirrorState.ABORTED;
  }

  /** Whether copies may begin. */
  boolean isCopying() {
    return state == MirrorState.COPYING && !closing;
  }

  /** Whether comparisons may begin. */
  boolean isVerifying() {
    return state == MirrorState.SYNC && !closing && !verification.isDone();
  }

  /** Whether answers wait for the follower before it is in sync. */
  boolean isThrottled() {
    return settings.converges() && copier.lags() && state == MirrorState.COPYING;
  }

  /** Whether the follower may take the place of the leader, also of one that fails. */
  boolean canSwitch() {
    return state == MirrorState.SYNC
        && !holdsSwitch
        && !settings.lasting()
        && verification.isDone();
  }

  /** Whether it is over, and the leg that was left has nothing of it any more. */
  boolean hasLeft() {
    return switch (state) {
      case ALONE -> !active.isLeaderBusy();
      case ABORTED ->
          !active.isFollowerBusy() && copier.isIdle() && verification.isIdle() && !flushing;
      case COPYING, PAUSED, CONVERGING, FLUSHING, SYNC, RECORDING, JOINING, DROPPING -> false;
    };
  }

  boolean takeUnsettled() {
    boolean taken = unsettled;
    unsettled = false;
    return taken;
  }

  /** Whether the follower gets something, and is given up when it fails. */
  private boolean isFollowing() {
    return switch (state) {
      case COPYING, CONVERGING, FLUSHING, SYNC, JOINING -> !closing;
      case PAUSED, RECORDING, DROPPING, ALONE, ABORTED -> false;
    };
  }

  // ---- What its owner wants

  void resume() {
    waitsForResume = false;
    retryAtNanos = nanoTime.getAsLong();
    retryNanos = FIRST_RETRY_NANOS;
    goOnIfItCan();
  }

  /** A lasting one begins in sync: its legs are known to be alike, and recorded as such. */
  void beginInSync() {
    checkState(
        settings.lasting() && state == MirrorState.PAUSED && active.isEmpty(),
        "expected a lasting mirror that has not begun, found one that is %s",
        state);
    differences.none();
    waitsForResume = false;
    recordedBoth = true;
    become(MirrorState.SYNC, "");
  }

  void pause(String why) {
    waitsForResume = true;
    if (state == MirrorState.PAUSED) {
      reason = why;
    } else {
      stop(why);
    }
  }

  void switchOver() {
    switches = true;
  }

  /** False when it is too late. */
  boolean holdSwitch() {
    if (state == MirrorState.RECORDING || state == MirrorState.ALONE) {
      return false;
    }
    holdsSwitch = true;
    return true;
  }

  void releaseSwitch() {
    holdsSwitch = false;
  }

  /** False when it is too late. */
  boolean abort() {
    if (state == MirrorState.RECORDING || state == MirrorState.ALONE) {
      return false;
    }
    if (state != MirrorState.ABORTED) {
      giveUp("");
    }
    return true;
  }

  private void giveUp(String why) {
    copier.stop();
    become(MirrorState.ABORTED, why);
    unsettled = true;
  }

  /**
   * Nothing begins any more.
   *
   * @return completes when it is known which leg is the disk, or that this is not to be known
   */
  CompletableFuture<Void> close() {
    if (agenda.withdrawRecord()) {
      become(MirrorState.SYNC, "");
      recording.complete(null);
    }
    closing = true;
    copier.stop();
    verification.stop();
    return recording;
  }

  // ---- What happens to it

  /** To PAUSED: nothing of what the follower still has counts. */
  void stop(String why) {
    if (!isFollowing()) {
      return;
    }
    if (settings.lasting() && state.isInSync()) {
      legFails(Members.LEADER, why);
    } else {
      stopFollowing(why);
    }
  }

  private void stopFollowing(String why) {
    copier.stop();
    become(MirrorState.PAUSED, why);
    retryLater();
    if (settings.lasting()) {
      leaveFollower();
    }
    for (MirroredRequest other = active.first(); other != null; other = other.next) {
      boolean lacks =
          other.atFollower || (settings.lasting() && other.followerOutcome != Outcome.OK);
      if (other.route == MirroredRequest.Route.BOTH && lacks) {
        other.givenUp = true;
        if (other.kind.changesData()) {
          differences.need(other);
        }
      }
    }
    unsettled = true;
  }

  /** It goes on when its owner has opened it anew, and it has shown what it kept. */
  private void leaveFollower() {
    waitsForResume = true;
    agenda.followerAway(lostWrites);
    lostWrites = false;
    flushFails = true;
  }

  /**
   * One leg of a lasting mirror in sync fails: the other is recorded as the only one that is up to
   * date, unless that is being done for one of them.
   *
   * @param survivor the other one
   */
  void legFails(Members survivor, String why) {
    if (closing || state == MirrorState.DROPPING || wanted != Members.BOTH) {
      return;
    }
    if (state == MirrorState.JOINING) {
      wanted = survivor;
      reason = why;
    } else if (nanoTime.getAsLong() - recordAtNanos >= 0) {
      wanted = survivor;
      become(MirrorState.DROPPING, why);
      recordWanted();
    }
  }

  /** As its owner knows, also when nothing is under way there. */
  void legFails(Device leg, String why) {
    if (state == MirrorState.SYNC) {
      legFails(leg == legs.leader ? Members.FOLLOWER : Members.LEADER, why);
    }
  }

  private void recordWanted() {
    recordingMembers = true;
    agenda.recordMembers(wanted);
  }

  /**
   * What became of the record of the members.
   *
   * @param failure null when it is durable
   */
  void membersRecorded(Throwable failure) {
    recordingMembers = false;
    recordAtNanos = nanoTime.getAsLong() + (failure == null ? 0 : FIRST_RETRY_NANOS);
    if (state == MirrorState.JOINING) {
      joined(failure);
    } else if (failure == null) {
      dropped();
    } else if (recordedBoth && !(failure instanceof UnknownSwitchException)) {
      wanted = Members.BOTH;
      become(MirrorState.SYNC, failure.getMessage());
    } else {
      reason = "whether it was recorded is unknown: " + failure.getMessage();
    }
    unsettled = true;
  }

  /** A record that failed may be there all the same, at one of the legs: the next one tells. */
  private void joined(Throwable failure) {
    recordedBoth = failure == null;
    if (failure == null && wanted == Members.BOTH) {
      become(MirrorState.SYNC, "");
    } else if (failure == null) {
      become(MirrorState.DROPPING, reason);
      recordWanted();
    } else if (failure instanceof UnknownSwitchException) {
      wanted = Members.LEADER;
      become(MirrorState.DROPPING, failure.getMessage());
    } else {
      wanted = Members.BOTH;
      stopFollowing("that both legs are up to date could not be recorded: " + failure.getMessage());
    }
  }

  private void dropped() {
    recordedBoth = false;
    if (wanted == Members.FOLLOWER) {
      legs.exchange();
      active.exchangeRoles();
    }
    wanted = Members.BOTH;
    stopFollowing(reason);
  }

  /** A leg of a lasting mirror in sync has failed a flush: it is the one that is left. */
  void flushFailed() {
    if (!closing) {
      lostWrites = true;
      differences.needAll();
    }
  }

  private void retryLater() {
    retryAtNanos = nanoTime.getAsLong() + retryNanos;
    retryNanos = Math.min(LAST_RETRY_NANOS, 2 * retryNanos);
  }

  /**
   * What was written since its last good flush may be lost, and nobody knows what that was. All of
   * it is copied again, but not for a device that fails each flush until it is opened anew.
   */
  void flushRefused(Outcome outcome) {
    if (isMirroring()) {
      differences.needAll();
      flushFails = true;
      lostWrites = true;
      if (state == MirrorState.PAUSED) {
        retryLater();
        if (settings.lasting() && !waitsForResume && !closing) {
          leaveFollower();
        }
      }
      stop(
          "flushing the target: %s; what it had may be lost, all is copied again when it is opened anew"
              .formatted(outcome.words()));
      if (!settings.lasting() && state == MirrorState.PAUSED && !closing) {
        agenda.followerAway(true);
      }
    }
  }

  /**
   * Likewise of a follower that says so by itself. Only SYNC has no flush to come that finds it
   * out. Which leg a mirror that lasts gives up for that is for its owner to say, who knows of
   * both.
   */
  void followerLost() {
    if (state == MirrorState.SYNC && !settings.lasting()) {
      flushRefused(Outcome.IO_ERROR);
    }
  }

  /** One of an earlier try finds another state: FLUSHING does not begin before it has ended. */
  void flushEnded(Outcome outcome) {
    flushing = false;
    if (outcome != Outcome.OK) {
      flushRefused(outcome);
      return;
    }
    flushFails = false;
    if (state == MirrorState.FLUSHING && !closing) {
      if (settings.lasting()) {
        become(MirrorState.JOINING, "");
        recordWanted();
      } else {
        become(MirrorState.SYNC, "");
      }
    } else {
      goOnIfItCan();
    }
  }

  /** A look at both legs has found them alike: it gets on. */
  void alike() {
    retryNanos = FIRST_RETRY_NANOS;
  }

  /** In sync, and verified not to be: what the guest would find there is not its disk. */
  void differ(long offsetBytes) {
    giveUp(
        "source and target differ at byte %d, though all was copied: something else writes to the target, or it does not keep what it gets, or did not read as zeros as was said; find out which, then begin anew"
            .formatted(offsetBytes));
  }

  /** The leader has failed where the follower has all: the guest need not see it. */
  void rescue(MirroredRequest request) {
    reason = "the source failed: " + request.kind + " " + request.leaderOutcome;
    switches = true;
    record();
  }

  /**
   * What became of the record.
   *
   * @param failure null when it is durable
   * @return to be completed when it was acted upon
   */
  CompletableFuture<Void> recorded(Throwable failure) {
    if (failure == null) {
      become(MirrorState.ALONE, reason);
    } else if (failure instanceof UnknownSwitchException) {
      // Either leg may be found to be the disk: nothing is answered that only one of them has.
      become(MirrorState.RECORDING, "whether it was recorded is unknown: " + failure.getMessage());
    } else {
      become(MirrorState.SYNC, "");
      stop("the switch could not be recorded: " + failure.getMessage());
    }
    unsettled = true; // also when it is being closed, where nothing is stopped any more
    return recording;
  }

  /** Time has passed. */
  void tick() {
    long now = nanoTime.getAsLong();
    if (settings.lasting() && state.isInSync()) {
      lookAtLegs(now);
    } else if (isFollowing() && isFollowerSilent(now)) {
      stop("the target" + silent());
    }
    goOnIfItCan();
  }

  private String silent() {
    return " has not answered for " + settings.legTimeout().toSeconds() + " s";
  }

  /** While both are silent nobody is better off with one of them. */
  private void lookAtLegs(long now) {
    boolean leaderSilent = active.longestAtLeaderNanos(now) > settings.legTimeout().toNanos();
    boolean followerSilent = active.longestAtFollowerNanos(now) > settings.legTimeout().toNanos();
    if (leaderSilent != followerSilent) {
      legFails(leaderSilent ? Members.FOLLOWER : Members.LEADER, "a leg" + silent());
    }
    if (state == MirrorState.SYNC) {
      unsettled = true; // a leg that failed may have to be looked at again
    }
    boolean isDue = state == MirrorState.DROPPING && !recordingMembers && now - recordAtNanos >= 0;
    if (isDue && !closing) {
      recordWanted();
    }
  }

  private boolean isFollowerSilent(long now) {
    long limit = settings.legTimeout().toNanos();
    return active.longestAtFollowerNanos(now) > limit
        || copier.longestAtFollowerNanos(now).orElse(0L) > limit
        || verification.longestAtFollowerNanos(now).orElse(0L) > limit
        || (flushing && now - flushBeganNanos > limit);
  }

  // ---- Steps

  /**
   * What the follower had before may land until it has ended: then, and not before, it goes on.
   * After a flush that failed it has to flush first.
   */
  private void goOnIfItCan() {
    if (state == MirrorState.PAUSED
        && !waitsForResume
        && !closing
        && nanoTime.getAsLong() - retryAtNanos >= 0
        && !active.isFollowerBusy()
        && !copier.isAtFollower()
        && !verification.isAtFollower()
        && !flushing) {
      if (flushFails) {
        flushFollower();
      } else {
        become(MirrorState.COPYING, "");
        copier.go();
      }
    }
  }

  private void flushFollower() {
    flushing = true;
    flushBeganNanos = nanoTime.getAsLong();
    agenda.flushFollower();
  }

  /** Makes each step that has become possible. */
  void step() {
    if (closing) {
      return;
    }
    boolean maySlipBack =
        settings.lasting()
            ? state.isTogether() && !state.isInSync()
            : state.isTogether() && state != MirrorState.RECORDING;
    if (maySlipBack && !differences.isEmpty()) {
      become(MirrorState.COPYING, "");
      copier.go();
    }
    if (state == MirrorState.COPYING && differences.isEmpty() && copier.isIdle()) {
      become(MirrorState.CONVERGING, "");
      if (verification.isDone()) {
        retryNanos = FIRST_RETRY_NANOS; // else what cannot be compared would be tried all the time
      }
    }
    if (state == MirrorState.CONVERGING && !active.hasOneOfBefore() && !flushing) {
      become(MirrorState.FLUSHING, "");
      flushFollower();
    }
    if (switches && canSwitch()) {
      record();
    }
  }

  private void record() {
    become(MirrorState.RECORDING, reason);
    recording = new CompletableFuture<>();
    agenda.recordSwitch();
  }

  private void become(MirrorState next, String why) {
    if (state == MirrorState.SYNC) {
      verification.stop();
    }
    state = next;
    reason = why;
    agenda.tell();
  }
}

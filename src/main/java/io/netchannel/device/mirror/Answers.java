package io.netchannel.device.mirror;

import io.netchannel.device.Outcome;
import io.netchannel.device.mirror.MirrorOwner.Members;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import io.netchannel.device.mirror.MirroredRequest.Route;
import java.util.function.LongSupplier;

/**
 * When a guest is answered, and what: by the legs' outcomes and the mirror's state. Guarded by the
 * mirror's lock.
 */
final class Answers {
  private final Legs legs;
  private final MirrorStates states;
  private final ActiveRanges active;
  private final Differences differences;
  private final CopyPace pace;
  private final Agenda agenda;
  private final RequestPool pool;
  private final LongSupplier nanoTime;
  private long longestWriteNanos;

  Answers(
      Legs legs,
      MirrorStates states,
      ActiveRanges active,
      Differences differences,
      CopyPace pace,
      Agenda agenda,
      RequestPool pool,
      LongSupplier nanoTime) {
    this.legs = legs;
    this.states = states;
    this.active = active;
    this.differences = differences;
    this.pace = pace;
    this.agenda = agenda;
    this.pool = pool;
    this.nanoTime = nanoTime;
  }

  /** Of all changes, from arrival to answer. */
  long longestWriteNanos() {
    return longestWriteNanos;
  }

  void leaderEnded(MirroredRequest request, Outcome outcome) {
    request.atLeader = false;
    request.leaderOutcome = outcome;
    settle(request);
  }

  void followerEnded(MirroredRequest request, Outcome outcome) {
    request.atFollower = false;
    request.followerOutcome = outcome;
    if (request.route == Route.BOTH && outcome != Outcome.OK) {
      followerRefused(request);
    } else {
      differences.lateEnded(request);
    }
    settle(request);
  }

  /** The follower lacks it. The bits are set at once: a kill may come before anything else. */
  private void followerRefused(MirroredRequest request) {
    Outcome outcome = request.followerOutcome;
    if (states.isLasting() && states.state().isInSync()) {
      return; // by the answer, which both legs have a part in
    }
    if (request.kind == Kind.FLUSH) {
      states.flushRefused(outcome);
    } else if (states.isMirroring()) {
      differences.need(request);
      if (!(request.kind == Kind.DISCARD && outcome == Outcome.UNSUPPORTED)) {
        states.stop(
            "writing %d bytes at %d of the target: %s"
                .formatted(request.lengthBytes, request.offsetBytes, outcome.words()));
      }
    }
  }

  /** The state is another one: some need not wait any more. */
  void settleAll() {
    MirroredRequest request = active.first();
    while (request != null) {
      MirroredRequest next = request.next; // one that has ended leaves the list
      settle(request);
      request = next;
    }
  }

  private void settle(MirroredRequest request) {
    if (!request.answered) {
      Outcome answer = answer(request);
      if (answer != null) {
        request.answered = true;
        agenda.answer(request, answer);
        long waited = nanoTime.getAsLong() - request.begunNanos;
        pace.guestWaited(waited);
        if (request.kind.changesData()) {
          longestWriteNanos = Math.max(longestWriteNanos, waited);
        }
      }
    }
    if (!request.isUnderWay()) {
      active.remove(request);
      pool.giveBackIfDone(request);
    }
  }

  /** Null while it is not known. */
  private Outcome answer(MirroredRequest request) {
    if (states.isLasting() && request.kind == Kind.READ) {
      return request.atLeader || request.atFollower ? null : readAnswer(request);
    }
    return switch (request.route) {
      case LEADER -> request.atLeader ? null : leaderAnswer(request);
      case FOLLOWER -> request.atFollower ? null : request.followerOutcome;
      // The guest's buffer is the leader's until it has ended. A flush has none.
      case BOTH ->
          request.atLeader && !(request.kind == Kind.FLUSH && states.state() == MirrorState.ALONE)
              ? null
              : answerOfBoth(request);
    };
  }

  /** Of a lasting mirror: what one leg does not give the other may. */
  private Outcome readAnswer(MirroredRequest request) {
    boolean wasAtLeader = request.route == Route.LEADER;
    Outcome outcome = wasAtLeader ? request.leaderOutcome : request.followerOutcome;
    boolean otherHasIt = !wasAtLeader || states.state().isInSync();
    if (outcome == Outcome.OK || request.readElsewhere || !otherHasIt || states.isShut()) {
      return outcome;
    }
    request.readElsewhere = true;
    readAgain(request, wasAtLeader ? Route.FOLLOWER : Route.LEADER);
    return null;
  }

  /**
   * Of a lasting mirror that is in sync. Whether a leg has failed is looked at with each outcome.
   */
  private Outcome answerInSync(MirroredRequest request) {
    boolean leaderHasIt = !request.atLeader && request.leaderOutcome == Outcome.OK;
    boolean followerHasIt = !request.atFollower && request.followerOutcome == Outcome.OK;
    if (leaderHasIt && followerHasIt) {
      return Outcome.OK;
    }
    if (!request.atLeader && !request.atFollower) {
      boolean leaderFails = followerHasIt;
      Outcome outcome = leaderFails ? request.leaderOutcome : request.followerOutcome;
      if (request.kind == Kind.FLUSH) {
        states.flushFailed(); // of that leg nobody knows what it has lost
      }
      states.legFails(
          leaderFails ? Members.FOLLOWER : Members.LEADER,
          "%s: %s".formatted(request.kind, outcome));
    }
    return null;
  }

  private Outcome leaderAnswer(MirroredRequest request) {
    Outcome outcome = request.leaderOutcome;
    if (request.kind == Kind.READ && outcome != Outcome.OK && !states.isClosing()) {
      if (states.canSwitch()) {
        states.rescue(request);
        return null;
      }
      if (states.state() == MirrorState.RECORDING) {
        return null;
      }
      if (states.state() == MirrorState.ALONE) {
        readAgain(request, Route.FOLLOWER);
        return null;
      }
    }
    return outcome;
  }

  /** What one leg failed to read the other has. */
  private void readAgain(MirroredRequest request, Route route) {
    legs.place(request, route);
    request.sentNanos = nanoTime.getAsLong();
    agenda.send(request);
  }

  private Outcome answerOfBoth(MirroredRequest request) {
    boolean followerHasIt = !request.atFollower && request.followerOutcome == Outcome.OK;
    if (states.isLasting() && states.state().isInSync()) {
      return answerInSync(request);
    }
    if (states.isClosing() && states.isMirroring()) {
      if (request.kind.changesData() && !(followerHasIt && request.leaderOutcome == Outcome.OK)) {
        differences.need(request);
      }
      return request.leaderOutcome;
    }
    return switch (states.state()) {
      case ALONE -> request.atFollower ? null : request.followerOutcome;
      case RECORDING -> followerHasIt && request.leaderOutcome == Outcome.OK ? Outcome.OK : null;
      case SYNC -> {
        if (request.leaderOutcome == Outcome.OK
            || request.leaderOutcome == Outcome.UNSUPPORTED
            || request.givenUp
            || !states.canSwitch()) {
          yield answerByLeader(request);
        }
        if (followerHasIt) {
          states.rescue(request);
          yield null;
        }
        yield request.atFollower ? null : answerByLeader(request);
      }
      case COPYING, CONVERGING, FLUSHING, PAUSED, ABORTED, JOINING, DROPPING ->
          answerByLeader(request);
    };
  }

  /** The leader is the disk, and has ended. */
  private Outcome answerByLeader(MirroredRequest request) {
    boolean aborted = states.state() == MirrorState.ABORTED;
    boolean hopeless = request.givenUp || aborted;
    boolean changes = request.kind.changesData() && !aborted;
    if (request.leaderOutcome != Outcome.OK) {
      if (changes) {
        differences.need(request); // the legs may have different parts of it
      }
      return request.leaderOutcome;
    }
    if (!request.atFollower) {
      return Outcome.OK;
    }
    if (request.exchanged && request.kind == Kind.WRITE) {
      return null; // the guest's buffer is at the leg that was given up, until that is closed
    }
    if (request.waitsForBoth && !hopeless) {
      return null;
    }
    if (request.kind == Kind.FLUSH && !hopeless) {
      return null;
    }
    if (changes) {
      differences.late(request); // before the answer
    }
    return Outcome.OK;
  }
}

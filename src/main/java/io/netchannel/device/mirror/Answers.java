package io.netchannel.device.mirror;

import io.netchannel.device.Outcome;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import io.netchannel.device.mirror.MirroredRequest.Route;
import java.util.function.LongSupplier;

/**
 * When a guest is answered, and what: by the legs' outcomes and the mirror's state. Guarded by the
 * mirror's lock.
 */
final class Answers {
  private final MirrorStates states;
  private final ActiveRanges active;
  private final Differences differences;
  private final CopyPace pace;
  private final Agenda agenda;
  private final RequestPool pool;
  private final LongSupplier nanoTime;
  private long longestWriteNanos;

  Answers(
      MirrorStates states,
      ActiveRanges active,
      Differences differences,
      CopyPace pace,
      Agenda agenda,
      RequestPool pool,
      LongSupplier nanoTime) {
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
        readAgain(request);
        return null;
      }
    }
    return outcome;
  }

  /** What the leader failed to read the follower has. */
  private void readAgain(MirroredRequest request) {
    request.route = Route.FOLLOWER;
    request.atFollower = true;
    agenda.send(request);
  }

  private Outcome answerOfBoth(MirroredRequest request) {
    boolean followerHasIt = !request.atFollower && request.followerOutcome == Outcome.OK;
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
      case COPYING, CONVERGING, FLUSHING, PAUSED, ABORTED -> answerByLeader(request);
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

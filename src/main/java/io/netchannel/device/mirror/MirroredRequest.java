package io.netchannel.device.mirror;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.memory.Chunk;
import java.nio.ByteBuffer;

/**
 * A request on its way through a mirror. Used again and again; all but {@link #leaderDone} and
 * {@link #followerDone} is guarded by the mirror's lock.
 *
 * <pre>
 *   FREE --begin--> PARKED (waits for its turn) --placed--> at one leg or both --+-- answered, ended at both --> FREE
 *                     +------------placed at once-------------^
 *
 *   answered, still at the follower: it is late, and its regions may differ until it has ended
 * </pre>
 */
final class MirroredRequest {
  enum Kind {
    READ,
    WRITE,
    /** A guest's discard. */
    DISCARD,
    FLUSH;

    boolean changesData() {
      return this == WRITE || this == DISCARD;
    }
  }

  /** Where it goes. */
  enum Route {
    LEADER,
    FOLLOWER,
    BOTH
  }

  final Completion leaderDone;
  final Completion followerDone;

  Kind kind;
  Route route;
  long offsetBytes;
  long lengthBytes;
  ByteBuffer data;
  Completion guest;
  long begunNanos;
  long sentNanos;

  /** The follower's copy of the data: the guest's is the leader's until that has ended. */
  Chunk copy;

  /** Where it is sent to, as it was placed: the legs may have changed their roles since. */
  Route sentTo;

  Device leader;
  Device follower;

  boolean atLeader;
  boolean atFollower;
  Outcome leaderOutcome;
  Outcome followerOutcome;

  /** Whether the answer waits for both legs. */
  boolean waitsForBoth;

  /** Its outcome at the follower does not matter any more: its regions are copied again. */
  boolean givenUp;

  /** Whether its regions have their bits because it is late. */
  boolean late;

  /** Whether some of its regions have to be copied in any case, also when it has ended well. */
  boolean needed;

  /** Of a read: whether it has failed at one leg, and is at the other. */
  boolean readElsewhere;

  /** Whether the legs have changed their roles since it was placed. */
  boolean exchanged;

  boolean answered;
  Outcome answer;

  /** What the agenda has of it. */
  boolean toSubmit;

  boolean toAnswer;

  /** In the list of those that are under way. */
  MirroredRequest previous;

  MirroredRequest next;

  /** In one of: parked, agenda, pool. */
  MirroredRequest nextInQueue;

  boolean queued;

  MirroredRequest(Ended leader, Ended follower) {
    leaderDone = outcome -> leader.ended(this, outcome);
    followerDone = outcome -> follower.ended(this, outcome);
  }

  /** Told that a leg has done its part. */
  interface Ended {
    void ended(MirroredRequest request, Outcome outcome);
  }

  void begin(
      Kind newKind,
      long offset,
      long length,
      ByteBuffer buffer,
      Completion completion,
      long nanos) {
    kind = newKind;
    offsetBytes = offset;
    lengthBytes = length;
    data = buffer;
    guest = completion;
    begunNanos = nanos;
    route = null;
    atLeader = false;
    atFollower = false;
    leaderOutcome = null;
    followerOutcome = null;
    waitsForBoth = false;
    givenUp = false;
    late = false;
    needed = false;
    readElsewhere = false;
    exchanged = false;
    answered = false;
    answer = null;
  }

  /** The legs have changed their roles. */
  void exchangeRoles() {
    boolean wasAtLeader = atLeader;
    atLeader = atFollower;
    atFollower = wasAtLeader;
    Outcome wasLeaders = leaderOutcome;
    leaderOutcome = followerOutcome;
    followerOutcome = wasLeaders;
    exchanged = !exchanged;
    route =
        switch (route) {
          case LEADER -> Route.FOLLOWER;
          case FOLLOWER -> Route.LEADER;
          case BOTH -> Route.BOTH;
        };
  }

  boolean overlaps(MirroredRequest other) {
    return offsetBytes < other.offsetBytes + other.lengthBytes
        && other.offsetBytes < offsetBytes + lengthBytes;
  }

  /** Whether it touches a region between these. */
  boolean touches(long firstRegion, long lastRegion) {
    return DifferenceMap.firstRegion(offsetBytes) <= lastRegion
        && firstRegion <= DifferenceMap.lastRegion(offsetBytes, lengthBytes);
  }

  boolean isUnderWay() {
    return atLeader || atFollower || !answered;
  }
}

package io.netchannel.device.mirror;

import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import io.netchannel.device.mirror.MirroredRequest.Route;
import java.util.function.LongSupplier;

/**
 * Where a request goes, or what it waits for, see the rules of the package. Guarded by the mirror's
 * lock.
 */
final class Placement {
  /** The follower's copies of what the guest writes; beyond that it is copied later. */
  static final long COPIES_BYTES = 8L << 20;

  private final Legs legs;
  private final MirrorStates states;
  private final ActiveRanges active;
  private final Differences differences;
  private final Copier copier;
  private final Verification verification;
  private final BufferLease buffers;
  private final Agenda agenda;
  private final LongSupplier nanoTime;
  private final RequestQueue parked = new RequestQueue();
  private long copiesBytes;
  private long heldWrites;

  Placement(
      Legs legs,
      MirrorStates states,
      ActiveRanges active,
      Differences differences,
      Copier copier,
      Verification verification,
      BufferLease buffers,
      Agenda agenda,
      LongSupplier nanoTime) {
    this.legs = legs;
    this.states = states;
    this.active = active;
    this.differences = differences;
    this.copier = copier;
    this.verification = verification;
    this.buffers = buffers;
    this.agenda = agenda;
    this.nanoTime = nanoTime;
  }

  boolean isEmpty() {
    return parked.first() == null;
  }

  /** How many have had to wait for something else than a leg. */
  long heldWrites() {
    return heldWrites;
  }

  /**
   * Finds out where a new one goes; one that has to wait is on the agenda when it is its turn.
   *
   * @return whether it may be sent now
   */
  boolean placeOrPark(MirroredRequest request) {
    boolean placed = place(request, null);
    if (!placed) {
      heldWrites++;
      parked.add(request);
    }
    return placed;
  }

  /** In the order in which they came, as far as they overlap. */
  void unpark() {
    if (states.keepsParked()) {
      return;
    }
    verification.lookAgain();
    MirroredRequest previous = null;
    MirroredRequest request = parked.first();
    while (request != null) {
      MirroredRequest next = request.nextInQueue;
      if (place(request, request)) {
        parked.remove(previous, request);
        agenda.send(request);
      } else {
        previous = request;
      }
      request = next;
    }
  }

  /** The follower does not need its copy of the data any more. */
  void releaseCopy(MirroredRequest request) {
    if (request.copy != null) {
      buffers.release(request.copy);
      request.copy = null;
      copiesBytes -= request.lengthBytes;
    }
  }

  /**
   * Finds out where it goes, or that it has to wait.
   *
   * @param end the parked ones before this one came before it; null for all
   */
  private boolean place(MirroredRequest request, MirroredRequest end) {
    Route route =
        switch (request.kind) {
          case READ -> states.readsFollower() ? Route.FOLLOWER : Route.LEADER;
          case FLUSH -> routeOfFlush();
          case WRITE, DISCARD -> routeOfChange(request, end);
        };
    if (route == null) {
      return false;
    }
    legs.place(request, route);
    request.sentNanos = nanoTime.getAsLong();
    active.add(request);
    return true;
  }

  private Route routeOfFlush() {
    if (states.state() == MirrorState.ALONE) {
      return Route.FOLLOWER;
    }
    return states.state().isTogether() && !states.isClosing() ? Route.BOTH : Route.LEADER;
  }

  /** Null when it has to wait. */
  private Route routeOfChange(MirroredRequest request, MirroredRequest end) {
    MirrorState state = states.state();
    if (state == MirrorState.ALONE) {
      return Route.FOLLOWER;
    }
    if (state == MirrorState.ABORTED) {
      return Route.LEADER;
    }
    if (states.isClosing() || state == MirrorState.PAUSED) {
      return leaderOnly(request);
    }
    if (overlapsParked(request, end)) {
      return null;
    }
    boolean together = state.isTogether();
    boolean mustFollow = together || states.isThrottled();
    long first = DifferenceMap.firstRegion(request.offsetBytes);
    long last = DifferenceMap.lastRegion(request.offsetBytes, request.lengthBytes);
    if (verification.holds(first, last)) {
      return null;
    }
    if (!together) {
      if (copier.locks(first, last)) {
        return null;
      }
      if (differences.needsCopy(first, last)) {
        return leaderOnly(request);
      }
    }
    if (active.overlapsUnanswered(request)) {
      return null;
    }
    if (active.overlapsAtFollower(request)) {
      return mustFollow ? null : leaderOnly(request);
    }
    if (request.kind == Kind.WRITE && !copyData(request)) {
      return mustFollow ? null : leaderOnly(request);
    }
    request.waitsForBoth = mustFollow;
    return Route.BOTH;
  }

  private boolean overlapsParked(MirroredRequest request, MirroredRequest end) {
    for (MirroredRequest other = parked.first(); other != end; other = other.nextInQueue) {
      if (other.overlaps(request)) {
        return true;
      }
    }
    return false;
  }

  private Route leaderOnly(MirroredRequest request) {
    differences.need(request);
    return Route.LEADER;
  }

  /** Memory for the follower's copy; it is filled without the lock. */
  private boolean copyData(MirroredRequest request) {
    if (copiesBytes + request.lengthBytes > COPIES_BYTES) {
      return false;
    }
    request.copy = buffers.acquireOrAwait(request.lengthBytes);
    if (request.copy == null) {
      return false;
    }
    copiesBytes += request.lengthBytes;
    return true;
  }
}

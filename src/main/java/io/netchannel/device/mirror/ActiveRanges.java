package io.netchannel.device.mirror;

import io.netchannel.device.mirror.MirroredRequest.Route;

/**
 * The requests that are at a leg or not answered yet, and who overlaps whom. By scan: there are as
 * many as guests have requests open, and those that a slow follower is late with. Guarded by the
 * mirror's lock.
 */
final class ActiveRanges {
  private MirroredRequest first;
  private MirroredRequest last;

  MirroredRequest first() {
    return first;
  }

  boolean isEmpty() {
    return first == null;
  }

  void add(MirroredRequest request) {
    request.previous = last;
    request.next = null;
    if (last == null) {
      first = request;
    } else {
      last.next = request;
    }
    last = request;
  }

  void remove(MirroredRequest request) {
    if (request.previous == null) {
      first = request.next;
    } else {
      request.previous.next = request.next;
    }
    if (request.next == null) {
      last = request.previous;
    } else {
      request.next.previous = request.previous;
    }
    request.previous = null;
    request.next = null;
  }

  /** Whether a change that goes to both legs, and overlaps this one, has not been answered. */
  boolean overlapsUnanswered(MirroredRequest request) {
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.kind.changesData()
          && other.route == Route.BOTH
          && !other.answered
          && other.overlaps(request)) {
        return true;
      }
    }
    return false;
  }

  /** Whether the follower still has an older change that overlaps: it might land last. */
  boolean overlapsAtFollower(MirroredRequest request) {
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.kind.changesData() && other.atFollower && other.overlaps(request)) {
        return true;
      }
    }
    return false;
  }

  /** Whether something is changing these regions at either leg, or is about to. */
  boolean isChanging(long firstRegion, long lastRegion) {
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.kind.changesData() && other.touches(firstRegion, lastRegion)) {
        return true;
      }
    }
    return false;
  }

  /** Whether the bit of the region is there only because changes are late. */
  boolean isOnlyLate(long region) {
    boolean late = false;
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.late && other.atFollower && other.touches(region, region)) {
        if (other.needed) {
          return false;
        }
        late = true;
      }
    }
    return late;
  }

  /** Whether something is late in the region, whatever else there is. */
  boolean isLate(long region) {
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.late && other.atFollower && other.touches(region, region)) {
        return true;
      }
    }
    return false;
  }

  /** These regions are to be copied: the end of what is late there clears no bit. */
  void need(long firstRegion, long lastRegion) {
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.kind.changesData()
          && other.route == Route.BOTH
          && other.touches(firstRegion, lastRegion)) {
        other.needed = true;
      }
    }
  }

  /** Whether something was placed before answers waited for both legs, and has not ended. */
  boolean hasOneOfBefore() {
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.kind.changesData() && !(other.route == Route.BOTH && other.waitsForBoth)) {
        return true;
      }
    }
    return false;
  }

  boolean isLeaderBusy() {
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.atLeader) {
        return true;
      }
    }
    return false;
  }

  boolean isFollowerBusy() {
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.atFollower) {
        return true;
      }
    }
    return false;
  }

  /** For how long the leader has had what it has had longest; 0 when it has nothing. */
  long longestAtLeaderNanos(long nowNanos) {
    long longest = 0;
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.atLeader) {
        longest = Math.max(longest, nowNanos - other.sentNanos);
      }
    }
    return longest;
  }

  /** The legs have changed their roles. */
  void exchangeRoles() {
    for (MirroredRequest other = first; other != null; other = other.next) {
      other.exchangeRoles();
    }
  }

  /** For how long the follower has had what it has had longest; 0 when it has nothing. */
  long longestAtFollowerNanos(long nowNanos) {
    long longest = 0;
    for (MirroredRequest other = first; other != null; other = other.next) {
      if (other.atFollower) {
        longest = Math.max(longest, nowNanos - other.sentNanos);
      }
    }
    return longest;
  }
}

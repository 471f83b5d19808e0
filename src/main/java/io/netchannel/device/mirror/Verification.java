package io.netchannel.device.mirror;

import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.memory.Chunk;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * Reads both legs in SYNC, from the bottom to the top, and looks whether they are alike: what the
 * mirror has written may be changed by others, or not kept. No thread of its own: who has changed
 * something asks {@link #claim} for what can begin, and begins it. Guarded by the mirror's lock,
 * but for {@link #begin}.
 *
 * <p>Regions that are being changed are left for later, those alone that are left are locked until
 * that has ended. A change of regions that are being compared waits, and while one does no others
 * are locked: it waits for what is under way when it comes, and for no more.
 *
 * <p>What is copied again after it was compared is compared again. Comparisons are paced as copies
 * are, and use the same memory.
 */
final class Verification {
  /** The mirror. */
  interface Owner {
    /** The legs are alike where that was looked at. Under the lock. */
    void alike();

    /** A leg could not be read. Under the lock. */
    void comparisonFailed(String reason);

    /** They are not alike. Under the lock. */
    void differ(long offsetBytes);

    /** Something has changed. Without the lock. */
    void work();
  }

  private static final String SOURCE = "source";
  private static final String TARGET = "target";

  private final Object lock;
  private final Legs legs;

  /** What is to be compared yet; null when nothing ever is. */
  private final DifferenceMap left;

  private final ActiveRanges active;
  private final BufferLease buffers;
  private final CopyPace pace;
  private final LongSupplier nanoTime;
  private final Owner owner;

  private final List<Comparison> comparisons = new ArrayList<>();
  private long cursor;

  /** Whether a change waits for what is under way. */
  private boolean awaited;

  long comparedBytes;

  Verification(
      Object lock,
      Legs legs,
      boolean asked,
      ActiveRanges active,
      BufferLease buffers,
      CopyPace pace,
      LongSupplier nanoTime,
      Owner owner) {
    this.lock = lock;
    this.legs = legs;
    this.left = asked ? DifferenceMap.inMemory(legs.geometry.sizeBytes()) : null;
    this.active = active;
    this.buffers = buffers;
    this.pace = pace;
    this.nanoTime = nanoTime;
    this.owner = owner;
  }

  /** Whether all has been found alike, or nobody has asked. */
  boolean isDone() {
    return left == null || left.count() == 0;
  }

  /** In whole regions; 0 when nobody has asked. */
  long leftBytes() {
    return left == null ? 0 : Math.min(left.count() * DifferenceMap.REGION_BYTES, left.sizeBytes());
  }

  /** It is copied: what was found before says nothing. */
  void again(long offsetBytes, long lengthBytes) {
    if (left != null) {
      left.set(offsetBytes, lengthBytes);
    }
  }

  /** The legs need not be alike any more: what is under way says nothing. */
  void stop() {
    for (Comparison each : List.copyOf(comparisons)) {
      if (each.stage == Comparison.Stage.LOCKED) {
        end(each); // it has not begun, and nobody else would end it
      }
      each.stage = Comparison.Stage.VOID;
    }
  }

  /** Nothing is at a leg for it. */
  boolean isIdle() {
    return comparisons.isEmpty();
  }

  boolean isAtFollower() {
    return comparisons.stream().anyMatch(each -> each.atFollower);
  }

  /** For how long the follower has had the read that it has had longest; empty without one. */
  Optional<Long> longestAtFollowerNanos(long nowNanos) {
    return comparisons.stream()
        .filter(each -> each.atFollower)
        .map(each -> nowNanos - each.followerSinceNanos)
        .max(Long::compare);
  }

  /** Who waited looks again whether he has to: until then nothing else is locked. */
  void lookAgain() {
    awaited = false;
  }

  /** Whether a change of these regions has to wait. */
  boolean holds(long firstRegion, long lastRegion) {
    for (int i = 0; i < comparisons.size(); i++) {
      Comparison each = comparisons.get(i);
      if (each.stage != Comparison.Stage.VOID && each.touches(firstRegion, lastRegion)) {
        awaited = true;
        return true;
      }
    }
    return false;
  }

  /** The next one that can begin, to be given to {@link #begin}; null when there is none now. */
  Comparison claim() {
    // By index, as each request of the guest comes along here: an iterator would be an object.
    for (int i = 0; i < comparisons.size(); i++) {
      Comparison each = comparisons.get(i);
      if (each.stage == Comparison.Stage.LOCKED && !isChanging(each)) {
        return claimed(each);
      }
    }
    if (awaited || comparisons.size() >= pace.allowed() || left.count() == 0) {
      return null;
    }
    long region = nextClaimable();
    if (region < left.regions()) {
      Comparison found = lock(region);
      return found == null ? null : claimed(found);
    }
    if (comparisons.isEmpty()) {
      var unused = lock(left.nextSet(0, left.regions())); // it begins when the changes have ended
    }
    return null;
  }

  private long nextClaimable() {
    long region = nextClaimable(cursor);
    return region < left.regions() ? region : nextClaimable(0);
  }

  private long nextClaimable(long from) {
    long end = left.regions();
    long region = left.nextSet(from, end);
    while (region < end && !isClaimable(region)) {
      region = left.nextSet(region + 1, end);
    }
    return region;
  }

  private boolean isClaimable(long region) {
    for (int i = 0; i < comparisons.size(); i++) {
      if (comparisons.get(i).touches(region, region)) {
        return false;
      }
    }
    return !active.isChanging(region, region);
  }

  private boolean isChanging(Comparison comparison) {
    return active.isChanging(comparison.firstRegion, comparison.lastRegion());
  }

  /** Null when there is no memory, or it would be too much for this second. */
  private Comparison lock(long region) {
    int regions = 1;
    while (regions < RegionSpan.MOST_REGIONS
        && region + regions < left.regions()
        && left.isSet(region + regions)
        && isClaimable(region + regions)) {
      regions++;
    }
    long bytes = (long) regions * DifferenceMap.REGION_BYTES;
    if (!pace.take(bytes, nanoTime.getAsLong())) {
      return null;
    }
    Chunk ofLeader = buffers.acquireOrAwait(bytes);
    Chunk ofFollower = ofLeader == null ? null : buffers.acquireOrAwait(bytes);
    if (ofFollower == null) {
      if (ofLeader != null) {
        buffers.release(ofLeader);
      }
      pace.giveBack(bytes);
      return null;
    }
    Comparison locked = new Comparison(region, regions, left.sizeBytes(), ofLeader, ofFollower);
    comparisons.add(locked);
    cursor = region + regions;
    return locked;
  }

  private Comparison claimed(Comparison comparison) {
    comparison.stage = Comparison.Stage.READING;
    comparison.outstanding = 2;
    comparison.atFollower = true;
    comparison.followerSinceNanos = nanoTime.getAsLong();
    return comparison;
  }

  /** Begins one that was claimed. Without the lock. */
  void begin(Comparison comparison) {
    legs.follower.read(
        comparison.offsetBytes,
        comparison.ofFollower.buffer().clear().limit(comparison.lengthBytes),
        outcome -> read(comparison, TARGET, outcome));
    legs.leader.read(
        comparison.offsetBytes,
        comparison.ofLeader.buffer().clear().limit(comparison.lengthBytes),
        outcome -> read(comparison, SOURCE, outcome));
  }

  private void read(Comparison comparison, String leg, Outcome outcome) {
    boolean both;
    synchronized (lock) {
      comparison.atFollower &= leg.equals(SOURCE);
      if (outcome != Outcome.OK && comparison.stage == Comparison.Stage.READING) {
        comparison.stage = Comparison.Stage.VOID;
        owner.comparisonFailed(
            "verifying: reading %d bytes at %d of the %s: %s"
                .formatted(comparison.lengthBytes, comparison.offsetBytes, leg, outcome.words()));
      }
      both = --comparison.outstanding == 0;
    }
    if (both) {
      int at = mismatch(comparison); // what is void is compared for nothing, but never for long
      synchronized (lock) {
        compared(comparison, at);
      }
    }
    owner.work();
  }

  private static int mismatch(Comparison comparison) {
    ByteBuffer ofLeader = comparison.ofLeader.buffer().slice(0, comparison.lengthBytes);
    return ofLeader.mismatch(comparison.ofFollower.buffer().slice(0, comparison.lengthBytes));
  }

  private void compared(Comparison comparison, int at) {
    end(comparison);
    if (comparison.stage != Comparison.Stage.READING) {
      return;
    }
    if (at >= 0) {
      owner.differ(comparison.offsetBytes + at);
      return;
    }
    for (long region = comparison.firstRegion; region <= comparison.lastRegion(); region++) {
      left.clear(region);
    }
    comparedBytes += comparison.lengthBytes;
    owner.alike();
  }

  private void end(Comparison comparison) {
    comparisons.remove(comparison);
    buffers.release(comparison.ofLeader);
    buffers.release(comparison.ofFollower);
  }
}

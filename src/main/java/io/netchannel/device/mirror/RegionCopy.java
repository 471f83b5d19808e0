package io.netchannel.device.mirror;

import io.netchannel.device.memory.Chunk;
import java.util.BitSet;

/**
 * A copy of neighbouring regions from the leader to the follower. Guarded by the mirror's lock, but
 * for the data of its chunks, which is its own.
 *
 * <pre>
 *   LOCKED --what is changing there has ended--> READING --all read--> WRITING --all written--> ended: bits cleared
 *                                                   |  |                  |
 *                        +--claimed, nothing there--+  |  stale or failed-+--> ended: bits stay
 *                                                      +--no hole, and no memory for data--> ended, claimed again in parts
 * </pre>
 */
final class RegionCopy extends RegionSpan {
  enum Stage {
    /** Changes wait for it; it waits for those that are under way. */
    LOCKED,
    READING,
    WRITING
  }

  /** Whether changes of its regions wait until it has ended. */
  final boolean locked;

  /** Null where only a hole is copied, as more regions than a chunk has. */
  final Chunk data;

  /** What the follower has now; null where that does not matter. */
  final Chunk compared;

  /** Whether the leader has a hole there. Set before it is read. */
  boolean hole;

  /** By region: it was changed meanwhile. */
  final BitSet stale;

  Stage stage;

  /** Parts at a leg. */
  int outstanding;

  /** Since when the follower has what it has of it. */
  long followerSinceNanos;

  /** Whether the follower is being read. */
  boolean comparing;

  boolean failed;

  RegionCopy(
      long firstRegion, int regions, long deviceBytes, boolean locked, Chunk data, Chunk compared) {
    super(firstRegion, regions, deviceBytes);
    this.locked = locked;
    this.data = data;
    this.compared = compared;
    stale = new BitSet(regions);
    stage = locked ? Stage.LOCKED : Stage.READING;
  }

  /** Returns how many of its regions have become stale. */
  int markStale(long first, long last) {
    int before = stale.cardinality();
    int from = (int) (Math.max(first, firstRegion) - firstRegion);
    int to = (int) (Math.min(last, lastRegion()) - firstRegion);
    stale.set(from, to + 1);
    return stale.cardinality() - before;
  }

  boolean isAllStale() {
    return stale.cardinality() == regions;
  }
}

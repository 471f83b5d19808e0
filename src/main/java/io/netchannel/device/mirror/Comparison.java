package io.netchannel.device.mirror;

import io.netchannel.device.memory.Chunk;

/**
 * A look whether some regions are alike on both legs. Guarded by the mirror's lock, but for the
 * data of its chunks, which is its own.
 *
 * <pre>
 *   LOCKED --what is changing there has ended--> READING --both read--> ended: alike, or not
 *      |                                            |
 *      +---------the mirror is not in sync: VOID----+--both read--> ended, and says nothing
 * </pre>
 *
 * Changes of its regions wait for it while it is LOCKED or READING.
 */
final class Comparison extends RegionSpan {
  enum Stage {
    LOCKED,
    READING,
    VOID
  }

  final Chunk ofLeader;
  final Chunk ofFollower;

  Stage stage = Stage.LOCKED;

  /** Reads at a leg. */
  int outstanding;

  boolean atFollower;

  /** Since when, if it is. */
  long followerSinceNanos;

  Comparison(long firstRegion, int regions, long deviceBytes, Chunk ofLeader, Chunk ofFollower) {
    super(firstRegion, regions, deviceBytes);
    this.ofLeader = ofLeader;
    this.ofFollower = ofFollower;
  }
}

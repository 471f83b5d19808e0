package io.netchannel.device.mirror;

import java.util.List;

/**
 * What must be true of a mirror at every moment, between any two steps, but where its follower was
 * damaged behind its back.
 */
final class MirrorInvariants {
  private static final int REGION_BLOCKS = DifferenceMap.REGION_BYTES / SteppedDevice.BLOCK_BYTES;

  private final GuestModel guest;
  private final SteppedDevice leader;
  private final SteppedDevice follower;

  MirrorInvariants(GuestModel guest, SteppedDevice leader, SteppedDevice follower) {
    this.guest = guest;
    this.leader = leader;
    this.follower = follower;
  }

  void check(MirrorState state, DifferenceMap map) {
    checkDisk(state == MirrorState.ALONE ? follower : leader);
    if (state != MirrorState.ALONE && state != MirrorState.ABORTED) {
      checkLegs(state, map);
    }
  }

  /** Each block is what the guest was told. */
  void checkDisk(SteppedDevice disk) {
    for (int block = 0; block < disk.current.length; block++) {
      if (!guest.allows(block, disk.current[block])) {
        throw new AssertionError(
            "block %d has %d, the guest was told %s"
                .formatted(block, disk.current[block], guest.expected(block)));
      }
    }
  }

  private void checkLegs(MirrorState state, DifferenceMap map) {
    // In RECORDING a follower may have failed: it is given up, or alone, when that is known.
    boolean inSync =
        state == MirrorState.SYNC || (state == MirrorState.RECORDING && map.count() == 0);
    for (int block = 0; block < leader.current.length; block++) {
      boolean damaged = follower.current[block] == SteppedDevice.DAMAGED;
      boolean equal = damaged || leader.current[block] == follower.current[block];
      boolean open = guest.isOpen(block, 1);
      if (!map.isSet(block / REGION_BLOCKS) && !open && !isAtALeg(block)) {
        expect(equal, "block %d differs, and its bit is clear", block);
      }
      if (inSync && !open) {
        expect(equal, "block %d differs in sync", block);
        expect(
            follower.wasDamaged(block) || follower.leastDurable(block) >= guest.flushed(block),
            "block %d was flushed, and is not durable on the follower",
            block);
      }
    }
  }

  private boolean isAtALeg(int block) {
    return List.of(leader, follower).stream().anyMatch(leg -> leg.isChanging(block));
  }

  private static void expect(boolean holds, String otherwise, int block) {
    if (!holds) {
      throw new AssertionError(otherwise.formatted(block));
    }
  }
}

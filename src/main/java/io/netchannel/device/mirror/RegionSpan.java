package io.netchannel.device.mirror;

/** Neighbouring regions of a device, for which something is done at once; immutable. */
class RegionSpan {
  /**
   * As long as a request of a guest: the follower sees nothing that it would not see else, and who
   * waits for it does not wait for long.
   */
  static final int MOST_BYTES = 256 << 10;

  static final int MOST_REGIONS = MOST_BYTES / DifferenceMap.REGION_BYTES;

  final long firstRegion;
  final int regions;
  final long offsetBytes;
  final int lengthBytes;

  /** The last region of a device may be a short one. */
  RegionSpan(long firstRegion, int regions, long deviceBytes) {
    this.firstRegion = firstRegion;
    this.regions = regions;
    offsetBytes = firstRegion * DifferenceMap.REGION_BYTES;
    lengthBytes =
        (int) Math.min((long) regions * DifferenceMap.REGION_BYTES, deviceBytes - offsetBytes);
  }

  final long lastRegion() {
    return firstRegion + regions - 1;
  }

  final boolean touches(long first, long last) {
    return firstRegion <= last && first <= lastRegion();
  }
}

package io.netchannel.demo;

/**
 * How much the demo's guest does.
 *
 * @param diskBytes a multiple of 4096
 * @param outstanding requests at a time; blkfront's ring of one page has room for 32
 * @param requestsPerScene how many are completed before, and again after, each migration
 * @param seed of all randomness
 */
public record Load(long diskBytes, int outstanding, int requestsPerScene, long seed) {
  private static final long MIB = 1 << 20;

  /** About half a minute. */
  public static Load standard(long seed) {
    return new Load(64 * MIB, 32, 1500, seed);
  }

  /** For a test: all scenes in some seconds. */
  public static Load small(long seed) {
    return new Load(16 * MIB, 32, 200, seed);
  }

  /**
   * The filters before the disk. A storage path this slow has most of the outstanding requests at
   * the device when the guest stops, some done and not seen, and lets them overtake each other.
   */
  String filters() {
    return "delay:read=15ms,write=25ms,flush=5ms,jitter=60ms,seed=%d!".formatted(seed);
  }
}

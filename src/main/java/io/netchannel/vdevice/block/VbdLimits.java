package io.netchannel.vdevice.block;

/**
 * How much a frontend may ask for; published in the backend's nodes.
 *
 * @param maxQueues rings per disk ("multi-queue-max-queues")
 * @param maxRingPageOrder log2 of the pages per ring ("max-ring-page-order")
 * @param maxIndirectSegments segments of an indirect request ("feature-max-indirect-segments")
 */
public record VbdLimits(int maxQueues, int maxRingPageOrder, int maxIndirectSegments) {

  /** XENBUS_MAX_RING_GRANT_ORDER of Linux. */
  public static final int HIGHEST_RING_PAGE_ORDER = 4;

  /** As many as blkback takes, and as fit in one page (a page holds 512 segments). */
  public static final int HIGHEST_INDIRECT_SEGMENTS = 256;

  /** blkfront uses one per CPU, and four at most unless it is told otherwise. */
  public static final int HIGHEST_QUEUES = 16;

  /** blkback's own, but for the queues: it offers one per CPU, blkfront uses four at most. */
  public static final VbdLimits DEFAULT =
      new VbdLimits(4, HIGHEST_RING_PAGE_ORDER, HIGHEST_INDIRECT_SEGMENTS);

  public VbdLimits {
    check("maxQueues", maxQueues, 1, HIGHEST_QUEUES);
    check("maxRingPageOrder", maxRingPageOrder, 0, HIGHEST_RING_PAGE_ORDER);
    check("maxIndirectSegments", maxIndirectSegments, 0, HIGHEST_INDIRECT_SEGMENTS);
  }

  private static void check(String name, int value, int lowest, int highest) {
    if (value < lowest || value > highest) {
      throw new IllegalArgumentException(
          "%s is %d, expected %d to %d".formatted(name, value, lowest, highest));
    }
  }
}

package io.netchannel.vdevice.block.frontend;

import io.netchannel.vdevice.block.RingLayout;

/**
 * Parameters of the frontend, as of Linux' module xen-blkfront.
 *
 * @param layout the guest's ABI
 * @param maxQueues rings it uses, if the backend offers as many
 * @param maxRingPageOrder log2 of pages per ring it uses, if the backend offers as many
 * @param maxIndirectSegments segments of an indirect request, likewise; 0 for none
 * @param merge whether neighbouring I/O of the queue goes into one request, as Linux' block layer
 *     does
 */
public record BlkfrontOptions(
    RingLayout layout,
    int maxQueues,
    int maxRingPageOrder,
    int maxIndirectSegments,
    boolean merge) {

  /** What a stock 64-bit Linux guest with one CPU does. */
  public static final BlkfrontOptions DEFAULT =
      new BlkfrontOptions(RingLayout.X86_64, 1, 0, 32, true);

  public BlkfrontOptions withLayout(RingLayout newLayout) {
    return new BlkfrontOptions(newLayout, maxQueues, maxRingPageOrder, maxIndirectSegments, merge);
  }

  public BlkfrontOptions withQueues(int newMaxQueues) {
    return new BlkfrontOptions(layout, newMaxQueues, maxRingPageOrder, maxIndirectSegments, merge);
  }

  public BlkfrontOptions withRingPageOrder(int newMaxOrder) {
    return new BlkfrontOptions(layout, maxQueues, newMaxOrder, maxIndirectSegments, merge);
  }

  public BlkfrontOptions withIndirectSegments(int newMaxSegments) {
    return new BlkfrontOptions(layout, maxQueues, maxRingPageOrder, newMaxSegments, merge);
  }

  public BlkfrontOptions withMerge(boolean newMerge) {
    return new BlkfrontOptions(layout, maxQueues, maxRingPageOrder, maxIndirectSegments, newMerge);
  }
}

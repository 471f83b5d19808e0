package io.netchannel.midpoint;

import io.netchannel.vdevice.block.BlockOperation;

/**
 * Which request has to wait for which. Devices may run what they have been given in any order.
 *
 * <ul>
 *   <li>Overlapping requests, at least one of which changes the range, run in the order in which
 *       they were taken. A guest that cares never has them in flight together (Linux does not), but
 *       their order must still be one order: the same now, when they are issued again after a crash
 *       and when they are finished on another host.
 *   <li>A barrier waits for everything before it, and everything after it waits for the barrier.
 *   <li>A flush waits for nothing: it covers what was answered before it (blkback's
 *       BLKIF_OP_FLUSH_DISKCACHE). Its data, if it has some, is an overlapping write like any
 *       other.
 * </ul>
 */
final class IssueOrder {
  private IssueOrder() {}

  /**
   * Whether {@code request} must wait for an earlier one.
   *
   * @param open {@code request} and the other open ones, in the order in which they were taken
   */
  static boolean mustWait(PendingRequest request, PendingList open) {
    for (PendingRequest earlier = open.first(); earlier != request; earlier = earlier.next) {
      if (earlier.isUnfinished() && conflict(earlier, request)) {
        return true;
      }
    }
    return false;
  }

  private static boolean conflict(PendingRequest earlier, PendingRequest later) {
    return earlier.operation == BlockOperation.WRITE_BARRIER
        || later.operation == BlockOperation.WRITE_BARRIER
        || (earlier.overlaps(later) && (earlier.changesData() || later.changesData()));
  }
}

package io.netchannel.vdevice.block;

import com.google.common.collect.ImmutableList;
import io.netchannel.vdevice.FrontendNodes;
import io.netchannel.vdevice.HandshakeException;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.vdevice.SharedRing;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStoreOperations;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The rings of a disk that another backend serves, to look at: how much that backend has not
 * answered. blkback and qdisk speak the same protocol as we do, so the rings tell it for both.
 *
 * <p>Mapped read-only, and of each ring only the first page, which has the indexes. While they are
 * mapped the domain cannot go away for good. Used by one thread.
 */
public final class StockRings implements AutoCloseable {

  /** Rings per disk: one per CPU of the guest at most, and more than blkback makes anywhere. */
  static final int MAX_QUEUES = 256;

  private final ImmutableList<GrantTable.Mapping> rings;
  private final int slots;

  private StockRings(ImmutableList<GrantTable.Mapping> rings, int slots) {
    this.rings = rings;
    this.slots = slots;
  }

  /**
   * Maps the rings that a connected frontend has published.
   *
   * @param frontend "/local/domain/7/device/vbd/51712"
   * @throws HandshakeException when its nodes name no rings
   * @throws io.netchannel.xen.XenException when a ring is not granted to us
   */
  public static StockRings map(
      XenStoreOperations store, GrantTable grants, int domid, String frontend)
      throws HandshakeException {
    int order = bounded(store, frontend, "ring-page-order", VbdLimits.HIGHEST_RING_PAGE_ORDER, 0);
    int queues = bounded(store, frontend, "multi-queue-num-queues", MAX_QUEUES, 1);
    List<GrantTable.Mapping> mapped = new ArrayList<>();
    boolean complete = false;
    try {
      for (int queue = 0; queue < queues; queue++) {
        int first = firstPage(store, frontend, queues == 1 ? "" : "/queue-" + queue);
        mapped.add(grants.mapReadOnly(domid, new int[] {first}));
      }
      complete = true;
      // The slots of both layouts are of different size and equal in number.
      int slots = SharedRing.slots(GrantTable.PAGE_BYTES << order, RingLayout.X86_64.slotBytes());
      return new StockRings(ImmutableList.copyOf(mapped), slots);
    } finally {
      if (!complete) {
        mapped.forEach(GrantTable.Mapping::close);
      }
    }
  }

  /** Requests without an answer, over all rings. */
  public int unanswered() throws RingBrokenException {
    int sum = 0;
    for (GrantTable.Mapping ring : rings) {
      sum += SharedRing.unanswered(ring.memory(), slots);
    }
    return sum;
  }

  /** Unmaps. Idempotent. */
  @Override
  public void close() {
    rings.forEach(GrantTable.Mapping::close);
  }

  /** As blkback looks for it: "ring-ref0" where an order is named, "ring-ref" for a single page. */
  private static int firstPage(XenStoreOperations store, String frontend, String queue)
      throws HandshakeException {
    String directory = frontend + queue;
    Optional<Integer> first = Optional.empty();
    if (FrontendNodes.optional(store, frontend, "ring-page-order").isPresent()) {
      first = FrontendNodes.optional(store, directory, "ring-ref0");
    }
    if (first.isEmpty()) {
      first = FrontendNodes.optional(store, directory, "ring-ref");
    }
    return first.orElseThrow(
        () -> new HandshakeException(directory + " names no ring (ring-ref or ring-ref0)"));
  }

  private static int bounded(
      XenStoreOperations store, String frontend, String name, int highest, int otherwise)
      throws HandshakeException {
    int value = FrontendNodes.optional(store, frontend, name).orElse(otherwise);
    if (value < otherwise || value > highest) {
      throw new HandshakeException(
          "%s/%s is %s, expected %d to %d"
              .formatted(frontend, name, Integer.toUnsignedString(value), otherwise, highest));
    }
    return value;
  }
}

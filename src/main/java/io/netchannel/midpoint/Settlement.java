package io.netchannel.midpoint;

import com.google.common.collect.ImmutableList;
import io.netchannel.midpoint.Manifest.Entry;
import java.util.concurrent.CompletableFuture;

/**
 * Pending requests being finished without a guest to answer to: those of a manifest, or a
 * mid-point's own after its frontend has begun again. What becomes known is the replay map.
 *
 * <pre>
 *   feeding --all in the table--> finishing --nothing held or at the device--> settled: offer
 * </pre>
 */
final class Settlement {
  private final ImmutableList<Entry> entries;
  private final CompletableFuture<Void> settled;
  private int next;

  Settlement(ImmutableList<Entry> entries, CompletableFuture<Void> settled) {
    this.entries = entries;
    this.settled = settled;
  }

  /** Puts entries into the table in order while there is room; returns how many. */
  int feed(RequestFlow flow) {
    int count = 0;
    while (next < entries.size() && flow.table().hasFree()) {
      flow.adopt(entries.get(next++));
      count++;
    }
    return count;
  }

  boolean isFinished(RequestFlow flow) {
    return next == entries.size()
        && flow.table().heldCount() == 0
        && flow.table().issuedCount() == 0;
  }

  CompletableFuture<Void> settled() {
    return settled;
  }
}

package io.netchannel.midpoint;

import com.google.common.collect.ImmutableList;
import io.netchannel.midpoint.Manifest.Entry;
import java.util.List;
import java.util.Optional;
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
  private final Optional<ReplayMap> prepared;
  private final CompletableFuture<Void> settled;
  private int next;

  /**
   * @param prepared the replay map, where it is known before anything is finished
   * @param settled null when nobody waits for it
   */
  Settlement(
      ImmutableList<Entry> entries, Optional<ReplayMap> prepared, CompletableFuture<Void> settled) {
    this.entries = entries;
    this.prepared = prepared;
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

  /** Of what has become known, in order of sequence. */
  ReplayMap replayMap(List<Entry> known) {
    return prepared.orElseGet(() -> ReplayMap.of(known));
  }

  CompletableFuture<Void> settled() {
    return settled;
  }
}

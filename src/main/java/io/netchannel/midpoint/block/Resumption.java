package io.netchannel.midpoint.block;

import com.google.common.collect.Range;
import com.google.common.collect.RangeSet;
import com.google.common.collect.TreeRangeSet;
import io.netchannel.midpoint.Arrival;
import io.netchannel.midpoint.Milestones;
import io.netchannel.midpoint.block.BlockManifest.Entry;
import java.util.List;

/**
 * Follows a guest that was served elsewhere until all it had pending is answered here. A frontend
 * cuts and merges what it sends again, so the sectors are followed and not the requests. For
 * people: nothing depends on it.
 *
 * <pre>
 *   waiting --frontend--> connected --request--> resubmitting --each sector answered--> over
 *                              +------------------------+-------replay map expired---> over
 * </pre>
 */
final class Resumption {
  private final Milestones milestones;
  private final RangeSet<Long> unanswered = TreeRangeSet.create();
  private final Arrival arrival;
  private int flushes;

  Resumption(List<Entry> pending, Milestones milestones) {
    this.milestones = milestones;
    arrival = new Arrival(milestones);
    for (Entry entry : pending) {
      if (entry.lengthBytes() > 0) {
        unanswered.add(range(entry.offsetBytes(), entry.lengthBytes()));
      } else {
        flushes++;
      }
    }
  }

  void connected() {
    arrival.connected();
  }

  void taken() {
    arrival.taken();
  }

  /** True when that was the last one. */
  boolean answered(PendingBlock request) {
    if (request.lengthBytes > 0) {
      unanswered.remove(range(request.offsetBytes, request.lengthBytes));
    } else if (flushes > 0) {
      flushes--;
    }
    boolean over = unanswered.isEmpty() && flushes == 0;
    if (over) {
      milestones.reached("all pending answered");
    }
    return over;
  }

  /** What the guest has not asked for by now it had seen answered before it moved. */
  void expired() {
    milestones.reached(
        "all pending answered but what the guest has not sent again: %d bytes, %d flushes"
            .formatted(unansweredBytes(), flushes));
  }

  private long unansweredBytes() {
    return unanswered.asRanges().stream()
        .mapToLong(range -> range.upperEndpoint() - range.lowerEndpoint())
        .sum();
  }

  private static Range<Long> range(long offsetBytes, long lengthBytes) {
    return Range.closedOpen(offsetBytes, offsetBytes + lengthBytes);
  }
}

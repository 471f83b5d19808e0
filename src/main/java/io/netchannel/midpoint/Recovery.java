package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkState;

import com.google.common.collect.ImmutableMap;
import io.netchannel.midpoint.InflightTable.Slot;
import io.netchannel.vdevice.VirtualRequest;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What an earlier process had taken, by what its in-flight table has and what the rings say. */
final class Recovery {
  private Recovery() {}

  /**
   * Which slot each of the requests has that are not answered.
   *
   * <p>The same name may be in several slots: the frontend has used it again after an answer that
   * nobody knows it has seen. Then only the last one can be unanswered.
   *
   * @param slots in order of sequence
   * @param returned what the virtual device made again of the slots
   * @return by the number of their slot
   */
  static <R extends VirtualRequest> ImmutableMap<Integer, R> bySlot(
      List<Slot> slots, List<R> returned) {
    Map<Integer, R> bySlot = new HashMap<>();
    for (R request : returned) {
      checkState(
          bySlot.put(newestSlotOf(request, slots), request) == null,
          "request %s of queue %s came back twice",
          request.id(),
          request.queue());
    }
    return ImmutableMap.copyOf(bySlot);
  }

  private static int newestSlotOf(VirtualRequest request, List<Slot> slots) {
    for (int i = slots.size() - 1; i >= 0; i--) {
      Slot slot = slots.get(i);
      if (slot.queue() == request.queue() && slot.id() == request.id()) {
        return slot.slot();
      }
    }
    throw new IllegalStateException(
        "request %d of queue %d came back and is not in the in-flight table"
            .formatted(request.id(), request.queue()));
  }
}

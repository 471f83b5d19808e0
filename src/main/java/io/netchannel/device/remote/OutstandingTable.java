package io.netchannel.device.remote;

import com.google.common.collect.ImmutableList;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.WireException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;

/** Requests that were sent and are not answered, by slot, within the server's window. */
final class OutstandingTable {
  private final RemoteRequest[] bySlot;
  private final int[] freeSlots;
  private final int windowBytes;
  private int free;
  private int bytes;

  OutstandingTable(int slots, int windowBytes) {
    this.windowBytes = windowBytes;
    bySlot = new RemoteRequest[slots];
    freeSlots = new int[slots];
    for (int i = slots - 1; i >= 0; i--) {
      freeSlots[free++] = i;
    }
  }

  /** One that has these in their slots, to be asked for. */
  static OutstandingTable of(List<RemoteRequest> requests) {
    int slots = requests.stream().mapToInt(request -> request.slot + 1).max().orElse(0);
    OutstandingTable table = new OutstandingTable(slots, 0);
    requests.forEach(table::addAt);
    return table;
  }

  OutstandingTable emptied() {
    return new OutstandingTable(bySlot.length, windowBytes);
  }

  int size() {
    return bySlot.length - free;
  }

  boolean hasRoomFor(RemoteRequest request) {
    return free > 0 && bytes + request.windowBytes() <= windowBytes;
  }

  /** Gives it a slot. */
  void add(RemoteRequest request) {
    request.slot = freeSlots[--free];
    put(request);
  }

  /** Gives one that was sent before the slot it had, by which others know it, if that is free. */
  void addAgain(RemoteRequest request) {
    if (request.slot < bySlot.length && isFree(request.slot)) {
      addAt(request);
    } else {
      add(request);
    }
  }

  /** Leaves it in its slot, which must be free. */
  void addAt(RemoteRequest request) {
    int at = 0;
    while (freeSlots[at] != request.slot) {
      at++;
    }
    freeSlots[at] = freeSlots[--free];
    put(request);
  }

  private void put(RemoteRequest request) {
    bySlot[request.slot] = request;
    bytes += request.windowBytes();
  }

  void remove(RemoteRequest request) {
    bySlot[request.slot] = null;
    freeSlots[free++] = request.slot;
    bytes -= request.windowBytes();
  }

  /** Also of one that is not within the window. */
  boolean isFree(int slot) {
    return slot >= bySlot.length || bySlot[slot] == null;
  }

  /** Null when it is not there any more. */
  RemoteRequest find(int slot, long sequence) {
    RemoteRequest found = slot < bySlot.length ? bySlot[slot] : null;
    return found == null || found.sequence != sequence ? null : found;
  }

  RemoteRequest get(int slot, long sequence) throws WireException {
    RemoteRequest found = find(slot, sequence);
    if (found == null) {
      throw new WireException(
          "expected a reply to an outstanding request, found one for slot %d, sequence %d"
              .formatted(slot, sequence));
    }
    return found;
  }

  boolean hasInherited() {
    return Arrays.stream(bySlot).anyMatch(request -> request != null && request.inherited);
  }

  /** In the order in which they were sent first. */
  List<RemoteRequest> inOrder() {
    return Arrays.stream(bySlot)
        .filter(Objects::nonNull)
        .sorted(Comparator.comparingLong(request -> request.sequence))
        .collect(ImmutableList.toImmutableList());
  }

  /** Those whose fate matters; a read is just done again. */
  List<RemoteRequest> unanswered() {
    return inOrder().stream()
        .filter(request -> request.type.isKept())
        .collect(ImmutableList.toImmutableList());
  }

  /** Whether a server's answer can be true: it knows no request outside of its own slots. */
  void check(List<Attach.Unanswered> listed, List<Attached.Fate> fates, int slots)
      throws WireException {
    for (int i = 0; i < listed.size(); i++) {
      if (fates.get(i).state() == Attached.State.RUNNING && listed.get(i).slot() >= slots) {
        throw new WireException(
            "ATTACHED: expected nothing running in slot %d of %d"
                .formatted(listed.get(i).slot(), slots));
      }
    }
  }
}

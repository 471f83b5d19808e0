package io.netchannel.device.remote;

import com.google.common.collect.ImmutableList;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.WireException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;

/**
 * Requests that were sent and are not answered, by slot, within the server's window. The slot after
 * those of the window is for requests that have one of their own.
 *
 * @param <R> the requests of a kind of devices
 */
final class OutstandingTable<R extends RemoteRequest> {
  private final List<R> bySlot;
  private final int[] freeSlots;
  private final int windowBytes;
  private int free;
  private int bytes;

  OutstandingTable(int slots, int windowBytes) {
    this.windowBytes = windowBytes;
    bySlot = new ArrayList<>(Collections.nCopies(slots + 1, null));
    freeSlots = new int[slots];
    for (int i = slots - 1; i >= 0; i--) {
      freeSlots[free++] = i;
    }
  }

  /** One that has these in their slots, to be asked for. */
  static <R extends RemoteRequest> OutstandingTable<R> of(List<R> requests) {
    int slots = requests.stream().mapToInt(request -> request.slot + 1).max().orElse(0);
    OutstandingTable<R> table = new OutstandingTable<>(slots, 0);
    requests.forEach(table::addAt);
    return table;
  }

  OutstandingTable<R> emptied() {
    return new OutstandingTable<>(freeSlots.length, windowBytes);
  }

  int size() {
    int own = bySlot.get(ownSlot()) == null ? 0 : 1;
    return freeSlots.length - free + own;
  }

  private int ownSlot() {
    return freeSlots.length;
  }

  boolean hasRoomFor(R request) {
    if (request.hasOwnSlot()) {
      return bySlot.get(ownSlot()) == null;
    }
    return free > 0 && bytes + request.windowBytes() <= windowBytes;
  }

  /** Gives it a slot. */
  void add(R request) {
    request.slot = request.hasOwnSlot() ? ownSlot() : freeSlots[--free];
    put(request);
  }

  /** Gives one that was sent before the slot it had, by which others know it, if that is free. */
  void addAgain(R request) {
    if (request.slot < freeSlots.length && isFree(request.slot)) {
      addAt(request);
    } else {
      add(request);
    }
  }

  /** Leaves it in its slot, which must be free. */
  void addAt(R request) {
    if (request.slot < freeSlots.length) {
      int at = 0;
      while (freeSlots[at] != request.slot) {
        at++;
      }
      freeSlots[at] = freeSlots[--free];
    }
    put(request);
  }

  private void put(R request) {
    bySlot.set(request.slot, request);
    bytes += request.windowBytes();
  }

  void remove(R request) {
    bySlot.set(request.slot, null);
    if (request.slot < freeSlots.length) {
      freeSlots[free++] = request.slot;
    }
    bytes -= request.windowBytes();
  }

  /** Also of one that is not within the window. */
  boolean isFree(int slot) {
    return slot >= bySlot.size() || bySlot.get(slot) == null;
  }

  /** Null when it is not there any more. */
  R find(int slot, long sequence) {
    R found = slot < bySlot.size() ? bySlot.get(slot) : null;
    return found == null || found.sequence != sequence ? null : found;
  }

  R get(int slot, long sequence) throws WireException {
    R found = find(slot, sequence);
    if (found == null) {
      throw new WireException(
          "expected a reply to an outstanding request, found one for slot %d, sequence %d"
              .formatted(slot, sequence));
    }
    return found;
  }

  boolean hasInherited() {
    return bySlot.stream().anyMatch(request -> request != null && request.inherited);
  }

  /** In the order in which they were sent first. */
  List<R> inOrder() {
    return bySlot.stream()
        .filter(Objects::nonNull)
        .sorted(Comparator.comparingLong((R request) -> request.sequence))
        .collect(ImmutableList.toImmutableList());
  }

  /** Those whose fate matters; a read is just done again. */
  List<R> unanswered() {
    return inOrder().stream()
        .filter(RemoteRequest::isKept)
        .collect(ImmutableList.toImmutableList());
  }

  /** Whether a server's answer can be true: it knows no request outside of its own slots. */
  void check(List<Attach.Unanswered> listed, List<Attached.Fate> fates, int slots)
      throws WireException {
    for (int i = 0; i < listed.size(); i++) {
      int slot = listed.get(i).slot();
      boolean isThere = slot < slots || (slot == slots && hasOwnSlot(listed.get(i)));
      if (fates.get(i).state() == Attached.State.RUNNING && !isThere) {
        throw new WireException(
            "ATTACHED: expected nothing running in slot %d of %d".formatted(slot, slots));
      }
    }
  }

  private boolean hasOwnSlot(Attach.Unanswered listed) {
    R found = find(listed.slot(), listed.sequence());
    return found != null && found.hasOwnSlot();
  }
}

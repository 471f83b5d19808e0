package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkState;

import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.vdevice.block.BlockRequest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Every request that was taken and is still pending from the guest's point of view. Owned by one
 * thread.
 *
 * <p>Invariant: an entry leaves the table in one of the ways of {@link Fate}, and only in a state
 * in which that is no loss. Everything else throws: it would be a request without an outcome.
 */
final class PendingTable {
  /** How an entry leaves. */
  enum Fate {
    /** The frontend has taken the response. */
    SEEN,
    /** Answered and visible; forgotten before the frontend was known to have taken the response. */
    GIVEN_UP,
    /** In a manifest: the destination has it. */
    HANDED_OVER,
    /** Finished without an answer, because its connection ended or it was adopted. */
    SETTLED,
    /** Its frontend has gone for good, or this process ends and the in-flight file has it. */
    ABANDONED
  }

  private final ArrayDeque<PendingRequest> free = new ArrayDeque<>();
  private final BufferLease buffers;

  /** HELD, ISSUED and DONE in the order in which they were taken. */
  private final PendingList open = new PendingList();

  /** ANSWERED, in the order of answers. */
  private final PendingList answered = new PendingList();

  /** UNSEEN, likewise. */
  private final PendingList unseen = new PendingList();

  private int issued;
  private int held;

  /** How many of the {@link #issued} and {@link #held} change what is on the disk. */
  private int unfinishedChanges;

  PendingTable(int capacity, BufferLease buffers, CompletionQueue completions, Runnable wake) {
    this.buffers = buffers;
    for (int i = 0; i < capacity; i++) {
      free.addLast(new PendingRequest(completions, wake));
    }
  }

  /** A guest's request, HELD. */
  PendingRequest take(BlockRequest request, long sequence, long generation, int slot) {
    PendingRequest entry = newEntry();
    entry.request = request;
    entry.sequence = sequence;
    entry.generation = generation;
    entry.slot = slot;
    entry.operation = request.operation();
    entry.offsetBytes = request.offsetBytes();
    entry.lengthBytes = request.lengthBytes();
    return hold(entry);
  }

  /** A request from a manifest, HELD. */
  PendingRequest adopt(Manifest.Entry source) {
    PendingRequest entry = newEntry();
    entry.sequence = source.sequence();
    entry.generation = source.generation();
    entry.operation = source.operation();
    entry.offsetBytes = source.offsetBytes();
    entry.lengthBytes = source.lengthBytes();
    entry.adoptedData = source.payload();
    return hold(entry);
  }

  private PendingRequest newEntry() {
    PendingRequest entry = free.pollLast();
    checkState(entry != null, "the pending table is full: its user must ask hasFree() first");
    return entry;
  }

  private PendingRequest hold(PendingRequest entry) {
    entry.state = PendingRequest.State.HELD;
    entry.step = entry.firstStep();
    open.addLast(entry);
    held++;
    unfinishedChanges += entry.changesData() ? 1 : 0;
    return entry;
  }

  void issued(PendingRequest entry) {
    expect(entry, PendingRequest.State.HELD);
    entry.state = PendingRequest.State.ISSUED;
    held--;
    issued++;
  }

  /** Came back from the device without an outcome that counts. */
  void heldAgain(PendingRequest entry) {
    expect(entry, PendingRequest.State.ISSUED);
    entry.state = PendingRequest.State.HELD;
    entry.step = entry.firstStep();
    issued--;
    held++;
  }

  /** The device's outcome, or one decided here for a request that cannot be issued. */
  void done(PendingRequest entry, Outcome outcome) {
    if (entry.state == PendingRequest.State.ISSUED) {
      issued--;
    } else {
      expect(entry, PendingRequest.State.HELD);
      held--;
    }
    unfinishedChanges -= entry.changesData() ? 1 : 0;
    entry.outcome = outcome;
    entry.state = PendingRequest.State.DONE;
  }

  void answered(PendingRequest entry) {
    expect(entry, PendingRequest.State.DONE);
    entry.state = PendingRequest.State.ANSWERED;
    open.remove(entry);
    answered.addLast(entry);
    if (entry.superseded || entry.outcome != Outcome.OK) {
      releaseBuffer(entry);
    }
  }

  /** All responses given so far are visible to the frontend. */
  void published() {
    while (!answered.isEmpty()) {
      PendingRequest entry = answered.first();
      entry.state = PendingRequest.State.UNSEEN;
      answered.remove(entry);
      unseen.addLast(entry);
    }
  }

  /** A later request changes this range: what older entries tell about it must not outlive it. */
  void supersede(PendingRequest by) {
    for (PendingRequest entry = open.first(); entry != null; entry = entry.next) {
      if (entry != by && entry.overlaps(by)) {
        entry.superseded = true;
      }
    }
    supersede(answered, by);
    supersede(unseen, by);
  }

  private void supersede(PendingList finished, PendingRequest by) {
    for (PendingRequest entry = finished.first(); entry != null; entry = entry.next) {
      if (entry.overlaps(by)) {
        entry.superseded = true;
        releaseBuffer(entry);
      }
    }
  }

  /** Whether a request that is HELD must stay so ({@link IssueOrder}). */
  boolean mustWait(PendingRequest entry) {
    // The usual answers without a look at each open request: nothing else is unfinished, or
    // nothing that is unfinished changes anything.
    boolean othersMatter = entry.changesData() ? held + issued > 1 : unfinishedChanges > 0;
    return othersMatter && IssueOrder.mustWait(entry, open);
  }

  /** The entry is out of the table afterwards. */
  void release(PendingRequest entry, Fate fate) {
    boolean allowed =
        switch (entry.state) {
          case FREE, ISSUED -> false;
          case ANSWERED -> fate == Fate.ABANDONED || fate == Fate.SETTLED;
          case UNSEEN -> true;
          case DONE -> fate != Fate.SEEN && fate != Fate.GIVEN_UP;
          case HELD -> fate == Fate.HANDED_OVER || fate == Fate.ABANDONED;
        };
    if (!allowed) {
      throw new IllegalStateException(
          "request %d would be lost: it is %s and was to leave the table as %s"
              .formatted(entry.sequence, entry.state, fate));
    }
    if (entry.state == PendingRequest.State.HELD) {
      held--;
      unfinishedChanges -= entry.changesData() ? 1 : 0;
    }
    entry.list.remove(entry);
    releaseBuffer(entry);
    if (entry.request != null) {
      entry.request.release();
    }
    entry.reset();
    free.addLast(entry);
  }

  void releaseBuffer(PendingRequest entry) {
    checkState(
        entry.state != PendingRequest.State.ISSUED,
        "request %s: its buffer belongs to the device",
        entry.sequence);
    if (entry.buffer != null) {
      buffers.release(entry.chunk);
      entry.buffer = null;
      entry.chunk = null;
    }
  }

  /** Lets the data of the oldest answered request go; false when there is none. */
  boolean giveUpOldestBuffer() {
    for (PendingRequest entry = unseen.first(); entry != null; entry = entry.next) {
      if (entry.buffer != null) {
        releaseBuffer(entry);
        return true;
      }
    }
    return false;
  }

  /** Not to be changed by the caller. */
  PendingList open() {
    return open;
  }

  /** The oldest of the UNSEEN ones, from which the caller may go on; or null. */
  PendingRequest firstUnseen() {
    return unseen.first();
  }

  int unseenCount() {
    return unseen.size();
  }

  int issuedCount() {
    return issued;
  }

  int heldCount() {
    return held;
  }

  boolean hasFree() {
    return !free.isEmpty();
  }

  int freeCount() {
    return free.size();
  }

  /** Everything in the table, in order of sequence. */
  List<PendingRequest> all() {
    List<PendingRequest> all = new ArrayList<>();
    for (PendingList list : List.of(open, answered, unseen)) {
      for (PendingRequest entry = list.first(); entry != null; entry = entry.next) {
        all.add(entry);
      }
    }
    all.sort(Comparator.comparingLong(entry -> entry.sequence));
    return all;
  }

  private static void expect(PendingRequest entry, PendingRequest.State expected) {
    if (entry.state != expected) {
      throw new IllegalStateException(
          "request %d: expected %s, found %s".formatted(entry.sequence, expected, entry.state));
    }
  }
}

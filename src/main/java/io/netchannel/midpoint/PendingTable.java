package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkState;

import io.netchannel.device.Outcome;
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
  private final BufferPool buffers;

  /** HELD, ISSUED and DONE in the order in which they were taken. */
  private final List<PendingRequest> open = new ArrayList<>();

  /** ANSWERED, then UNSEEN, in the order of answers; ANSWERED ones are at the end. */
  private final List<PendingRequest> answered = new ArrayList<>();

  private int issued;
  private int held;
  private int unpublished;

  PendingTable(int capacity, BufferPool buffers, CompletionQueue completions, Runnable wake) {
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
    open.add(entry);
    held++;
    return entry;
  }

  void issued(PendingRequest entry) {
    expect(entry, PendingRequest.State.HELD);
    entry.state = PendingRequest.State.ISSUED;
    held--;
    issued++;
  }

  /** The device's outcome, or one decided here for a request that cannot be issued. */
  void done(PendingRequest entry, Outcome outcome) {
    if (entry.state == PendingRequest.State.ISSUED) {
      issued--;
    } else {
      expect(entry, PendingRequest.State.HELD);
      held--;
    }
    entry.outcome = outcome;
    entry.state = PendingRequest.State.DONE;
  }

  void answered(PendingRequest entry) {
    expect(entry, PendingRequest.State.DONE);
    entry.state = PendingRequest.State.ANSWERED;
    open.remove(entry);
    answered.add(entry);
    unpublished++;
    if (entry.superseded || entry.outcome != Outcome.OK) {
      releaseBuffer(entry);
    }
  }

  /** All responses given so far are visible to the frontend. */
  void published() {
    for (int i = answered.size() - unpublished; i < answered.size(); i++) {
      answered.get(i).state = PendingRequest.State.UNSEEN;
    }
    unpublished = 0;
  }

  /** A later request changes this range: what older entries tell about it must not outlive it. */
  void supersede(PendingRequest by) {
    for (int i = 0; i < open.size(); i++) {
      PendingRequest entry = open.get(i);
      if (entry != by && entry.overlaps(by)) {
        entry.superseded = true;
      }
    }
    for (int i = 0; i < answered.size(); i++) {
      PendingRequest entry = answered.get(i);
      if (entry.overlaps(by)) {
        entry.superseded = true;
        releaseBuffer(entry);
      }
    }
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
    checkState(
        allowed,
        "request %s would be lost: it is %s and was to leave the table as %s",
        entry.sequence,
        entry.state,
        fate);
    if (entry.state == PendingRequest.State.HELD) {
      held--;
    }
    if (entry.state == PendingRequest.State.ANSWERED) {
      unpublished--;
    }
    if (!open.remove(entry)) {
      answered.remove(entry);
    }
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
      buffers.release(entry.buffer);
      entry.buffer = null;
    }
  }

  /** Lets the data of the oldest answered request go; false when there is none. */
  boolean giveUpOldestBuffer() {
    for (int i = 0; i < answered.size() - unpublished; i++) {
      if (answered.get(i).buffer != null) {
        releaseBuffer(answered.get(i));
        return true;
      }
    }
    return false;
  }

  /** Data that {@link #giveUpOldestBuffer} can free. */
  long retainedBytes() {
    long bytes = 0;
    for (int i = 0; i < answered.size() - unpublished; i++) {
      PendingRequest entry = answered.get(i);
      bytes += entry.buffer == null ? 0 : entry.buffer.capacity();
    }
    return bytes;
  }

  /** Not to be changed by the caller. */
  List<PendingRequest> open() {
    return open;
  }

  /** The UNSEEN ones, oldest first, as the view the caller may iterate over by index. */
  PendingRequest unseen(int index) {
    return answered.get(index);
  }

  int unseenCount() {
    return answered.size() - unpublished;
  }

  int unpublishedCount() {
    return unpublished;
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
    List<PendingRequest> all = new ArrayList<>(open);
    all.addAll(answered);
    all.sort(Comparator.comparingLong(entry -> entry.sequence));
    return all;
  }

  private static void expect(PendingRequest entry, PendingRequest.State expected) {
    checkState(
        entry.state == expected,
        "request %s: expected %s, found %s",
        entry.sequence,
        expected,
        entry.state);
  }
}

package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkState;

import io.netchannel.device.memory.BufferLease;
import io.netchannel.midpoint.PendingRequest.State;
import io.netchannel.vdevice.VirtualRequest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;

/**
 * Every request that was taken and is still pending from the guest's point of view. Owned by one
 * thread, but for {@link #completed}.
 *
 * <p>Invariant: an entry leaves the table in one of the ways of {@link Fate}, and only in a state
 * in which that is no loss. Everything else throws: it would be a request without an outcome.
 *
 * @param <R> the guest's requests
 * @param <P> its entries
 */
public final class PendingTable<R extends VirtualRequest, P extends PendingRequest<R, P>> {
  /** How an entry leaves. */
  public enum Fate {
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

  private final ArrayDeque<P> free = new ArrayDeque<>();
  private final BufferLease buffers;
  private final Runnable wake;

  /** HELD, ISSUED and DONE in the order in which they were taken. */
  private final Chain<R, P> open = new Chain<>();

  /** ANSWERED, in the order of answers. */
  private final Chain<R, P> answered = new Chain<>();

  /** UNSEEN, likewise. */
  private final Chain<R, P> unseen = new Chain<>();

  /**
   * Those that the device has completed on any thread and nobody has taken note of: a stack linked
   * through themselves, taken as a whole. No allocation, and no ABA problem, because nothing is
   * popped singly.
   */
  private final AtomicReference<P> completed = new AtomicReference<>();

  private int issued;
  private int held;

  /** How many of the {@link #issued} and {@link #held} change what is at the device. */
  private int unfinishedChanges;

  /**
   * One with room for so many.
   *
   * @param wake makes the owner look at what is {@link #completed}; called on any thread
   * @param entries makes its entries, all at once
   */
  public PendingTable(
      int capacity, BufferLease buffers, Runnable wake, Function<PendingTable<R, P>, P> entries) {
    this.buffers = buffers;
    this.wake = wake;
    for (int i = 0; i < capacity; i++) {
      free.addLast(entries.apply(this));
    }
  }

  /**
   * One that is free, to become a request and then {@link #hold held}.
   *
   * @throws IllegalStateException when there is none: ask {@link #hasFree} first
   */
  public P newEntry() {
    P entry = free.pollLast();
    checkState(entry != null, "the pending table is full: its user must ask hasFree() first");
    return entry;
  }

  /** It has been taken. */
  public P hold(P entry) {
    entry.state(State.HELD);
    open.addLast(entry);
    held++;
    unfinishedChanges += entry.changesData() ? 1 : 0;
    return entry;
  }

  public void issued(P entry) {
    expect(entry, State.HELD);
    entry.state(State.ISSUED);
    held--;
    issued++;
  }

  /** Came back from the device without an outcome that counts. */
  public void heldAgain(P entry) {
    expect(entry, State.ISSUED);
    entry.state(State.HELD);
    issued--;
    held++;
  }

  /** Its outcome is known: the device's, or one decided here where it cannot be issued. */
  public void done(P entry) {
    if (entry.state() == State.ISSUED) {
      issued--;
    } else {
      expect(entry, State.HELD);
      held--;
    }
    unfinishedChanges -= entry.changesData() ? 1 : 0;
    entry.state(State.DONE);
  }

  public void answered(P entry) {
    expect(entry, State.DONE);
    entry.state(State.ANSWERED);
    open.remove(entry);
    answered.addLast(entry);
    if (!entry.isWorthKeeping()) {
      releaseBuffer(entry);
    }
  }

  /** All responses given so far are visible to the frontend. */
  public void published() {
    while (!answered.isEmpty()) {
      P entry = answered.first();
      entry.state(State.UNSEEN);
      answered.remove(entry);
      unseen.addLast(entry);
    }
  }

  /** The entry is out of the table afterwards. */
  public void release(P entry, Fate fate) {
    boolean allowed =
        switch (entry.state()) {
          case FREE, ISSUED -> false;
          case ANSWERED -> fate == Fate.ABANDONED || fate == Fate.SETTLED;
          case UNSEEN -> true;
          case DONE -> fate != Fate.SEEN && fate != Fate.GIVEN_UP;
          case HELD -> fate == Fate.HANDED_OVER || fate == Fate.ABANDONED;
        };
    if (!allowed) {
      throw new IllegalStateException(
          "request %d would be lost: it is %s and was to leave the table as %s"
              .formatted(entry.sequence(), entry.state(), fate));
    }
    if (entry.state() == State.HELD) {
      held--;
      unfinishedChanges -= entry.changesData() ? 1 : 0;
    }
    entry.list.remove(entry);
    releaseBuffer(entry);
    if (entry.request() != null) {
      entry.request().release();
    }
    entry.free();
    free.addLast(entry);
  }

  /** It needs its data no more. */
  public void releaseBuffer(P entry) {
    checkState(
        entry.state() != State.ISSUED,
        "request %s: its buffer belongs to the device",
        entry.sequence());
    if (entry.buffer() != null) {
      buffers.release(entry.takeChunk());
    }
  }

  /** Lets the data of the oldest answered request go; false when there is none. */
  boolean giveUpOldestBuffer() {
    for (P entry = unseen.first(); entry != null; entry = entry.next) {
      if (entry.buffer() != null) {
        releaseBuffer(entry);
        return true;
      }
    }
    return false;
  }

  /** The device has completed it; on any thread. */
  public void completed(P entry) {
    P old;
    do {
      old = completed.get();
      entry.nextCompleted = old;
    } while (!completed.compareAndSet(old, entry));
    wake.run();
  }

  /** All that have completed, first one first, linked by {@code nextCompleted}; or null. */
  P takeCompleted() {
    if (completed.get() == null) {
      return null;
    }
    P stack = completed.getAndSet(null);
    P reversed = null;
    while (stack != null) {
      P next = stack.nextCompleted;
      stack.nextCompleted = reversed;
      reversed = stack;
      stack = next;
    }
    return reversed;
  }

  /**
   * The oldest of those that are HELD, ISSUED or DONE, from which the caller may go on; or null.
   */
  public P firstOpen() {
    return open.first();
  }

  /** Likewise of those that are ANSWERED. */
  public P firstAnswered() {
    return answered.first();
  }

  /** Likewise of those that are UNSEEN. */
  public P firstUnseen() {
    return unseen.first();
  }

  /** HELD, ISSUED or DONE. */
  int openCount() {
    return open.size();
  }

  int unseenCount() {
    return unseen.size();
  }

  public int issuedCount() {
    return issued;
  }

  public int heldCount() {
    return held;
  }

  /** Whether something that is HELD or ISSUED changes what is at the device. */
  public boolean hasUnfinishedChanges() {
    return unfinishedChanges > 0;
  }

  public boolean hasFree() {
    return !free.isEmpty();
  }

  int freeCount() {
    return free.size();
  }

  /** Everything in the table, in order of sequence. */
  public List<P> all() {
    List<P> all = new ArrayList<>();
    for (Chain<R, P> list : List.of(open, answered, unseen)) {
      for (P entry = list.first(); entry != null; entry = entry.next) {
        all.add(entry);
      }
    }
    all.sort(Comparator.comparingLong(PendingRequest::sequence));
    return all;
  }

  private static void expect(PendingRequest<?, ?> entry, State expected) {
    if (entry.state() != expected) {
      throw new IllegalStateException(
          "request %d: expected %s, found %s".formatted(entry.sequence(), expected, entry.state()));
    }
  }

  /**
   * Requests in an order, linked through themselves: a request is in one list at most, is taken out
   * of the middle at no cost, and nothing is allocated.
   */
  static final class Chain<R extends VirtualRequest, P extends PendingRequest<R, P>> {
    private P first;
    private P last;
    private int size;

    P first() {
      return first;
    }

    int size() {
      return size;
    }

    boolean isEmpty() {
      return size == 0;
    }

    void addLast(P request) {
      if (request.list != null) {
        throw new IllegalStateException("request " + request.sequence() + " is in a list already");
      }
      request.list = this;
      request.previous = last;
      request.next = null;
      if (last == null) {
        first = request;
      } else {
        last.next = request;
      }
      last = request;
      size++;
    }

    void remove(P request) {
      if (request.list != this) {
        throw new IllegalStateException("request " + request.sequence() + " is not in this list");
      }
      if (request.previous == null) {
        first = request.next;
      } else {
        request.previous.next = request.next;
      }
      if (request.next == null) {
        last = request.previous;
      } else {
        request.next.previous = request.previous;
      }
      request.list = null;
      request.previous = null;
      request.next = null;
      size--;
    }
  }
}

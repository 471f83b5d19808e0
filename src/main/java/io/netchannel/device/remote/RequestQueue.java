package io.netchannel.device.remote;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.Status;
import io.netchannel.wire.WireException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * The requests of a device from when they are taken in to their end, in order. Belongs to the
 * device's event loop.
 *
 * <pre>
 *   add --> WAITING --next, with slot and number--> OUTSTANDING --answered--> gone
 *              ^                                         |  ^
 *              +-- attached: UNKNOWN, to be sent again --+  +-- attached: RUNNING
 * </pre>
 *
 * @param <R> the requests of a kind of devices
 */
final class RequestQueue<R extends RemoteRequest> {
  /**
   * A generation's part of a sequence number is above these bits. The server compares numbers only:
   * after a take-over that was given up, what one generation asks for must not be taken for what
   * another one did in the same slot. 2^44 requests are 200 days of a million a second.
   */
  private static final int GENERATION_SHIFT = 44;

  private static final long MAX_GENERATION_PART = Long.MAX_VALUE >> GENERATION_SHIFT;

  /**
   * Is told what a server knows of requests that it was asked for.
   *
   * @param <R> the requests of a kind of devices
   */
  interface Fates<R> {
    /** It is done, and not outstanding any more. */
    void done(R request, Status status);

    /** Whether one that the server does not know is sent again. */
    boolean isSentAgain(R request);

    /** The server does not know it, and it is not outstanding any more. */
    void lost(R request);
  }

  private OutstandingTable<R> outstanding = new OutstandingTable<>(0, 0);

  /** Those with a sequence number first. */
  private ArrayDeque<R> waiting = new ArrayDeque<>();

  /** What the server was asked about last. */
  private ImmutableList<Attach.Unanswered> listed = ImmutableList.of();

  /**
   * Asked about each time, also those whose fates are known: whoever opens the device next asks for
   * them, and the server forgets what nobody asks for. Until it is open what it was opened with,
   * for another try if this one fails; afterwards what it has left.
   */
  private ImmutableSet<Attach.Unanswered> keptForNext = ImmutableSet.of();

  private long lastSequence;

  RequestQueue(long generation) {
    use(generation);
  }

  /** All sequence numbers of a generation are above those of the ones before. */
  void use(long generation) {
    long before = (generation & MAX_GENERATION_PART) << GENERATION_SHIFT;
    lastSequence = Math.max(lastSequence, before);
    keptForNext = ImmutableSet.of(); // nobody else goes on with what it has left
  }

  /** What the generation before has left, to be asked for and not sent. */
  void inherit(List<R> writes) {
    // A number that a kept outcome has must not be given again.
    writes.forEach(write -> lastSequence = Math.max(lastSequence, write.sequence));
    outstanding = OutstandingTable.of(writes);
    keepForNext(writes);
  }

  boolean hasInherited() {
    return outstanding.hasInherited();
  }

  /** The device is open: what became of its inherited requests is its user's to keep. */
  void forgetInherited() {
    keptForNext = ImmutableSet.of();
  }

  int size() {
    return outstanding.size() + waiting.size();
  }

  /** At the server, as far as is known. */
  int outstanding() {
    return outstanding.size();
  }

  /**
   * What is at the server and the next generation may ask for by its name.
   *
   * @param some of what is unanswered
   */
  List<R> leave(Predicate<R> some) {
    List<R> left = outstanding.unanswered().stream().filter(some).toList();
    keepForNext(left);
    return left;
  }

  private void keepForNext(List<R> writes) {
    keptForNext = writes.stream().map(RequestQueue::name).collect(ImmutableSet.toImmutableSet());
  }

  void add(R request) {
    waiting.add(request);
  }

  /** The next to be sent, with its slot and number; null when none waits or the window is full. */
  R next() {
    R next = waiting.peek();
    if (next == null || !outstanding.hasRoomFor(next)) {
      return null;
    }
    waiting.remove();
    if (next.sequence == 0) {
      next.sequence = ++lastSequence;
      outstanding.add(next);
    } else {
      outstanding.addAgain(next);
    }
    return next;
  }

  /** Takes out some of those that have not been sent, or would be sent again. */
  List<R> removeWaiting(Predicate<R> some) {
    List<R> removed = waiting.stream().filter(some).toList();
    waiting.removeAll(removed);
    return removed;
  }

  /** What is outstanding, in the order in which it was sent first. */
  List<R> inOrder() {
    return outstanding.inOrder();
  }

  R get(int slot, long sequence) throws WireException {
    return outstanding.get(slot, sequence);
  }

  void answered(R request) {
    outstanding.remove(request);
  }

  /** What an ATTACH asks about, in order. */
  ImmutableList<Attach.Unanswered> list() {
    SortedMap<Long, Attach.Unanswered> bySequence = new TreeMap<>();
    for (Attach.Unanswered kept : keptForNext) {
      // Otherwise it is outstanding itself, or another one has the place of its outcome.
      if (outstanding.isFree(kept.slot())) {
        bySequence.put(kept.sequence(), kept);
      }
    }
    for (R request : outstanding.unanswered()) {
      bySequence.put(request.sequence, name(request));
    }
    listed = ImmutableList.copyOf(bySequence.values());
    return listed;
  }

  private static Attach.Unanswered name(RemoteRequest request) {
    return new Attach.Unanswered(request.slot, request.sequence);
  }

  /**
   * Whether an ATTACHED can be the answer to what was listed.
   *
   * @throws WireException when it cannot
   */
  void check(Attached attached) throws WireException {
    if (attached.fates().size() != listed.size() || attached.window().slots() == 0) {
      throw new WireException(
          "ATTACHED: expected %d fates and a window, found %d and %d slots"
              .formatted(listed.size(), attached.fates().size(), attached.window().slots()));
    }
    outstanding.check(listed, attached.fates(), attached.window().slots());
  }

  /** What is done is told, what runs stays where it is, all else is sent again, in order. */
  void attached(Attached attached, Fates<R> fates) {
    OutstandingTable<R> before = outstanding;
    outstanding = new OutstandingTable<>(attached.window().slots(), attached.window().bytes());
    for (int i = 0; i < listed.size(); i++) {
      R request = before.find(listed.get(i).slot(), listed.get(i).sequence());
      Attached.Fate fate = attached.fates().get(i);
      if (request != null) {
        switch (fate.state()) {
          case DONE -> {
            before.remove(request);
            fates.done(request, fate.status());
          }
          case RUNNING -> {
            before.remove(request);
            outstanding.addAt(request);
          }
          case UNKNOWN -> {
            if (!fates.isSentAgain(request)) {
              before.remove(request);
              fates.lost(request);
            }
          }
        }
      }
    }
    listed = ImmutableList.of();
    // Those that wait since the time before last may come between: where something ran meanwhile.
    List<R> again = new ArrayList<>(before.inOrder());
    while (!waiting.isEmpty() && waiting.peek().sequence > 0) {
      again.add(waiting.remove());
    }
    again.sort(Comparator.comparingLong((R request) -> request.sequence));
    for (int i = again.size() - 1; i >= 0; i--) {
      waiting.addFirst(again.get(i));
    }
  }

  /** Empties it. */
  List<R> removeAll() {
    List<R> all = new ArrayList<>(outstanding.inOrder());
    all.addAll(waiting);
    outstanding = outstanding.emptied();
    waiting = new ArrayDeque<>();
    keptForNext = ImmutableSet.of(); // what runs at the server has nobody here who takes its reply
    return all;
  }
}

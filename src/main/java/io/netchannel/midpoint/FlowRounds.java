package io.netchannel.midpoint;

import io.netchannel.device.memory.BufferLease;
import io.netchannel.midpoint.PendingTable.Fate;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.VirtualRequest;
import java.util.List;
import java.util.Map;

/**
 * What a round does with all of a flow's requests at once, on the guest's side: how many are taken,
 * when answers become visible, what is forgotten, and how the table begins and ends. The way of
 * each single one is {@link DeviceFlow}'s. Owned by the agent's thread.
 *
 * <pre>
 *   begin, recover --> serve, serve, ... --> takeTheRest --goOn: the seal is undone--> serve
 *                           |                     |
 *                           v                     v
 *        endSettlement: its frontend has begun   release: the manifest has it, or nobody
 * </pre>
 *
 * @param <R> the guest's requests
 * @param <P> how they are remembered
 */
final class FlowRounds<R extends VirtualRequest, P extends PendingRequest<R, P>> {
  private final DeviceFlow<?, ?, R, P> flow;
  private final VirtualDevice<R> virtual;
  private final FrontendLink<R> link;
  private final PendingTable<R, P> table;
  private final InflightTable inflight;
  private final BufferLease buffers;
  private final MidPointTrace trace;
  private final int pollBatch;

  FlowRounds(DeviceFlow<?, ?, R, P> flow, VirtualDevice<R> virtual, DeviceFlow.Parts parts) {
    this.flow = flow;
    this.virtual = virtual;
    link = flow.link();
    table = flow.table();
    inflight = parts.inflight();
    buffers = parts.buffers();
    trace = parts.trace();
    pollBatch = parts.limits().pollBatch();
  }

  /** One round of serving. */
  int serve() {
    publish();
    int work = sweep() + flow.issueHeld();
    int budget = pollBudget();
    int polled = link.poll(flow, budget);
    publish();
    work += polled + relieve(budget > 0 && polled == 0);
    flow.offerIfPrepared();
    flow.served();
    return work;
  }

  /** How many requests may be taken now. The others wait on their rings. */
  private int pollBudget() {
    int entries = table.freeCount() + table.unseenCount();
    int batch = Math.min(pollBatch, flow.mayTake(flow.isStarved(), buffers));
    return Math.min(batch, entries);
  }

  /**
   * A virtual device stops giving requests when too many are kept. That a frontend has seen answers
   * need not ever become known, so the oldest are given up then; at the second fruitless poll,
   * because a request may have come just after the first.
   */
  private int relieve(boolean foundNothing) {
    return switch (link.fruitless(foundNothing)) {
      case 0 -> 0;
      case 1 -> 1;
      default -> giveUpOldest(pollBatch);
    };
  }

  /** Forgets the oldest answered requests although the frontend may not have seen them. */
  private int giveUpOldest(int count) {
    int given = Math.min(count, table.unseenCount());
    for (int i = 0; i < given; i++) {
      forget(table.firstUnseen(), Fate.GIVEN_UP);
    }
    return given;
  }

  /** The handshake only: requests stay on the rings. */
  int follow() {
    return link.poll(flow, 0);
  }

  /** Answers what was finished while that was not allowed. */
  private void answerDone() {
    P entry = table.firstOpen();
    while (entry != null) {
      P next = entry.next; // one that is answered leaves the list
      if (entry.state() == PendingRequest.State.DONE) {
        flow.answer(entry);
      }
      entry = next;
    }
  }

  /** Makes the responses visible. */
  private void publish() {
    link.publish();
    table.published();
  }

  /** Forgets what the frontend has seen. */
  private int sweep() {
    int count = 0;
    P entry = table.firstUnseen();
    while (entry != null) {
      P next = entry.next; // one that is forgotten leaves the list
      if (entry.request().seen()) {
        trace.seen(entry);
        forget(entry, Fate.SEEN);
        count++;
      }
      entry = next;
    }
    return count;
  }

  /** Nobody will ask for it again. */
  void forget(P entry, Fate fate) {
    inflight.forget(entry.slot());
    table.release(entry, fate);
  }

  // Beginnings and ends

  /** Nothing was pending. */
  void begin() {
    inflight.clear();
  }

  /**
   * Makes the table again from what an earlier process left and the rings tell. Nothing is issued.
   */
  void recover() {
    if (!link.isConnected()) {
      // The frontend has begun again meanwhile and will resubmit everything.
      inflight.clear();
      return;
    }
    List<InflightTable.Slot> slots = inflight.recovered();
    flow.nextSequence(inflight.recoveredNextSequence());
    List<R> unanswered =
        virtual.reattach(
            slots.stream().map(InflightTable.Slot::encoded).toList(), inflight.requestConsumers());
    if (!link.isConnected()) {
      // The rings cannot be used any more; the virtual device has logged why and closed itself.
      inflight.clear();
      return;
    }
    link.connected();
    // Before slots are forgotten: a slot may be all that tells how far its queue was consumed.
    link.rememberConsumers();
    Map<Integer, R> bySlot = Recovery.bySlot(slots, unanswered);
    for (InflightTable.Slot slot : slots) {
      R request = bySlot.get(slot.slot());
      if (request == null) {
        inflight.forget(slot.slot());
      } else {
        flow.takeAgain(slot, request);
      }
    }
  }

  /** Whether all that was pending is finished, when nobody is to be answered. */
  boolean isSettled() {
    return flow.isFed() && table.heldCount() == 0 && table.issuedCount() == 0;
  }

  /**
   * All that was pending is finished; what is known through it is kept for a frontend that sends
   * its requests again.
   *
   * @return how many that were
   */
  int endSettlement() {
    int known = flow.settled(link.resubmits());
    release(Fate.SETTLED, true);
    inflight.clear();
    link.settled();
    return known;
  }

  /** A seal has begun: what can still be taken travels too. */
  void takeTheRest() {
    if (link.isLost()) {
      return;
    }
    publish();
    int unused = sweep();
    // As many as there are now: a guest that runs after all must not keep us here. Those that find
    // no room the guest resubmits anyway.
    int rest = link.untaken();
    int polled = 1;
    while (rest > 0 && polled > 0 && link.isConnected()) {
      polled = link.poll(flow, Math.min(rest, pollBudget()));
      rest -= polled;
    }
    publish();
  }

  /** Goes on after a seal that is undone. */
  void goOn() {
    flow.open();
    if (link.isUp()) {
      answerDone();
      publish();
    }
  }

  /** Empties the table of all that is not at the device. The in-flight file stays as it is. */
  void release(Fate fate, boolean traceDrop) {
    for (P entry : table.all()) {
      if (entry.state() != PendingRequest.State.ISSUED) {
        if (traceDrop) {
          trace.drop(entry);
        }
        table.release(entry, fate);
      }
    }
  }

  /** Lets others have what they wait for: what is free, and data that is only kept. */
  void share() {
    while (buffers.owes() && table.giveUpOldestBuffer()) {
      buffers.giveBack();
    }
    buffers.giveBack();
  }

  /** There was nothing to do. */
  void rest() {
    buffers.rest();
  }

  /** Nothing is at the device any more, nor will be. */
  void releaseMemory() {
    flow.dropSettled();
    flow.handOver().drop();
    buffers.close();
  }
}

package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkState;

import io.netchannel.device.Backend;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.memory.Chunk;
import io.netchannel.midpoint.Counters.Counter;
import io.netchannel.midpoint.PendingTable.Fate;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.VirtualRequest;
import java.nio.ByteBuffer;
import java.util.function.Function;
import java.util.function.LongSupplier;

/**
 * The way of a virtual device's requests through a mid-point, and what a kind of device makes of
 * it: taken, filled with data, ordered, issued, completed, answered, forgotten. {@link Lifecycle}
 * decides which of these steps happen when. Owned by the agent's thread.
 *
 * <pre>
 *   onRequest --> taken --> [hold] --> fill, issue --> submit --> device
 *   device --> PendingTable.completed --> reap --> completed --> answer --> publish --> sweep
 * </pre>
 *
 * What may be done with requests is its mode:
 *
 * <pre>
 *   QUIET --open--> OPEN --quiet--> QUIET
 *   QUIET, OPEN --leave--> LEAVING --left: the manifest is made--> LEFT
 *   LEAVING, LEFT --open: the seal is undone--> OPEN
 * </pre>
 *
 * and whether they can be answered at all is the link to their frontend ({@link FrontendLink}).
 *
 * @param <B> what the requests go to
 * @param <M> its kind's manifest
 * @param <R> the guest's requests
 * @param <P> how they are remembered
 */
public abstract class DeviceFlow<
        B extends Backend,
        M extends Manifest,
        R extends VirtualRequest,
        P extends PendingRequest<R, P>>
    implements VirtualDevice.Handler<R> {

  /**
   * What a flow has of its mid-point.
   *
   * @param inflight owned by the flow from now on
   * @param buffers for the data of requests
   * @param wake makes somebody call {@link MidPoint#doWork} soon; called on any thread
   */
  public record Parts(
      MidPointId id,
      InflightTable inflight,
      MidPointLimits limits,
      BufferLease buffers,
      MidPointTrace trace,
      LongSupplier nanoTime,
      Runnable wake) {}

  /** What may be done with requests. */
  protected enum Mode {
    /** None is answered. */
    QUIET,
    OPEN,
    /**
     * As QUIET, and what is at the device is left to its authority: nothing more is given to the
     * device, and what comes back without success says nothing.
     */
    LEAVING,
    /**
     * A manifest has been made of what is leaving: what is still heard of it is the destination's
     * to tell.
     */
    LEFT
  }

  /** Whether a request has what it needs for the device. */
  protected enum Fill {
    READY,
    NO_MEMORY,
    /** The guest's memory cannot be read. */
    REFUSED
  }

  private final Parts parts;
  private final VirtualDevice<R> virtual;
  private final InflightTable inflight;
  private final BufferLease buffers;
  private final MidPointTrace trace;
  private final FrontendLink<R> link;
  private final Counters counters = new Counters();
  private final PendingTable<R, P> table;
  private final FlowRounds<R, P> rounds;

  private Mode mode = Mode.QUIET;

  private B device;

  /** Which one it is, and how many requests it has; how many those before it have. */
  private int deviceNumber;

  private int atDevice;
  private int atDeviceBefore;
  private long generation;
  private long nextSequence = 1;

  /**
   * Whether a request that was taken waits for memory: then no later one is given any. Or a later
   * one could hold what an earlier one needs, and wait for that one itself.
   */
  private boolean starved;

  /**
   * One without a device.
   *
   * @param entries makes the entries of its table
   */
  protected DeviceFlow(
      VirtualDevice<R> virtual, Parts parts, Function<PendingTable<R, P>, P> entries) {
    this.virtual = virtual;
    this.parts = parts;
    inflight = parts.inflight();
    buffers = parts.buffers();
    trace = parts.trace();
    table = new PendingTable<>(inflight.slots(), buffers, parts.wake(), entries);
    link = new FrontendLink<>(virtual, inflight);
    rounds = new FlowRounds<>(this, virtual, parts);
  }

  // What a kind of device decides

  /** It was taken, is HELD, and is what its guest waits for. */
  protected abstract void taken(P entry);

  /** Whether a request that is HELD must stay so for the sake of others. */
  protected abstract boolean mustWait(P entry);

  /** Puts into a buffer what the device needs of a request; false when that is refused. */
  protected abstract boolean load(P entry, ByteBuffer buffer);

  /** Gives a request, ISSUED, to the device, as {@link #leaveForDevice} says. */
  protected abstract void submit(P entry);

  /** It cannot be issued: its guest's memory was refused. */
  protected abstract void refused(P entry);

  /** The device has completed it. */
  protected abstract void completed(P entry);

  /** Gives the guest the outcome of a request that is DONE, and says so ({@link #responded}). */
  protected abstract void answer(P entry);

  /** Offers the device that is there to a frontend that waits. */
  protected abstract void offer(B offered);

  /**
   * How many requests may be taken now, as far as their data goes.
   *
   * @param starved one that was taken waits for memory
   */
  protected abstract int mayTake(boolean starved, BufferLease available);

  /** Whether it has been finished without the device, which it is not for; it was HELD. */
  protected boolean endsHere(P entry) {
    return false;
  }

  /**
   * A process before had taken it and not answered it; it is HELD.
   *
   * @param issued whether that process may have given it to the device, where that was noted
   */
  protected void takenBefore(P entry, boolean issued) {}

  /** What its requests go to from now on. */
  protected void given(B newDevice) {}

  /** The frontend is connected. */
  protected void connected() {}

  /** A round of serving is over. */
  protected void served() {}

  /** Its mid-point departs: what never ends by itself at the device is asked to. */
  protected void depart() {}

  /** How what is pending leaves for another mid-point, and comes from one. */
  protected abstract HandOver<B, M> handOver();

  /** Goes on with what is to be finished without a guest to answer to; returns how much. */
  protected abstract int settle();

  /** Whether all of that is in the table, or finished. */
  protected abstract boolean isFed();

  /**
   * All of it is finished.
   *
   * @param resubmits whether the frontend sends again what it has not seen answered
   * @return how many requests that were
   */
  protected abstract int settled(boolean resubmits);

  /** What is known through finished requests is forgotten, also in the middle of them. */
  protected abstract void dropSettled();

  // What it is and has

  public final MidPointId id() {
    return parts.id();
  }

  protected final long nowNanos() {
    return parts.nanoTime().getAsLong();
  }

  public final MidPointTrace trace() {
    return trace;
  }

  protected final Counters counters() {
    return counters;
  }

  public final PendingTable<R, P> table() {
    return table;
  }

  public final Runnable wake() {
    return parts.wake();
  }

  public final B device() {
    return device;
  }

  public final long generation() {
    return generation;
  }

  protected final Mode mode() {
    return mode;
  }

  /** Whether requests may be answered now; otherwise they stay DONE. */
  protected final boolean answers() {
    return mode == Mode.OPEN && link.isUp();
  }

  final FrontendLink<R> link() {
    return link;
  }

  final FlowRounds<R, P> rounds() {
    return rounds;
  }

  final void device(B newDevice) {
    device = newDevice;
    deviceNumber++;
    atDeviceBefore += atDevice;
    atDevice = 0;
    given(newDevice);
  }

  /** Whether something that was given to a device before this one has not ended. */
  final boolean isAtDeviceBefore() {
    return atDeviceBefore > 0;
  }

  final void generation(long newGeneration) {
    generation = newGeneration;
  }

  final void open() {
    mode = Mode.OPEN;
  }

  /** What is leaving, or has left, goes on to. */
  final void quiet() {
    mode = mode == Mode.OPEN ? Mode.QUIET : mode;
  }

  /** What is at the device is left to its authority, or to nobody. */
  public final void leave() {
    mode = Mode.LEAVING;
  }

  public final void left() {
    mode = Mode.LEFT;
  }

  // From the guest to the device

  /** Takes a request off the guest's hands. */
  @Override
  public final void onRequest(R request) {
    while (!table.hasFree() || !inflight.hasFree()) {
      checkState(table.unseenCount() > 0, "more requests were polled than allowed");
      rounds.forget(table.firstUnseen(), Fate.GIVEN_UP);
    }
    long sequence = nextSequence++;
    int slot =
        inflight.take(request, sequence, generation, virtual.requestConsumer(request.queue()));
    P entry = hold(request, sequence, generation, slot);
    counters.add(Counter.TAKEN, 1);
    trace.take(entry);
    taken(entry);
  }

  /** A process before had taken it, and it has no answer. */
  final void takeAgain(InflightTable.Slot slot, R request) {
    inflight.takenAgain(slot.slot(), request);
    P entry = hold(request, slot.sequence(), slot.generation(), slot.slot());
    trace.take(entry);
    takenBefore(entry, slot.issued());
  }

  /** Of the next request that is taken. */
  final void nextSequence(long next) {
    nextSequence = next;
  }

  private P hold(R request, long sequence, long itsGeneration, int slot) {
    P entry = table.newEntry();
    entry.become(request, sequence, itsGeneration, slot);
    return table.hold(entry);
  }

  /** A request from elsewhere; to be filled in and then held. */
  public final P adopt(long sequence, long itsGeneration) {
    P entry = table.newEntry();
    entry.become(null, sequence, itsGeneration, -1);
    return entry;
  }

  /** Gets it its buffer, with what the device needs in it. */
  protected final Fill fill(P entry) {
    long lengthBytes = entry.bufferBytes();
    if (lengthBytes == 0 || entry.buffer() != null) {
      return Fill.READY;
    }
    if (entry.request() != null && !link.isUp()) {
      return Fill.REFUSED;
    }
    Chunk chunk = starved ? null : acquire(lengthBytes);
    if (chunk == null) {
      starved = true;
      return Fill.NO_MEMORY;
    }
    if (!load(entry, chunk.buffer())) {
      buffers.release(chunk);
      return Fill.REFUSED;
    }
    entry.hold(chunk);
    return Fill.READY;
  }

  /** Data that is only kept goes before anybody waits. */
  private Chunk acquire(long lengthBytes) {
    Chunk chunk = buffers.acquire(lengthBytes);
    while (chunk == null && table.giveUpOldestBuffer()) {
      chunk = buffers.acquire(lengthBytes);
    }
    return chunk == null && buffers.await() ? buffers.acquire(lengthBytes) : chunk;
  }

  /** False when it has to stay held for want of memory. */
  protected final boolean issue(P entry) {
    if (endsHere(entry)) {
      return true;
    }
    return switch (fill(entry)) {
      case NO_MEMORY -> false;
      case REFUSED -> {
        refused(entry);
        yield true;
      }
      case READY -> {
        table.issued(entry);
        trace.issue(entry);
        submit(entry);
        yield true;
      }
    };
  }

  /** Before it is given to {@link #device}, once for each completion. */
  protected final void leaveForDevice(P entry) {
    entry.leaveForDevice();
    entry.deviceNumber = deviceNumber;
    atDevice++;
  }

  /** The next process is to know that it may have been at the device; before it gets there. */
  protected final void noteIssued(P entry) {
    inflight.issued(entry.slot());
  }

  /**
   * Issues what was held and has nothing to wait for any more. After the answers are published, so
   * that no request passes another one's answer.
   */
  public final int issueHeld() {
    int count = 0;
    starved = false;
    P entry = table.firstOpen();
    while (entry != null && table.heldCount() > 0) {
      P next = entry.next; // one that is refused leaves the list
      if (entry.state() == PendingRequest.State.HELD) {
        count += issueOrFill(entry) ? 1 : 0;
      }
      entry = next;
    }
    return count;
  }

  /** A guest's request gets its memory in its turn also when it has to wait for something else. */
  private boolean issueOrFill(P entry) {
    if (!mustWait(entry)) {
      return issue(entry);
    }
    if (entry.request() != null) {
      var unused = fill(entry); // one that is refused ends when it is issued
    }
    return false;
  }

  /** Whether a request that was taken waits for memory. */
  final boolean isStarved() {
    return starved;
  }

  // From the device to the guest

  /** Takes note of what the device has completed. */
  public final int reap() {
    int count = 0;
    P entry = table.takeCompleted();
    while (entry != null) {
      P next = entry.nextCompleted;
      entry.nextCompleted = null;
      if (entry.deviceNumber == deviceNumber) {
        atDevice--;
      } else {
        atDeviceBefore--;
      }
      completed(entry);
      entry = next;
      count++;
    }
    return count;
  }

  /** Its response is on the ring. */
  protected final void responded(P entry, Enum<?> status, boolean failed) {
    inflight.answered(entry.slot(), entry.request());
    counters.add(Counter.ANSWERED, 1);
    if (failed) {
      counters.add(Counter.ERRORS, 1);
    }
    trace.answer(entry, status);
    table.answered(entry);
  }

  // The frontend

  protected final boolean isConnected() {
    return link.isConnected();
  }

  final void offerIfPrepared() {
    if (link.isOfferable()) {
      offer(device);
      link.offered();
    }
  }

  @Override
  public final void onConnected() {
    link.connected();
    connected();
  }

  @Override
  public final void onDisconnected() {
    link.disconnected();
  }

  final InflightTable inflight() {
    return inflight;
  }
}

package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkState;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.memory.Chunk;
import io.netchannel.midpoint.Counters.Counter;
import io.netchannel.midpoint.Manifest.Entry;
import io.netchannel.midpoint.PendingTable.Fate;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.BlockRequest;
import io.netchannel.vdevice.block.ResponseStatus;
import io.netchannel.vdevice.block.VirtualDisk;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The way of requests through a mid-point: taken, filled with data, ordered, issued, completed,
 * answered, forgotten. {@link MidPoint} decides which of these steps happen when. Owned by the
 * agent's thread.
 *
 * <pre>
 *   take --> [replay map] --> hold --> issue --> device --> reap --> answer --> publish --> forget
 * </pre>
 */
final class RequestFlow {
  private enum Fill {
    READY,
    NO_MEMORY,
    REFUSED
  }

  private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

  private final VirtualDisk disk;
  private final InflightTable inflight;
  private final MidPointLimits limits;
  private final MidPointTrace trace;
  private final Counters counters;
  private final BufferLease buffers;
  private final ManifestBudget manifests;
  private final CompletionQueue completions = new CompletionQueue();
  private final PendingTable table;

  /** Adopted requests that are finished. */
  private final List<Entry> settled = new ArrayList<>();

  private Device device;

  /** Which one it is, and how many requests it has; how many those before it have. */
  private int deviceNumber;

  private int atDevice;
  private int atDeviceBefore;
  private long generation;
  private long nextSequence = 1;
  private ReplayMap replay;

  /** What the replay map, and what the manifest of a seal, has of {@link #manifests}. */
  private long replayBytes;

  private long manifestBytes;

  /** Null unless a guest that was served elsewhere begins here. */
  private Resumption resumption;

  /** Whether requests may be answered now; otherwise they stay DONE. */
  private boolean answering;

  /**
   * Whether what is at the device is left to its authority: nothing more is given to the device,
   * and what comes back without success says nothing.
   */
  private boolean leaving;

  /**
   * Whether a manifest has been made of what is leaving: what is still heard of it is the
   * destination's to tell.
   */
  private boolean left;

  /**
   * Whether the connection the guest's requests came by still is; no guest memory is touched else.
   */
  private boolean connected;

  /**
   * Whether a request that was taken waits for memory: then no later one is given any, nor taken.
   * Or a later one could hold what an earlier one needs, and wait for that one itself.
   */
  private boolean starved;

  RequestFlow(
      VirtualDisk disk,
      InflightTable inflight,
      MidPointLimits limits,
      BufferLease buffers,
      ManifestBudget manifests,
      MidPointTrace trace,
      Counters counters,
      Runnable wake) {
    this.disk = disk;
    this.inflight = inflight;
    this.limits = limits;
    this.trace = trace;
    this.counters = counters;
    this.buffers = buffers;
    this.manifests = manifests;
    table = new PendingTable(inflight.slots(), buffers, completions, wake);
  }

  void device(Device newDevice) {
    device = newDevice;
    deviceNumber++;
    atDeviceBefore += atDevice;
    atDevice = 0;
  }

  /** Whether something that was given to a device before this one has not ended. */
  boolean isAtDeviceBefore() {
    return atDeviceBefore > 0;
  }

  void generation(long newGeneration) {
    generation = newGeneration;
  }

  void answering(boolean now) {
    answering = now;
  }

  void leaving(boolean now) {
    leaving = now;
    left = false;
  }

  void left() {
    left = true;
  }

  void connected(boolean now) {
    connected = now;
  }

  void replay(ReplayMap map) {
    replay = map == null || map.isEmpty() ? null : map;
    if (replay == null) {
      manifests.giveBack(replayBytes);
      replayBytes = 0;
    }
  }

  /** Nobody here needs the entries of a seal any more. */
  void manifestDropped() {
    manifests.giveBack(manifestBytes);
    manifestBytes = 0;
  }

  void resumption(Resumption begun) {
    resumption = begun;
  }

  /** Whether there is something that loses its meaning some time after the frontend connected. */
  boolean isResuming() {
    return replay != null || resumption != null;
  }

  /** The frontend is connected. */
  void resumed() {
    if (resumption != null) {
      resumption.connected();
    }
  }

  void resumptionExpired() {
    if (resumption != null) {
      resumption.expired();
      resumption = null;
    }
  }

  PendingTable table() {
    return table;
  }

  List<Entry> settled() {
    return settled;
  }

  /** Takes a request off the guest's hands. */
  void take(BlockRequest request) {
    while (!table.hasFree() || !inflight.hasFree()) {
      checkState(table.unseenCount() > 0, "more requests were polled than allowed");
      forget(table.firstUnseen(), Fate.GIVEN_UP);
    }
    long sequence = nextSequence++;
    int slot = inflight.take(request, sequence, generation, disk.requestConsumer(request.queue()));
    PendingRequest entry = table.take(request, sequence, generation, slot);
    counters.add(Counter.TAKEN, 1);
    trace.take(entry);
    if (resumption != null) {
      resumption.taken();
    }
    if (entry.changesData()) {
      table.supersede(entry);
    }
    Fill fill = fill(entry);
    if (fill == Fill.REFUSED && answering) {
      forgetRange(entry);
      finish(entry, Outcome.IO_ERROR);
    } else if (fill == Fill.READY && answering && replayed(entry)) {
      counters.add(Counter.REPLAYED, 1);
    } else {
      forgetRange(entry);
      if (answering && !table.mustWait(entry)) {
        issue(entry);
      }
    }
  }

  /** Takes a request over from another mid-point's manifest. */
  void adopt(Entry source) {
    if (source.isToBeDone()) {
      table.adopt(source);
    } else {
      settled.add(source);
    }
  }

  /**
   * Makes the table again from what an earlier process left and the ring tells. Nothing is issued.
   *
   * <p>The same name may be in several slots: the frontend has used it again after an answer that
   * nobody knows it has seen. Then only the last one can be unanswered.
   */
  void recover() {
    List<InflightTable.Slot> slots = inflight.recovered();
    nextSequence = inflight.recoveredNextSequence();
    List<BlockRequest> unanswered =
        disk.reattach(
            slots.stream().map(InflightTable.Slot::encoded).toList(), inflight.requestConsumers());
    connected = disk.state() == VirtualDevice.State.CONNECTED;
    if (!connected) {
      // The rings cannot be used any more; the virtual disk has logged why and closed itself.
      inflight.clear();
      return;
    }
    // Before slots are forgotten: a slot may be all that tells how far its queue was consumed.
    rememberConsumers();
    Map<Integer, BlockRequest> bySlot = new HashMap<>();
    for (BlockRequest request : unanswered) {
      int slot = newestSlotOf(request, slots);
      checkState(
          bySlot.put(slot, request) == null,
          "request %s of queue %s came back twice",
          request.id(),
          request.queue());
    }
    for (InflightTable.Slot slot : slots) {
      BlockRequest request = bySlot.get(slot.slot());
      if (request == null) {
        inflight.forget(slot.slot());
      } else {
        inflight.takenAgain(slot.slot(), request);
        PendingRequest entry = table.take(request, slot.sequence(), slot.generation(), slot.slot());
        trace.take(entry);
      }
    }
  }

  private static int newestSlotOf(BlockRequest request, List<InflightTable.Slot> slots) {
    for (int i = slots.size() - 1; i >= 0; i--) {
      InflightTable.Slot slot = slots.get(i);
      if (slot.queue() == request.queue() && slot.id() == request.id()) {
        return slot.slot();
      }
    }
    throw new IllegalStateException(
        "request %d of queue %d came back and is not in the in-flight table"
            .formatted(request.id(), request.queue()));
  }

  /**
   * How many requests may be taken now; each may be as long as a request can be. The others wait on
   * their rings, but for one: how long it is tells how much is missing.
   */
  int pollBudget() {
    if (starved) {
      return 0;
    }
    int entries = table.freeCount() + table.unseenCount();
    int batch = Math.min(limits.pollBatch(), Math.max(1, buffers.longestBuffers()));
    return Math.min(batch, entries);
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
  void closeBuffers() {
    buffers.close();
  }

  /** After every poll, before anything is published: malformed requests move the consumers too. */
  void rememberConsumers() {
    if (connected) {
      for (int queue = 0; queue < disk.queues(); queue++) {
        inflight.consumed(queue, disk.requestConsumer(queue));
      }
    }
  }

  /** Takes note of what the device has completed. */
  int reap() {
    int count = 0;
    PendingRequest entry = completions.takeAll();
    while (entry != null) {
      PendingRequest next = entry.nextCompleted;
      entry.nextCompleted = null;
      if (entry.deviceNumber == deviceNumber) {
        atDevice--;
      } else {
        atDeviceBefore--;
      }
      PendingRequest.Step step = entry.outcome == Outcome.OK ? entry.nextStep() : null;
      if (leaving && (step != null || entry.outcome != Outcome.OK)) {
        trace.hold(entry);
        table.heldAgain(entry);
      } else if (left) {
        table.done(entry, entry.outcome);
      } else if (step == null) {
        finish(entry, entry.outcome);
      } else {
        entry.step = step;
        submit(entry);
      }
      entry = next;
      count++;
    }
    return count;
  }

  /**
   * Issues what was held and has nothing to wait for any more. After {@link #publish}, so that no
   * request passes another one's answer.
   */
  int issueHeld() {
    int count = 0;
    starved = false;
    PendingRequest entry = table.open().first();
    while (entry != null && table.heldCount() > 0) {
      PendingRequest next = entry.next; // one that is refused leaves the list
      if (entry.state == PendingRequest.State.HELD) {
        count += issueOrFill(entry) ? 1 : 0;
      }
      entry = next;
    }
    return count;
  }

  /** A guest's request gets its memory in its turn also when it has to wait for something else. */
  private boolean issueOrFill(PendingRequest entry) {
    if (!table.mustWait(entry)) {
      return issue(entry);
    }
    if (entry.request != null) {
      var unused = fill(entry); // one that is refused ends when it is issued
    }
    return false;
  }

  /** Answers what was finished while that was not allowed. */
  void answerDone() {
    PendingRequest entry = table.open().first();
    while (entry != null) {
      PendingRequest next = entry.next; // one that is answered leaves the list
      if (entry.state == PendingRequest.State.DONE) {
        answer(entry);
      }
      entry = next;
    }
  }

  /** Makes the responses visible. */
  void publish() {
    if (connected) {
      disk.publishResponses();
    }
    table.published();
  }

  /** Forgets what the frontend has seen. */
  int sweep() {
    int count = 0;
    PendingRequest entry = table.firstUnseen();
    while (entry != null) {
      PendingRequest next = entry.next; // one that is forgotten leaves the list
      if (entry.request.seen()) {
        trace.seen(entry);
        forget(entry, Fate.SEEN);
        count++;
      }
      entry = next;
    }
    return count;
  }

  /** Forgets the oldest answered requests although the frontend may not have seen them. */
  int giveUpOldest(int count) {
    int given = Math.min(count, table.unseenCount());
    for (int i = 0; i < given; i++) {
      forget(table.firstUnseen(), Fate.GIVEN_UP);
    }
    return given;
  }

  /** Those whose completion has not been taken note of. */
  int writesAtDevice() {
    int count = 0;
    for (PendingRequest entry : table.all()) {
      if (entry.state == PendingRequest.State.ISSUED && entry.changesData()) {
        count++;
      }
    }
    return count;
  }

  /** The manifest's entries for all that is in the table; nothing may be at the device. */
  List<Entry> entries(long mostBytes) {
    return entries(ImmutableMap.of(), mostBytes);
  }

  /**
   * The manifest's entries for all that is in the table.
   *
   * @param left what is at the device and can be asked for
   * @param mostBytes of data
   */
  List<Entry> entries(Map<Completion, RequestName> left, long mostBytes) {
    manifestDropped();
    List<Entry> entries = new ArrayList<>();
    manifestBytes = collect(left, mostBytes, entries);
    return entries;
  }

  /** Returns what their data takes. */
  private long collect(Map<Completion, RequestName> left, long mostBytes, List<Entry> entries) {
    List<PendingRequest> all = table.all();
    long wanted = 0;
    for (PendingRequest request : all) {
      wanted += payloadBytes(request, name(request, left).isPresent());
    }
    long taken = manifests.take(Math.min(wanted, mostBytes));
    long unused = taken;
    // The newest first: a guest is likelier to have seen the answer to an older one.
    for (int i = all.size() - 1; i >= 0; i--) {
      PendingRequest request = all.get(i);
      Optional<RequestName> name = name(request, left);
      long bytes = payloadBytes(request, name.isPresent());
      boolean fits = bytes <= unused;
      unused -= fits ? bytes : 0;
      entries.add(entry(request, name, fits));
    }
    Collections.reverse(entries);
    manifests.giveBack(unused);
    return taken - unused;
  }

  private static Optional<RequestName> name(
      PendingRequest request, Map<Completion, RequestName> left) {
    // Of several steps at the device the last one's outcome is not the whole's.
    return request.operation == BlockOperation.WRITE
        ? Optional.ofNullable(left.get(request))
        : Optional.empty();
  }

  /**
   * What is known after everything was finished, in order of sequence; empties {@link #settled}.
   */
  List<Entry> takeSettled() {
    List<Entry> own = new ArrayList<>();
    replayBytes += collect(ImmutableMap.of(), Long.MAX_VALUE, own);
    List<Entry> known = new ArrayList<>(settled);
    known.addAll(own);
    known.sort(Comparator.comparingLong(Entry::sequence));
    settled.clear();
    return known;
  }

  /** Empties the table of all that is not at the device. The in-flight file stays as it is. */
  void release(Fate fate, boolean traceDrop) {
    for (PendingRequest entry : table.all()) {
      if (entry.state != PendingRequest.State.ISSUED) {
        if (traceDrop) {
          trace.drop(entry);
        }
        table.release(entry, fate);
      }
    }
  }

  private void forget(PendingRequest entry, Fate fate) {
    inflight.forget(entry.slot);
    table.release(entry, fate);
  }

  private void forgetRange(PendingRequest entry) {
    if (replay != null && entry.changesData()) {
      replay.remove(entry.offsetBytes, entry.lengthBytes);
    }
  }

  private boolean replayed(PendingRequest entry) {
    if (replay == null || entry.lengthBytes == 0) {
      return false;
    }
    boolean known =
        switch (entry.operation) {
          case READ -> replay.answerRead(entry.offsetBytes, entry.buffer);
          case WRITE -> replay.confirmWrite(entry.offsetBytes, entry.buffer);
          case WRITE_BARRIER, FLUSH, DISCARD -> false;
        };
    if (known) {
      trace.replay(entry);
      table.done(entry, Outcome.OK);
      answer(entry);
      if (replay.isEmpty()) {
        replay(null);
      }
    }
    return known;
  }

  /** False when it has to stay held for want of memory. */
  private boolean issue(PendingRequest entry) {
    return switch (fill(entry)) {
      case NO_MEMORY -> false;
      case REFUSED -> {
        finish(entry, Outcome.IO_ERROR);
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

  private void submit(PendingRequest entry) {
    entry.leaveForDevice();
    entry.deviceNumber = deviceNumber;
    atDevice++;
    switch (entry.step) {
      case FLUSH_BEFORE, FLUSH_AFTER -> device.flush(entry);
      case TRANSFER -> {
        switch (entry.operation) {
          case READ -> device.read(entry.offsetBytes, entry.buffer, entry);
          case WRITE, WRITE_BARRIER, FLUSH -> device.write(entry.offsetBytes, entry.buffer, entry);
          case DISCARD -> device.discard(entry.offsetBytes, entry.lengthBytes, entry);
        }
      }
    }
  }

  private void finish(PendingRequest entry, Outcome outcome) {
    trace.done(entry, outcome);
    table.done(entry, outcome);
    if (entry.request == null) {
      settled.add(entry(entry, Optional.empty(), true));
      table.release(entry, Fate.SETTLED);
    } else if (answering) {
      answer(entry);
    }
  }

  private void answer(PendingRequest entry) {
    ResponseStatus status =
        switch (entry.outcome) {
          case OK -> ResponseStatus.OKAY;
          case UNSUPPORTED -> ResponseStatus.NOT_SUPPORTED;
          case IO_ERROR, NO_SPACE -> ResponseStatus.ERROR;
        };
    if (status == ResponseStatus.OKAY
        && entry.operation == BlockOperation.READ
        && entry.lengthBytes > 0
        && !entry.request.copyToGuest(entry.buffer)) {
      status = ResponseStatus.ERROR;
      entry.outcome = Outcome.IO_ERROR;
    }
    entry.request.respond(status);
    inflight.answered(entry.slot, entry.request);
    counters.add(Counter.ANSWERED, 1);
    if (status != ResponseStatus.OKAY) {
      counters.add(Counter.ERRORS, 1);
    } else if (entry.operation == BlockOperation.READ) {
      counters.add(Counter.BYTES_READ, entry.lengthBytes);
    } else if (entry.carriesData()) {
      counters.add(Counter.BYTES_WRITTEN, entry.lengthBytes);
    }
    trace.answer(entry, status);
    if (resumption != null && resumption.answered(entry)) {
      resumption = null;
    }
    table.answered(entry);
  }

  private Fill fill(PendingRequest entry) {
    if (!entry.needsBuffer() || entry.buffer != null) {
      return Fill.READY;
    }
    if (entry.request != null && !connected) {
      return Fill.REFUSED;
    }
    Chunk chunk = starved ? null : acquire(entry.lengthBytes);
    if (chunk == null) {
      starved = true;
      return Fill.NO_MEMORY;
    }
    ByteBuffer buffer = chunk.buffer();
    if (entry.carriesData()) {
      if (entry.request == null) {
        buffer.put(0, entry.adoptedData, 0, buffer.limit());
      } else if (!entry.request.copyFromGuest(buffer)) {
        buffers.release(chunk);
        return Fill.REFUSED;
      }
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

  /**
   * @param name when it is at the device
   * @param withData whether there is room for what it has
   */
  private Entry entry(PendingRequest request, Optional<RequestName> name, boolean withData) {
    Manifest.State state = stateOf(request);
    Optional<RequestName> asked = state == Manifest.State.ISSUED ? name : Optional.empty();
    return new Entry(
        request.sequence,
        request.generation,
        request.operation,
        request.offsetBytes,
        request.lengthBytes,
        state,
        withData ? payload(request, state, asked.isPresent()) : NOTHING,
        asked);
  }

  private Manifest.State stateOf(PendingRequest request) {
    boolean ok = request.outcome == Outcome.OK;
    return switch (request.state) {
      case HELD -> Manifest.State.UNISSUED;
      case DONE -> ok ? Manifest.State.DONE : Manifest.State.FAILED;
      case ANSWERED, UNSEEN -> ok ? Manifest.State.ANSWERED : Manifest.State.FAILED;
      case ISSUED -> {
        checkState(leaving, "request %s: nobody knows its outcome", request.sequence);
        yield Manifest.State.ISSUED;
      }
      case FREE -> throw new IllegalStateException("a free entry is in the table");
    };
  }

  private long payloadBytes(PendingRequest request, boolean named) {
    Manifest.State state = stateOf(request);
    boolean none = request.buffer == null || (state == Manifest.State.ISSUED && !named);
    return none ? 0 : Entry.payloadBytes(request.operation, state, request.lengthBytes);
  }

  private static ByteBuffer payload(PendingRequest request, Manifest.State state, boolean named) {
    if (request.buffer == null
        || (state == Manifest.State.ISSUED && !named)
        || Entry.payloadBytes(request.operation, state, request.lengthBytes) == 0) {
      return NOTHING;
    }
    if (request.carriesData() && state != Manifest.State.UNISSUED) {
      return SectorDigests.of(request.buffer);
    }
    ByteBuffer copy = ByteBuffer.allocate(request.buffer.limit());
    copy.put(0, request.buffer, 0, request.buffer.limit());
    return copy;
  }
}

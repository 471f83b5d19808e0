package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.midpoint.CommandQueue.Command;
import io.netchannel.midpoint.Counters.Counter;
import io.netchannel.midpoint.Manifest.Entry;
import io.netchannel.midpoint.PendingTable.Fate;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.block.BlockGeometry;
import io.netchannel.vdevice.block.BlockRequest;
import io.netchannel.vdevice.block.VirtualDisk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The mid-point of one virtual disk: between the guest's requests and the device they go to. The
 * state diagram and the invariants are in the package's description.
 *
 * <p>Everything happens in {@link #doWork}, on one thread. Commands may be given on any thread;
 * their futures complete on the agent's, exceptionally with {@link IllegalStateException} where the
 * command does not fit the state.
 */
public final class MidPoint implements Agent {
  private static final Logger log = LoggerFactory.getLogger(MidPoint.class);

  public enum State {
    /**
     * Nodes are published, so the frontend waits; there is no device yet, or it is being taken
     * over.
     */
    EXPECTING,
    SERVING,
    /** Takes nothing and answers nothing; waits for what is at the device. */
    SEALING,
    /** Touches neither the guest nor the device. */
    SEALED,
    /** For good. */
    RETIRED
  }

  private final MidPointId id;
  private final VirtualDisk disk;
  private final InflightTable inflight;
  private final MidPointLimits limits;
  private final MidPointTrace trace;
  private final LongSupplier nanoTime;
  private final Runnable wake;
  private final Milestones milestones;
  private final Counters counters = new Counters();
  private final RequestFlow flow;
  private final CommandQueue commands;
  private final CompletableFuture<Void> retired = new CompletableFuture<>();
  private final CompletableFuture<Void> nothingIssued = new CompletableFuture<>();
  private final VirtualDevice.Handler<BlockRequest> handler = new DiskHandler();

  private volatile State state = State.EXPECTING;
  private volatile VirtualDevice.State diskState;
  private final long offeredBytesBefore;
  private volatile long generation;

  /** Nobody goes on after {@link #close}. */
  private volatile boolean abandoned;

  private Device device;
  private Settlement settlement;
  private Seal seal;
  private Manifest manifest;

  /** What {@link #takeOver} will be given, as far as is known; null for nothing. */
  private Staged staged;

  /** The frontend began again or left: what it had pending is finished before it may connect. */
  private boolean connectionLost;

  /** Waiting for the device, then RETIRED. */
  private boolean departing;

  /** Wait for what the devices before have of them. */
  private final List<CompletableFuture<Void>> exchanges = new ArrayList<>();

  private boolean diskClosed;
  private boolean stalled;
  private long replayDeadlineNanos;

  /**
   * A mid-point that expects its device, with memory for requests of its own.
   *
   * @param disk published already, not offered; owned by the mid-point from now on
   * @param table likewise
   * @param nanoTime of a monotonic clock
   * @param wake makes somebody call {@link #doWork} soon; called on any thread
   */
  public MidPoint(
      MidPointId id,
      VirtualDisk disk,
      InflightTable table,
      MidPointLimits limits,
      MidPointTrace trace,
      LongSupplier nanoTime,
      Runnable wake) {
    this(
        id,
        disk,
        table,
        limits,
        MidPointMemory.unshared(limits),
        trace,
        nanoTime,
        wake,
        Milestones.IGNORED);
  }

  /**
   * Likewise.
   *
   * @param memory of all disks of the host
   * @param milestones hears of a guest that is taken over
   */
  public MidPoint(
      MidPointId id,
      VirtualDisk disk,
      InflightTable table,
      MidPointLimits limits,
      MidPointMemory memory,
      MidPointTrace trace,
      LongSupplier nanoTime,
      Runnable wake,
      Milestones milestones) {
    this.id = id;
    this.disk = disk;
    this.inflight = table;
    this.limits = limits;
    this.trace = trace;
    this.nanoTime = nanoTime;
    this.wake = wake;
    commands = new CommandQueue(wake);
    this.milestones = milestones;
    diskState = disk.state();
    offeredBytesBefore = disk.offered().map(BlockGeometry::sizeBytes).orElse(0L);
    BufferLease buffers = memory.buffers().lease(id.toString(), limits.bufferBytes(), wake);
    flow = new RequestFlow(disk, table, limits, buffers, memory.manifests(), trace, counters, wake);
  }

  /** The size that a process before told the guest; 0 when none did. On any thread. */
  public long offeredBytesBefore() {
    return offeredBytesBefore;
  }

  /**
   * What a process before may have been changing when it ended, and did not answer. It is forgotten
   * with the first device: {@link #recover} issues it again if the guest still asks for it. On any
   * thread.
   */
  public List<BlockRequest.Change> changesBefore() {
    return inflight.changes();
  }

  /**
   * Serves a guest that has nothing pending: plain start, restore, hot plug.
   *
   * @param newDevice owned by the mid-point from now on, also when the command fails; one that it
   *     does not take is closed when the future completes
   */
  public CompletableFuture<Void> serve(Device newDevice, long newGeneration) {
    return commandWith(
        newDevice,
        future -> {
          begin(newDevice, newGeneration);
          inflight.clear();
          become(State.SERVING, "serve");
          offerIfPrepared();
          future.complete(null);
        });
  }

  /**
   * Prepares a {@link #takeOver} with this manifest, so that it has less to do while the guest
   * stands still. Another one takes its place. The state stays EXPECTING.
   */
  public CompletableFuture<Void> stage(Manifest expected) {
    return command(
        future -> {
          if (state != State.EXPECTING || device != null || departing) {
            throw unfit("stage a manifest");
          }
          staged = new Staged(expected);
          trace.stage(expected.generation(), expected.pending());
          trace.flush();
          future.complete(null);
        });
  }

  /**
   * Serves a guest that was served elsewhere: finishes what the manifest has, then offers the disk.
   * The future completes then. When it fails the mid-point has to be retired.
   *
   * @param newDevice as for {@link #serve}
   */
  public CompletableFuture<Void> takeOver(
      Device newDevice, long newGeneration, Manifest handedOver) {
    return commandWith(
        newDevice,
        future -> {
          long sizeBytes = newDevice.geometry().sizeBytes();
          checkArgument(
              handedOver.entries().isEmpty() || handedOver.diskBytes() <= sizeBytes,
              "%s: the device is smaller: %s bytes here, %s at the source; give both the same"
                  + " device",
              id,
              sizeBytes,
              handedOver.diskBytes());
          checkArgument(
              handedOver.storage().isEmpty() || newDevice.custody().isPresent(),
              "%s: the source has left requests to the server of its device, and this device has no"
                  + " server; give both the same device",
              id);
          Manifest ended = handedOver.ended(newDevice::inherited);
          Staged prepared = staged != null && staged.isOf(ended) ? staged : new Staged(ended);
          begin(newDevice, newGeneration);
          inflight.clear();
          handedOver.entries().forEach(entry -> adopted(entry, newDevice));
          counters.add(Counter.ADOPTED, handedOver.pending());
          settlement = prepared.settlement(future);
          flow.resumption(new Resumption(handedOver.entries(), milestones));
        });
  }

  private void adopted(Entry entry, Device newDevice) {
    trace.adopt(entry);
    entry.name().flatMap(newDevice::inherited).ifPresent(outcome -> trace.done(entry, outcome));
  }

  /**
   * Goes on after a restart of the daemon, with the rings and the in-flight table of the process
   * before.
   *
   * @param newDevice as for {@link #serve}
   * @param wasSealed the process before had sealed it: answers nothing until unsealed or retired
   */
  public CompletableFuture<Void> recover(Device newDevice, long newGeneration, boolean wasSealed) {
    return commandWith(
        newDevice,
        future -> {
          begin(newDevice, newGeneration);
          if (disk.state() == VirtualDevice.State.CONNECTED) {
            flow.recover();
          } else {
            // The frontend has begun again meanwhile and will resubmit everything.
            inflight.clear();
          }
          become(wasSealed ? State.SEALED : State.SERVING, "recover");
          flow.answering(!wasSealed);
          if (!wasSealed) {
            offerIfPrepared();
          }
          future.complete(null);
        });
  }

  /**
   * Puts another device under the running guest, without a request held for it: what is issued from
   * now on goes there. The device before is not closed; whoever exchanges it does that, or has it
   * inside the new one. Fits SERVING only.
   *
   * @param around makes the new device of the one that is there; on the agent's thread, must not
   *     block. What it throws is the future's failure, and nothing has changed
   * @return completes when all that the device before was given here has ended
   */
  public CompletableFuture<Void> exchange(UnaryOperator<Device> around) {
    return command(
        future -> {
          if (state != State.SERVING || departing) {
            throw unfit("exchange the device");
          }
          device = around.apply(device);
          flow.device(device);
          trace.event(generation, "exchange");
          exchanges.add(future);
        });
  }

  /** Goes on with a newer generation, here and at the device. Fits SERVING only. */
  public CompletableFuture<Void> useGeneration(long newer) {
    return command(
        future -> {
          if (state != State.SERVING || departing) {
            throw unfit("use a newer generation");
          }
          setGeneration(newer);
          device.useGeneration(newer);
          future.complete(null);
        });
  }

  /**
   * Stops taking requests, waits for those at the device, flushes the device and gives what is
   * pending. Where the device has an authority that finishes them ({@link Device#custody}) it does
   * neither. The guest must be suspended. Sealed already: the same manifest again.
   *
   * @param bound how long it may take; then the future fails with {@link TimeoutException} and the
   *     mid-point goes on serving
   */
  public CompletableFuture<Manifest> seal(Duration bound) {
    return seal(bound, Long.MAX_VALUE, manifest -> {});
  }

  /**
   * Likewise.
   *
   * @param dataBytes how much of data the manifest may have; the rest of the requests is in it
   *     without data
   * @param known told the manifest as soon as nothing is at the device any more, while the device
   *     is flushed: it may travel, and counts only when the future completes. On the agent's
   *     thread; must neither block nor throw. Not told when it is sealed, or being sealed, already
   */
  public CompletableFuture<Manifest> seal(
      Duration bound, long dataBytes, Consumer<Manifest> known) {
    return command(future -> pass(startSeal(bound, dataBytes, known), future));
  }

  /** Undoes a seal, also one that is going on: answers and issues what is pending and goes on. */
  public CompletableFuture<Void> unseal(long newGeneration) {
    return command(
        future -> {
          switch (state) {
            case EXPECTING, SERVING -> {}
            case SEALING -> failSeal(new IllegalStateException(id + ": unsealed meanwhile"));
            case SEALED -> {
              manifest = null;
              flow.manifestDropped();
              setGeneration(newGeneration);
              if (device != null) {
                device.useGeneration(newGeneration);
              }
              trace.event(generation, "unseal");
              goOn("unseal");
            }
            case RETIRED -> throw unfit("unseal");
          }
          setGeneration(newGeneration);
          future.complete(null);
        });
  }

  /**
   * Ends it without answering what is pending. After the future completes nothing is issued and the
   * device is closed. The nodes stay until the domain goes. A mid-point that was closed meanwhile,
   * as its domain went at the same time, has nothing issued either.
   */
  public CompletableFuture<Void> retire() {
    return commands.give(
        future -> {
          if (state != State.RETIRED) {
            depart();
          }
          pass(nothingIssued, future);
        },
        future -> pass(nothingIssued, future));
  }

  /**
   * Completes when the mid-point is RETIRED and its virtual disk is closed, nodes and all: it can
   * be forgotten. Exceptionally when it was closed before.
   */
  public CompletableFuture<Void> retired() {
    return retired.copy();
  }

  /** From any thread. */
  public MidPointStatus status() {
    return new MidPointStatus(
        id,
        state,
        generation,
        diskState,
        counters.get(Counter.TAKEN),
        counters.get(Counter.ANSWERED),
        (int) counters.get(Counter.PENDING),
        counters.get(Counter.REPLAYED),
        counters.get(Counter.HANDED_OVER),
        counters.get(Counter.ADOPTED),
        counters.get(Counter.ERRORS),
        counters.get(Counter.BYTES_READ),
        counters.get(Counter.BYTES_WRITTEN));
  }

  @Override
  public String roleName() {
    return "mid-point " + id;
  }

  @Override
  public int doWork() {
    if (commands.isClosed()) {
      return 0;
    }
    int work = commands.run();
    flow.answering(state == State.SERVING && !departing && settlement == null && !connectionLost);
    work += flow.reap() + noteExchanged();
    if (departing) {
      work += follow() + depart();
    } else {
      work +=
          switch (state) {
            case EXPECTING -> settlement == null ? follow() : settle();
            case SERVING -> serveOn();
            case SEALING -> follow() + sealOn();
            case SEALED, RETIRED -> follow();
          };
    }
    noteGone();
    if (!departing) {
      flow.share();
    }
    if (work > 0) {
      counters.set(Counter.PENDING, flow.table().open().size());
      trace.flush();
    } else {
      flow.rest();
    }
    return work;
  }

  private int noteExchanged() {
    if (exchanges.isEmpty() || flow.isAtDeviceBefore()) {
      return 0;
    }
    List<CompletableFuture<Void>> ended = List.copyOf(exchanges);
    exchanges.clear();
    ended.forEach(each -> each.complete(null));
    return ended.size();
  }

  /**
   * Its domain has gone or its disk is taken away, so no process goes on where {@link #close}
   * leaves it: that drops what is pending. From any thread, before the close.
   */
  public void abandon() {
    abandoned = true;
  }

  /**
   * For a restart: nodes and in-flight table stay, so that the next process goes on from there, and
   * tells in its trace what becomes of the requests. Unless nobody will.
   */
  @Override
  public void close() {
    if (commands.isClosed()) {
      return;
    }
    commands.close();
    try {
      if ((abandoned || departing) && state != State.RETIRED) {
        departNow();
      }
    } finally {
      closeParts();
    }
  }

  /** To RETIRED also with requests at the device. */
  private void departNow() {
    if (depart() == 0) {
      device.close(); // waits for what is running
      if (state != State.SEALED) {
        flow.leaving(true); // what has steps left has no outcome: nothing more gets to the device
      }
      flow.reap();
      depart();
    }
  }

  /** Each step is made whatever the others throw: nobody waits for an agent that has ended. */
  private void closeParts() {
    IllegalStateException reason = closedBefore();
    if (seal != null) {
      seal.result().completeExceptionally(reason);
    }
    if (settlement != null && settlement.settled() != null) {
      settlement.settled().completeExceptionally(reason);
    }
    commands.run(); // what came too late; it need not wait for the device
    try {
      if (device != null) {
        device.close(); // waits for what is running
      }
      flow.replay(null);
      flow.manifestDropped();
      flow.closeBuffers();
      nothingIssued.complete(null);
    } finally {
      exchanges.forEach(each -> each.completeExceptionally(reason));
      nothingIssued.completeExceptionally(reason);
      try {
        closeDisk(false);
      } finally {
        retired.completeExceptionally(reason);
        try {
          inflight.close();
        } finally {
          trace.close();
          commands.run();
        }
      }
    }
  }

  // Commands

  private <T> CompletableFuture<T> command(Command<T> command) {
    return commands.give(command, future -> future.completeExceptionally(closedBefore()));
  }

  /** A command that brings a device: nobody else would close it when it is not taken. */
  private CompletableFuture<Void> commandWith(Device brought, Command<Void> command) {
    return commands.give(
        future -> {
          try {
            command.run(future);
          } finally {
            closeUnlessTaken(brought);
          }
        },
        future -> {
          closeUnlessTaken(brought);
          future.completeExceptionally(closedBefore());
        });
  }

  private void closeUnlessTaken(Device brought) {
    if (brought != device) {
      brought.close();
    }
  }

  private IllegalStateException closedBefore() {
    return new IllegalStateException(id + ": the mid-point was closed");
  }

  /** {@code to} gets the result of {@code from}; commands of the same kind share one. */
  private static <T> void pass(CompletableFuture<T> from, CompletableFuture<T> to) {
    var unused =
        from.whenComplete(
            (result, failure) -> {
              if (failure == null) {
                to.complete(result);
              } else {
                to.completeExceptionally(failure);
              }
            });
  }

  private void begin(Device newDevice, long newGeneration) {
    if (state != State.EXPECTING || device != null || departing) {
      throw unfit("start serving");
    }
    staged = null;
    device = newDevice;
    flow.device(newDevice);
    setGeneration(newGeneration);
  }

  private void setGeneration(long newGeneration) {
    generation = newGeneration;
    flow.generation(newGeneration);
  }

  private IllegalStateException unfit(String command) {
    return new IllegalStateException(
        "%s: cannot %s, it is %s%s%s"
            .formatted(
                id,
                command,
                state,
                device == null ? " without a device" : "",
                departing ? " and its frontend or owner has left" : ""));
  }

  private void become(State next, String reason) {
    log.info("{}: {} -> {} ({}, generation {})", id, state, next, reason, generation);
    if (next == State.SERVING && state == State.EXPECTING) {
      trace.event(generation, "serve");
    }
    if (next == State.SEALED && device != null) {
      device.rest();
    }
    state = next;
  }

  // Serving

  private int serveOn() {
    if (connectionLost && settlement == null) {
      settlement = new Settlement(ImmutableList.of(), Optional.empty(), null);
    }
    if (settlement != null) {
      return settle();
    }
    flow.publish();
    int work = flow.sweep() + flow.issueHeld();
    int budget = flow.pollBudget();
    int polled = poll(budget);
    flow.publish();
    work += polled + relieve(budget > 0 && polled == 0);
    offerIfPrepared();
    if (flow.isResuming() && isConnected() && nanoTime.getAsLong() - replayDeadlineNanos >= 0) {
      flow.replay(null);
      flow.resumptionExpired();
    }
    return work;
  }

  /**
   * A virtual disk stops giving requests when too many are kept. That a frontend has seen answers
   * need not ever become known, so the oldest are given up then; at the second fruitless poll,
   * because a request may have come just after the first.
   */
  private int relieve(boolean fruitless) {
    boolean waiting = fruitless && isConnected() && disk.untaken() > 0;
    int work = 0;
    if (waiting && stalled) {
      work = flow.giveUpOldest(limits.pollBatch());
    } else if (waiting) {
      work = 1;
    }
    stalled = waiting;
    return work;
  }

  private int poll(int maxRequests) {
    int work = disk.poll(handler, maxRequests);
    flow.rememberConsumers();
    diskState = disk.state();
    return work;
  }

  /** The handshake only: requests stay on the rings. */
  private int follow() {
    return diskClosed ? 0 : poll(0);
  }

  private boolean isConnected() {
    return disk.state() == VirtualDevice.State.CONNECTED;
  }

  private void offerIfPrepared() {
    if (disk.state() == VirtualDevice.State.PREPARED && !connectionLost) {
      DeviceGeometry geometry = device.geometry();
      disk.offer(
          new BlockGeometry(
              geometry.sizeBytes(),
              geometry.logicalBlockBytes(),
              geometry.physicalBlockBytes(),
              geometry.readOnly(),
              geometry.canFlush(),
              geometry.canDiscard() ? geometry.discardGranularityBytes() : 0));
      diskState = disk.state();
    }
  }

  // Settling: what is pending is finished, then the frontend may connect

  private int settle() {
    int work = settlement.feed(flow) + flow.issueHeld() + follow();
    if (disk.state() == VirtualDevice.State.GONE || !settlement.isFinished(flow)) {
      return work;
    }
    List<Entry> known = flow.takeSettled();
    flow.release(Fate.SETTLED, true);
    // After Closed there is no resubmission: that frontend has given its requests up itself.
    Settlement finished = settlement;
    flow.replay(disk.state() == VirtualDevice.State.CLOSED ? null : finished.replayMap(known));
    inflight.clear();
    connectionLost = false;
    settlement = null;
    if (state == State.EXPECTING) {
      become(State.SERVING, "taken over " + known.size() + " requests");
    }
    offerIfPrepared();
    if (finished.settled() != null) {
      finished.settled().complete(null);
    }
    return work + 1;
  }

  // Sealing

  private CompletableFuture<Manifest> startSeal(
      Duration bound, long dataBytes, Consumer<Manifest> known) {
    if (departing || (state == State.EXPECTING && settlement != null)) {
      throw unfit("seal");
    }
    switch (state) {
      case EXPECTING -> {
        manifest = new Manifest(generation, 0, 0, List.of());
        become(State.SEALED, "nothing to seal");
        return CompletableFuture.completedFuture(manifest);
      }
      case SERVING -> {}
      case SEALING -> {
        return seal.result();
      }
      case SEALED -> {
        checkState(
            manifest != null,
            "%s: was sealed by a process before this one; unseal or retire it",
            id);
        return CompletableFuture.completedFuture(manifest);
      }
      case RETIRED -> throw unfit("seal");
    }
    flow.answering(false);
    seal =
        new Seal(
            new Seal.Parts(id, generation, flow, device, trace, wake),
            bound,
            dataBytes,
            nanoTime.getAsLong(),
            known);
    flow.leaving(seal.leaves());
    become(State.SEALING, "seal");
    if (settlement == null && !connectionLost) {
      flow.publish();
      flow.sweep();
      takeTheRest();
    }
    return seal.result();
  }

  /** Requests still on the rings travel too; those that find no room the guest resubmits anyway. */
  private void takeTheRest() {
    // As many as there are now: a guest that runs after all must not keep us here.
    int rest = isConnected() ? disk.untaken() : 0;
    int polled = 1;
    while (rest > 0 && polled > 0 && isConnected()) {
      polled = poll(Math.min(rest, flow.pollBudget()));
      rest -= polled;
    }
    flow.publish();
  }

  private int sealOn() {
    if (disk.state() == VirtualDevice.State.GONE) {
      failSeal(new IllegalStateException(id + ": the domain went away during the seal"));
      return 1;
    }
    return switch (seal.advance(nanoTime.getAsLong())) {
      case WAITS -> 0;
      case SEALED -> {
        finishSeal();
        yield 1;
      }
      case FAILED -> {
        failSeal(seal.failure());
        yield 1;
      }
    };
  }

  private void finishSeal() {
    Seal finished = seal;
    seal = null;
    manifest = finished.manifest();
    trace.flush();
    counters.add(Counter.HANDED_OVER, manifest.pending());
    become(State.SEALED, manifest.pending() + " pending, " + finished.incomplete() + " incomplete");
    finished.result().complete(manifest);
  }

  private void failSeal(Exception reason) {
    Seal failed = giveUpSeal();
    goOn("seal failed");
    failed.result().completeExceptionally(reason);
  }

  /** What the trace says of it is taken back; its result is the caller's to complete. */
  private Seal giveUpSeal() {
    Seal failed = seal;
    seal = null;
    flow.manifestDropped();
    if (failed.manifest() != null) {
      trace.event(generation, "unseal");
    }
    return failed;
  }

  /** After a seal that is undone. */
  private void goOn(String reason) {
    flow.leaving(false);
    if (device == null) {
      become(State.EXPECTING, reason);
      return;
    }
    become(State.SERVING, reason);
    if (settlement == null && !connectionLost && disk.state() != VirtualDevice.State.GONE) {
      flow.answering(true);
      flow.answerDone();
      flow.publish();
    }
  }

  // The end

  private void noteGone() {
    if (departing || diskClosed || disk.state() != VirtualDevice.State.GONE) {
      return;
    }
    log.info("{}: its frontend has gone", id);
    if (state == State.RETIRED) {
      finishDisk();
    } else {
      depart();
    }
  }

  /** One step towards RETIRED: waits for what is at the device, drops the rest. */
  private int depart() {
    departing = true;
    staged = null;
    flow.answering(false);
    if (seal != null) {
      giveUpSeal()
          .result()
          .completeExceptionally(new IllegalStateException(id + ": retired during the seal"));
    }
    if (settlement != null && settlement.settled() != null) {
      settlement
          .settled()
          .completeExceptionally(new IllegalStateException(id + ": retired during the take-over"));
    }
    settlement = null;
    // What a manifest has is the destination's; anything else is lost with the frontend.
    boolean handedOver = state == State.SEALED;
    flow.release(handedOver ? Fate.HANDED_OVER : Fate.ABANDONED, !handedOver);
    flow.settled().clear();
    if (flow.table().issuedCount() > 0) {
      if (handedOver) {
        device.relinquish();
      }
      return 0;
    }
    departing = false;
    flow.replay(null);
    if (device != null) {
      device.close();
    }
    become(State.RETIRED, handedOver ? "handed over" : "dropped");
    trace.event(generation, "retire");
    trace.flush();
    manifest = null;
    flow.manifestDropped();
    flow.closeBuffers();
    inflight.clear(); // not before the trace has what became of them: a crash would take that along
    if (disk.state() == VirtualDevice.State.GONE) {
      finishDisk();
    }
    nothingIssued.complete(null);
    return 1;
  }

  private void finishDisk() {
    closeDisk(true);
    inflight.remove();
    retired.complete(null);
  }

  private void closeDisk(boolean removeNodes) {
    if (!diskClosed) {
      diskClosed = true;
      flow.connected(false);
      disk.close(removeNodes);
      diskState = disk.state();
    }
  }

  private final class DiskHandler implements VirtualDevice.Handler<BlockRequest> {
    @Override
    public void onRequest(BlockRequest request) {
      flow.take(request);
    }

    @Override
    public void onConnected() {
      flow.connected(true);
      flow.resumed();
      replayDeadlineNanos =
          nanoTime.getAsLong() + TimeUnit.MILLISECONDS.toNanos(limits.replayMillis());
    }

    @Override
    public void onDisconnected() {
      flow.connected(false);
      flow.answering(false);
      connectionLost = true;
    }
  }
}

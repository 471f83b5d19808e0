package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkState;

import io.netchannel.device.Backend;
import io.netchannel.midpoint.Counters.Counter;
import io.netchannel.midpoint.MidPoint.State;
import io.netchannel.midpoint.PendingTable.Fate;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where a mid-point is in its life, and how it gets on: the phases of the package's diagram, what
 * each round does in them, and who has the device, the seal and the manifest. Owned by the agent's
 * thread, but for {@link #state}, {@link #generation} and the futures.
 *
 * <p>A command that does not fit the phase throws {@link IllegalStateException}, and nothing has
 * changed.
 *
 * @param <B> what requests go to
 * @param <M> what is handed over of them
 */
final class Lifecycle<B extends Backend, M extends Manifest> {
  // Its log lines are the mid-point's.
  private static final Logger log = LoggerFactory.getLogger(MidPoint.class);

  private enum Phase {
    EXPECTING,
    /**
     * It has its device: what is pending from elsewhere is being finished. Or that failed, and it
     * waits to be retired.
     */
    STARTING,
    SERVING,
    SEALING,
    SEALED,
    /** Waits for what is at the device; the rest is dropped. From outside it is what it was. */
    DROPPING,
    /** Likewise after a seal: what the manifest has is the destination's. */
    RELEASING,
    RETIRED
  }

  private final MidPointId id;
  private final DeviceFlow<B, M, ?, ?> flow;
  private final FlowRounds<?, ?> rounds;
  private final MidPointTrace trace;
  private final CompletableFuture<Void> retired = new CompletableFuture<>();
  private final CompletableFuture<Void> nothingIssued = new CompletableFuture<>();

  private volatile State state = State.EXPECTING;
  private volatile long generation;

  private Phase phase = Phase.EXPECTING;

  /** Null before STARTING, and in what an EXPECTING one is sealed to. */
  private B device;

  /** Who waits for a take-over that goes on; else null. */
  private CompletableFuture<Void> takeOver;

  /** While SEALING; else null. */
  private Seal<M> seal;

  /** While SEALED, unless a process before this one has sealed; else null. */
  private M manifest;

  Lifecycle(DeviceFlow<B, M, ?, ?> flow) {
    this.flow = flow;
    rounds = flow.rounds();
    id = flow.id();
    trace = flow.trace();
  }

  /** From any thread. */
  State state() {
    return state;
  }

  /** From any thread. */
  long generation() {
    return generation;
  }

  boolean has(B it) {
    return device == it;
  }

  /** Completes when nothing is at the device any more, for good. */
  CompletableFuture<Void> nothingIssued() {
    return nothingIssued;
  }

  /** Completes when it is RETIRED and its virtual device is closed, nodes and all. */
  CompletableFuture<Void> retired() {
    return retired;
  }

  // Beginnings

  void serve(B newDevice, long newGeneration) {
    start(newDevice, newGeneration);
    flow.handOver().unstage();
    rounds.begin();
    become(Phase.SERVING, "serve");
    flow.offerIfPrepared();
  }

  void stage(M expected) {
    if (phase != Phase.EXPECTING) {
      throw unfit("stage a manifest");
    }
    flow.handOver().stage(expected);
    trace.stage(expected.generation(), expected.pending());
    trace.flush();
  }

  /**
   * Begins to.
   *
   * @param future completes when what is pending is finished
   */
  void takeOver(B newDevice, long newGeneration, M handedOver, CompletableFuture<Void> future) {
    flow.handOver().check(handedOver, newDevice);
    expectNotStarted();
    rounds.begin();
    // Before the flow has the device: what the guest was told of it elsewhere decides what it is
    // told here.
    flow.handOver().takeOver(handedOver, newDevice);
    start(newDevice, newGeneration);
    flow.counters().add(Counter.ADOPTED, handedOver.pending());
    takeOver = future;
  }

  void recover(B newDevice, long newGeneration, boolean wasSealed) {
    start(newDevice, newGeneration);
    flow.handOver().unstage();
    rounds.recover();
    if (wasSealed) {
      become(Phase.SEALED, "recover");
    } else {
      become(Phase.SERVING, "recover");
      rounds.goOn();
      flow.offerIfPrepared();
    }
  }

  private void expectNotStarted() {
    if (phase != Phase.EXPECTING) {
      throw unfit("start serving");
    }
  }

  private void start(B newDevice, long newGeneration) {
    expectNotStarted();
    phase = Phase.STARTING;
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
                isDeparting() ? " and its frontend or owner has left" : ""));
  }

  /** Waits for what is at the device, to be RETIRED. */
  boolean isDeparting() {
    return phase == Phase.DROPPING || phase == Phase.RELEASING;
  }

  // While serving

  void exchange(UnaryOperator<B> around) {
    if (phase != Phase.SERVING) {
      throw unfit("exchange the device");
    }
    device = around.apply(device);
    flow.device(device);
    trace.event(generation, "exchange");
  }

  void useGeneration(long newer) {
    if (phase != Phase.SERVING) {
      throw unfit("use a newer generation");
    }
    setGeneration(newer);
    device.useGeneration(newer);
  }

  /** What its phase asks for; returns how much was done. */
  int round() {
    int work =
        switch (phase) {
          case EXPECTING, SEALED, RETIRED -> rounds.follow();
          case STARTING -> takeOver == null ? rounds.follow() : settle();
          case SERVING -> flow.link().isLost() ? settle() : rounds.serve();
          case SEALING -> rounds.follow() + sealOn();
          case DROPPING, RELEASING -> rounds.follow() + depart();
        };
    noteGone();
    return work;
  }

  private void become(Phase next, String reason) {
    log.info("{}: {} -> {} ({}, generation {})", id, phase, next, reason, generation);
    if (phase == Phase.STARTING && next == Phase.SERVING) {
      trace.event(generation, "serve");
    }
    if (next == Phase.SERVING) {
      flow.open();
    }
    if (next == Phase.SEALED && device != null) {
      device.rest();
    }
    phase = next;
    state =
        switch (next) {
          case EXPECTING, STARTING -> State.EXPECTING;
          case SERVING -> State.SERVING;
          case SEALING -> State.SEALING;
          case SEALED -> State.SEALED;
          case DROPPING, RELEASING -> state;
          case RETIRED -> State.RETIRED;
        };
  }

  // Settling: what is pending is finished, then the frontend may connect

  private int settle() {
    int work = flow.settle() + rounds.follow();
    if (flow.link().isGone() || !rounds.isSettled()) {
      return work;
    }
    int known = rounds.endSettlement();
    if (phase == Phase.STARTING) {
      become(Phase.SERVING, "taken over " + known + " requests");
    }
    flow.offerIfPrepared();
    if (takeOver != null) {
      CompletableFuture<Void> waiting = takeOver;
      takeOver = null;
      waiting.complete(null);
    }
    return work + 1;
  }

  // Sealing

  /** Begins to; the future has its result. */
  CompletableFuture<M> seal(Seal.Terms<M> terms) {
    switch (phase) {
      case EXPECTING -> {
        manifest = flow.handOver().nothing();
        become(Phase.SEALED, "nothing to seal");
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
      case STARTING, DROPPING, RELEASING, RETIRED -> throw unfit("seal");
    }
    seal = flow.handOver().seal(terms);
    flow.quiet();
    become(Phase.SEALING, "seal");
    rounds.takeTheRest();
    return seal.result();
  }

  private int sealOn() {
    if (flow.link().isGone()) {
      failSeal(new IllegalStateException(id + ": the domain went away during the seal"));
      return 1;
    }
    return switch (seal.advance()) {
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
    Seal<M> finished = seal;
    seal = null;
    manifest = finished.manifest();
    trace.flush();
    flow.counters().add(Counter.HANDED_OVER, manifest.pending());
    become(Phase.SEALED, manifest.pending() + " pending, " + finished.incomplete() + " incomplete");
    finished.result().complete(manifest);
  }

  private void failSeal(Exception reason) {
    Seal<M> failed = giveUpSeal();
    goOn("seal failed");
    failed.result().completeExceptionally(reason);
  }

  /** What the trace says of it is taken back; its result is the caller's to complete. */
  private Seal<M> giveUpSeal() {
    Seal<M> failed = seal;
    seal = null;
    flow.handOver().drop();
    if (failed.manifest() != null) {
      trace.event(generation, "unseal");
    }
    return failed;
  }

  /** Undoes a seal, also one that is going on. */
  void unseal(long newGeneration) {
    switch (phase) {
      case EXPECTING, STARTING, SERVING, DROPPING -> {}
      case SEALING -> failSeal(new IllegalStateException(id + ": unsealed meanwhile"));
      case SEALED -> {
        manifest = null;
        flow.handOver().drop();
        setGeneration(newGeneration);
        if (device != null) {
          device.useGeneration(newGeneration);
        }
        trace.event(generation, "unseal");
        goOn("unseal");
      }
      case RELEASING, RETIRED -> throw unfit("unseal");
    }
    setGeneration(newGeneration);
  }

  /** After a seal that is undone. */
  private void goOn(String reason) {
    if (device == null) {
      become(Phase.EXPECTING, reason);
    } else {
      become(Phase.SERVING, reason);
      rounds.goOn();
    }
  }

  // The end

  /** Begins to go, unless it has gone; {@link #nothingIssued} says when that is done. */
  void retire() {
    if (phase != Phase.RETIRED) {
      depart();
    }
  }

  /**
   * The process ends.
   *
   * @param forGood nobody goes on from where it is: what is pending is dropped
   */
  void leave(boolean forGood) {
    if (isDeparting() || (forGood && phase != Phase.RETIRED)) {
      departNow();
    }
  }

  /** To RETIRED also with requests at the device. */
  private void departNow() {
    if (depart() == 0) {
      device.close(); // waits for what is running
      if (phase == Phase.DROPPING) {
        flow.leave(); // what has steps left has no outcome: nothing more gets to the device
      }
      flow.reap();
      depart();
    }
  }

  /** Nobody waits for a process that ends. */
  void failWaiting(Exception reason) {
    if (seal != null) {
      seal.result().completeExceptionally(reason);
    }
    if (takeOver != null) {
      takeOver.completeExceptionally(reason);
    }
  }

  void closeDevice() {
    if (device != null) {
      device.close(); // waits for what is running
    }
    rounds.releaseMemory();
    nothingIssued.complete(null);
  }

  private void noteGone() {
    if (isDeparting() || flow.link().isClosed() || !flow.link().isGone()) {
      return;
    }
    log.info("{}: its frontend has gone", id);
    if (phase == Phase.RETIRED) {
      finishDevice();
    } else {
      depart();
    }
  }

  /** One step towards RETIRED: waits for what is at the device, drops the rest. */
  private int depart() {
    if (!isDeparting()) {
      phase = phase == Phase.SEALED ? Phase.RELEASING : Phase.DROPPING;
    }
    flow.quiet();
    flow.handOver().unstage();
    if (seal != null) {
      giveUpSeal()
          .result()
          .completeExceptionally(new IllegalStateException(id + ": retired during the seal"));
    }
    if (takeOver != null) {
      takeOver.completeExceptionally(
          new IllegalStateException(id + ": retired during the take-over"));
      takeOver = null;
    }
    // What a manifest has is the destination's; anything else is lost with the frontend.
    boolean handedOver = phase == Phase.RELEASING;
    rounds.release(handedOver ? Fate.HANDED_OVER : Fate.ABANDONED, !handedOver);
    flow.dropSettled();
    if (flow.table().issuedCount() > 0) {
      if (handedOver) {
        device.relinquish();
      } else {
        flow.depart();
      }
      return 0;
    }
    if (device != null) {
      device.close();
    }
    become(Phase.RETIRED, handedOver ? "handed over" : "dropped");
    trace.event(generation, "retire");
    trace.flush();
    manifest = null;
    rounds.releaseMemory();
    rounds.begin(); // not before the trace has what became of it: a crash would take that along
    if (flow.link().isGone()) {
      finishDevice();
    }
    nothingIssued.complete(null);
    return 1;
  }

  private void finishDevice() {
    flow.link().close(true);
    flow.inflight().remove();
    retired.complete(null);
  }
}

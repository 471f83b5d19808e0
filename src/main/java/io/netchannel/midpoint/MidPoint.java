package io.netchannel.midpoint;

import static com.google.common.base.Preconditions.checkState;

import io.netchannel.device.Backend;
import io.netchannel.midpoint.CommandQueue.Command;
import io.netchannel.midpoint.Counters.Counter;
import io.netchannel.midpoint.PendingTable.Fate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The mid-point of one virtual device: between the guest's requests and the device they go to. What
 * kind of device that is its {@link DeviceFlow} knows; this is what happens when. The state diagram
 * and the invariants are in the package's description.
 *
 * <p>Everything happens in {@link #doWork}, on one thread. Commands may be given on any thread;
 * their futures complete on the agent's, exceptionally with {@link IllegalStateException} where the
 * command does not fit the state.
 *
 * @param <B> what requests go to
 * @param <M> what is handed over of them
 */
public class MidPoint<B extends Backend, M extends Manifest> implements Agent {
  private static final Logger log = LoggerFactory.getLogger(MidPoint.class);

  /** What others see of it. */
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

  /** Who goes on where {@link #close} leaves it. */
  private enum Successor {
    ANOTHER_PROCESS,
    NOBODY
  }

  private final MidPointId id;
  private final DeviceFlow<B, M, ?, ?> flow;
  private final MidPointTrace trace;
  private final CommandQueue commands;
  private final CompletableFuture<Void> retired = new CompletableFuture<>();
  private final CompletableFuture<Void> nothingIssued = new CompletableFuture<>();

  private volatile State state = State.EXPECTING;
  private volatile long generation;
  private volatile Successor successor = Successor.ANOTHER_PROCESS;

  private Phase phase = Phase.EXPECTING;

  /** Null before STARTING, and in what an EXPECTING one is sealed to. */
  private B device;

  /** Who waits for a take-over that goes on; else null. */
  private CompletableFuture<Void> takeOver;

  /** While SEALING; else null. */
  private Seal<M> seal;

  /** While SEALED, unless a process before this one has sealed; else null. */
  private M manifest;

  /** Wait for what the devices before have of them. */
  private final List<CompletableFuture<Void>> exchanges = new ArrayList<>();

  /**
   * A mid-point that expects its device.
   *
   * @param flow its virtual device is published already, not offered; owned by the mid-point from
   *     now on, with all it has
   */
  protected MidPoint(DeviceFlow<B, M, ?, ?> flow) {
    this.flow = flow;
    id = flow.id();
    trace = flow.trace();
    commands = new CommandQueue(flow.wake());
  }

  /**
   * Serves a guest that has nothing pending: plain start, restore, hot plug.
   *
   * @param newDevice owned by the mid-point from now on, also when the command fails; one that it
   *     does not take is closed when the future completes
   */
  public final CompletableFuture<Void> serve(B newDevice, long newGeneration) {
    return commandWith(
        newDevice,
        future -> {
          start(newDevice, newGeneration);
          flow.handOver().unstage();
          flow.begin();
          become(Phase.SERVING, "serve");
          flow.offerIfPrepared();
          future.complete(null);
        });
  }

  /**
   * Prepares a {@link #takeOver} with this manifest, so that it has less to do while the guest
   * stands still. Another one takes its place. The state stays EXPECTING.
   */
  public final CompletableFuture<Void> stage(M expected) {
    return command(
        future -> {
          if (phase != Phase.EXPECTING) {
            throw unfit("stage a manifest");
          }
          flow.handOver().stage(expected);
          trace.stage(expected.generation(), expected.pending());
          trace.flush();
          future.complete(null);
        });
  }

  /**
   * Serves a guest that was served elsewhere: finishes what the manifest has, then offers the
   * device. The future completes then. When it fails the mid-point has to be retired.
   *
   * @param newDevice as for {@link #serve}
   */
  public final CompletableFuture<Void> takeOver(B newDevice, long newGeneration, M handedOver) {
    return commandWith(
        newDevice,
        future -> {
          flow.handOver().check(handedOver, newDevice);
          start(newDevice, newGeneration);
          flow.begin();
          flow.handOver().takeOver(handedOver, newDevice);
          flow.counters().add(Counter.ADOPTED, handedOver.pending());
          takeOver = future;
        });
  }

  /**
   * Goes on after a restart of the daemon, with the rings and the in-flight table of the process
   * before.
   *
   * @param newDevice as for {@link #serve}
   * @param wasSealed the process before had sealed it: answers nothing until unsealed or retired
   */
  public final CompletableFuture<Void> recover(B newDevice, long newGeneration, boolean wasSealed) {
    return commandWith(
        newDevice,
        future -> {
          start(newDevice, newGeneration);
          flow.handOver().unstage();
          flow.recover();
          if (wasSealed) {
            become(Phase.SEALED, "recover");
          } else {
            become(Phase.SERVING, "recover");
            flow.goOn();
            flow.offerIfPrepared();
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
  public final CompletableFuture<Void> exchange(UnaryOperator<B> around) {
    return command(
        future -> {
          if (phase != Phase.SERVING) {
            throw unfit("exchange the device");
          }
          device = around.apply(device);
          flow.device(device);
          trace.event(generation, "exchange");
          exchanges.add(future);
        });
  }

  /** Goes on with a newer generation, here and at the device. Fits SERVING only. */
  public final CompletableFuture<Void> useGeneration(long newer) {
    return command(
        future -> {
          if (phase != Phase.SERVING) {
            throw unfit("use a newer generation");
          }
          setGeneration(newer);
          device.useGeneration(newer);
          future.complete(null);
        });
  }

  /**
   * Stops taking requests and gives what is pending when nothing of this generation can happen at
   * the device any more: all there has ended, or its authority ends it. The guest must be
   * suspended. Sealed already: the same manifest again.
   *
   * @param bound how long it may take; then the future fails with {@link TimeoutException} and the
   *     mid-point goes on serving
   */
  public final CompletableFuture<M> seal(Duration bound) {
    return seal(bound, Long.MAX_VALUE, known -> {});
  }

  /**
   * Likewise.
   *
   * @param dataBytes how much of data the manifest may have; the rest of the requests is in it
   *     without data
   * @param known told the manifest as soon as it is known, while what makes it count goes on: it
   *     may travel, and counts only when the future completes. On the agent's thread; must neither
   *     block nor throw. Not told when it is sealed, or being sealed, already
   */
  public final CompletableFuture<M> seal(Duration bound, long dataBytes, Consumer<M> known) {
    return command(future -> pass(startSeal(new Seal.Terms<>(bound, dataBytes, known)), future));
  }

  /** Undoes a seal, also one that is going on: answers and issues what is pending and goes on. */
  public final CompletableFuture<Void> unseal(long newGeneration) {
    return command(
        future -> {
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
          future.complete(null);
        });
  }

  /**
   * Ends it without answering what is pending. After the future completes nothing is issued and the
   * device is closed. The nodes stay until the domain goes. A mid-point that was closed meanwhile,
   * as its domain went at the same time, has nothing issued either.
   */
  public final CompletableFuture<Void> retire() {
    return commands.give(
        future -> {
          if (phase != Phase.RETIRED) {
            depart();
          }
          pass(nothingIssued, future);
        },
        future -> pass(nothingIssued, future));
  }

  /**
   * Completes when the mid-point is RETIRED and its virtual device is closed, nodes and all: it can
   * be forgotten. Exceptionally when it was closed before.
   */
  public final CompletableFuture<Void> retired() {
    return retired.copy();
  }

  /** From any thread. */
  public final MidPointStatus status() {
    Counters counters = flow.counters();
    return new MidPointStatus(
        id,
        state,
        generation,
        flow.link().frontend(),
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
  public final String roleName() {
    return "mid-point " + id;
  }

  @Override
  public final int doWork() {
    if (commands.isClosed()) {
      return 0;
    }
    int work = commands.run();
    work += flow.reap() + noteExchanged();
    work +=
        switch (phase) {
          case EXPECTING, SEALED, RETIRED -> flow.follow();
          case STARTING -> takeOver == null ? flow.follow() : settle();
          case SERVING -> flow.link().isLost() ? settle() : flow.serve();
          case SEALING -> flow.follow() + sealOn();
          case DROPPING, RELEASING -> flow.follow() + depart();
        };
    noteGone();
    if (!isDeparting()) {
      flow.share();
    }
    if (work > 0) {
      flow.counters().set(Counter.PENDING, flow.table().openCount());
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
   * Its domain has gone or its device is taken away, so no process goes on where {@link #close}
   * leaves it: that drops what is pending. From any thread, before the close.
   */
  public final void abandon() {
    successor = Successor.NOBODY;
  }

  /**
   * For a restart: nodes and in-flight table stay, so that the next process goes on from there, and
   * tells in its trace what becomes of the requests. Unless nobody will.
   */
  @Override
  public final void close() {
    if (commands.isClosed()) {
      return;
    }
    commands.close();
    try {
      if (isDeparting() || (successor == Successor.NOBODY && phase != Phase.RETIRED)) {
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
      if (phase == Phase.DROPPING) {
        flow.leave(); // what has steps left has no outcome: nothing more gets to the device
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
    if (takeOver != null) {
      takeOver.completeExceptionally(reason);
    }
    commands.run(); // what came too late; it need not wait for the device
    try {
      if (device != null) {
        device.close(); // waits for what is running
      }
      flow.releaseMemory();
      nothingIssued.complete(null);
    } finally {
      exchanges.forEach(each -> each.completeExceptionally(reason));
      nothingIssued.completeExceptionally(reason);
      try {
        flow.link().close(false);
      } finally {
        retired.completeExceptionally(reason);
        try {
          flow.inflight().close();
        } finally {
          trace.close();
          commands.run();
        }
      }
    }
  }

  // Commands

  /** One that is done on the agent's thread; it completes the future. */
  protected final <T> CompletableFuture<T> command(Consumer<CompletableFuture<T>> command) {
    return commands.give(command::accept, future -> future.completeExceptionally(closedBefore()));
  }

  /** A command that brings a device: nobody else would close it when it is not taken. */
  private CompletableFuture<Void> commandWith(B brought, Command<Void> command) {
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

  private void closeUnlessTaken(B brought) {
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

  private void start(B newDevice, long newGeneration) {
    if (phase != Phase.EXPECTING) {
      throw unfit("start serving");
    }
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

  private boolean isDeparting() {
    return phase == Phase.DROPPING || phase == Phase.RELEASING;
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
    int work = flow.settle() + flow.follow();
    if (flow.link().isGone() || !flow.isSettled()) {
      return work;
    }
    int known = flow.endSettlement();
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

  private CompletableFuture<M> startSeal(Seal.Terms<M> terms) {
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
    flow.takeTheRest();
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

  /** After a seal that is undone. */
  private void goOn(String reason) {
    if (device == null) {
      become(Phase.EXPECTING, reason);
    } else {
      become(Phase.SERVING, reason);
      flow.goOn();
    }
  }

  // The end

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
    flow.release(handedOver ? Fate.HANDED_OVER : Fate.ABANDONED, !handedOver);
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
    flow.releaseMemory();
    flow.begin(); // not before the trace has what became of it: a crash would take that along
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

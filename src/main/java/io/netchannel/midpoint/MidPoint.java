package io.netchannel.midpoint;

import io.netchannel.device.Backend;
import io.netchannel.midpoint.CommandQueue.Command;
import io.netchannel.midpoint.Counters.Counter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/**
 * The mid-point of one virtual device: between the guest's requests and the device they go to. What
 * kind of device that is its {@link DeviceFlow} knows, what happens when its {@link Lifecycle};
 * this is what others see of it. The state diagram and the invariants are in the package's
 * description.
 *
 * <p>Everything happens in {@link #doWork}, on one thread. Commands may be given on any thread;
 * their futures complete on the agent's, exceptionally with {@link IllegalStateException} where the
 * command does not fit the state.
 *
 * @param <B> what requests go to
 * @param <M> what is handed over of them
 */
public class MidPoint<B extends Backend, M extends Manifest> implements Agent {
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

  /** Who goes on where {@link #close} leaves it. */
  private enum Successor {
    ANOTHER_PROCESS,
    NOBODY
  }

  private final MidPointId id;
  private final DeviceFlow<B, M, ?, ?> flow;
  private final MidPointTrace trace;
  private final CommandQueue commands;
  private final Lifecycle<B, M> life;

  private volatile Successor successor = Successor.ANOTHER_PROCESS;

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
    life = new Lifecycle<>(flow);
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
          life.serve(newDevice, newGeneration);
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
          life.stage(expected);
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
        newDevice, future -> life.takeOver(newDevice, newGeneration, handedOver, future));
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
          life.recover(newDevice, newGeneration, wasSealed);
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
          life.exchange(around);
          exchanges.add(future);
        });
  }

  /** Goes on with a newer generation, here and at the device. Fits SERVING only. */
  public final CompletableFuture<Void> useGeneration(long newer) {
    return command(
        future -> {
          life.useGeneration(newer);
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
    return command(future -> pass(life.seal(new Seal.Terms<>(bound, dataBytes, known)), future));
  }

  /** Undoes a seal, also one that is going on: answers and issues what is pending and goes on. */
  public final CompletableFuture<Void> unseal(long newGeneration) {
    return command(
        future -> {
          life.unseal(newGeneration);
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
          life.retire();
          pass(life.nothingIssued(), future);
        },
        future -> pass(life.nothingIssued(), future));
  }

  /**
   * Completes when the mid-point is RETIRED and its virtual device is closed, nodes and all: it can
   * be forgotten. Exceptionally when it was closed before.
   */
  public final CompletableFuture<Void> retired() {
    return life.retired().copy();
  }

  /** From any thread. */
  public final MidPointStatus status() {
    Counters counters = flow.counters();
    return new MidPointStatus(
        id,
        life.state(),
        life.generation(),
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
    work += life.round();
    if (!life.isDeparting()) {
      flow.rounds().share();
    }
    if (work > 0) {
      flow.counters().set(Counter.PENDING, flow.table().openCount());
      trace.flush();
    } else {
      flow.rounds().rest();
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
      life.leave(successor == Successor.NOBODY);
    } finally {
      closeParts();
    }
  }

  /** Each step is made whatever the others throw: nobody waits for an agent that has ended. */
  private void closeParts() {
    IllegalStateException reason = closedBefore();
    life.failWaiting(reason);
    commands.run(); // what came too late; it need not wait for the device
    try {
      life.closeDevice();
    } finally {
      exchanges.forEach(each -> each.completeExceptionally(reason));
      life.nothingIssued().completeExceptionally(reason);
      try {
        flow.link().close(false);
      } finally {
        life.retired().completeExceptionally(reason);
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
    if (!life.has(brought)) {
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
}

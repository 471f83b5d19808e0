package io.netchannel.cli;

import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.server.nbd.NbdServer;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a process holds that serves a device until it is told to end, and how that is given back: at
 * every moment, as another host's device has a place at its server that nobody else can give back.
 *
 * <pre>
 *   OPENING --the device is there--> OPEN --clients may come--> LISTENING
 *      |                              |                            |
 *      +-----------told to end--------+----------------------------+--> ENDING --> the process ends
 *      +-----------failed-------------+--> FAILED: its caller gives back and says why
 * </pre>
 *
 * Told to end while it opens or begins to listen, it ends when that has come to its own end: an
 * attachment that is under way can be given back only when it is there.
 */
final class ServedUntilTold {
  private static final Logger log = LoggerFactory.getLogger(ServedUntilTold.class);

  enum State {
    OPENING,
    OPEN,
    LISTENING,
    ENDING,
    FAILED
  }

  private final boolean readOnly;
  private final Duration bound;

  /** Guarded by this, as all below. */
  private State state = State.OPENING;

  /** Whether the step that was under way when it was told to end is over. */
  private boolean settled;

  private Optional<Device> device = Optional.empty();
  private Optional<NbdServer> server = Optional.empty();

  /**
   * @param readOnly nothing is written
   * @param bound for the step that is under way, and again for the last requests and the last
   *     flush: another's server may be away for ever
   */
  ServedUntilTold(boolean readOnly, Duration bound) {
    this.readOnly = readOnly;
    this.bound = bound;
  }

  /** OPENING to OPEN. Does not return when it has been told to end. */
  void opened(Device found) throws InterruptedException {
    synchronized (this) {
      device = Optional.of(found);
      become(State.OPEN);
    }
    stopIfEnding();
  }

  /** Clients may come from here on. OPEN to LISTENING, likewise. */
  void listening(NbdServer here) throws InterruptedException {
    synchronized (this) {
      server = Optional.of(here);
      become(State.LISTENING);
    }
    stopIfEnding();
  }

  private void become(State next) {
    if (state == State.ENDING) {
      settled = true;
      notifyAll();
    } else {
      log.debug("{} -> {}", state, next);
      state = next;
    }
  }

  private void stopIfEnding() throws InterruptedException {
    if (isEnding()) {
      serve();
    }
  }

  private synchronized boolean isEnding() {
    return state == State.ENDING;
  }

  /** Until the process has ended. */
  void serve() throws InterruptedException {
    new CountDownLatch(1).await();
  }

  /** The step failed, and its caller has given back what there was. */
  synchronized void failed() {
    device = Optional.empty();
    server = Optional.empty();
    become(State.FAILED);
  }

  /**
   * It is told to end: gives all back that is there, or comes to be. Within four of the bounds,
   * whatever hangs.
   *
   * @param source for messages
   * @return what is wrong; empty when all that was written is durable and nothing is held any more
   */
  Optional<String> end(String source) throws InterruptedException {
    if (!settle()) {
      return Optional.of(
          source
              + " hangs while it is opened: if it is an export, its place may be taken from now on;"
              + " `netchannel exports` on its host says so, and `netchannel release-export` gives"
              + " it free");
    }
    Optional<Device> opened;
    Optional<NbdServer> listening;
    synchronized (this) {
      opened = device;
      listening = server;
    }
    CompletableFuture<Boolean> durable = new CompletableFuture<>();
    CompletableFuture<Void> closed = new CompletableFuture<>();
    later(
        Duration.ZERO,
        () -> {
          listening.ifPresent(NbdServer::close);
          durable.complete(opened.isEmpty() || readOnly || flush(opened.get()) == Outcome.OK);
          opened.ifPresent(Device::close);
          closed.complete(null);
        });
    // What waits for a server that is away would wait for ever.
    opened.ifPresent(each -> later(bound, each::close));
    if (!isDoneWithin(durable, bound.multipliedBy(2))) {
      return Optional.of(
          source
              + ", or what it is swapped to, hangs and is not waited for any more: what was written"
              + " last may be lost");
    }
    if (!isDoneWithin(closed, bound)) {
      log.warn("{}, or what it is swapped to, hangs and is not waited for any more", source);
    }
    return durable.join()
        ? Optional.empty()
        : Optional.of("the last flush failed: what was written last may be lost");
  }

  private static boolean isDoneWithin(CompletableFuture<?> future, Duration bound)
      throws InterruptedException {
    try {
      var unused = future.get(bound.toMillis(), TimeUnit.MILLISECONDS);
      return true;
    } catch (TimeoutException e) {
      return false;
    } catch (ExecutionException e) {
      throw new AssertionError("completed by its result only", e);
    }
  }

  private static void later(Duration delay, Runnable action) {
    CompletableFuture.delayedExecutor(
            delay.toMillis(), TimeUnit.MILLISECONDS, task -> daemon(task).start())
        .execute(action);
  }

  /** What hangs keeps no thread that others need, nor the process. */
  private static Thread daemon(Runnable task) {
    Thread thread = new Thread(task, "end");
    thread.setDaemon(true);
    return thread;
  }

  /** False when the step that is under way does not come to an end. */
  private synchronized boolean settle() throws InterruptedException {
    settled |= state == State.LISTENING || state == State.FAILED;
    state = State.ENDING;
    long end = System.nanoTime() + bound.toNanos();
    while (!settled) {
      long leftMillis = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
      if (leftMillis <= 0) {
        return false;
      }
      wait(leftMillis);
    }
    return true;
  }

  private Outcome flush(Device opened) {
    CompletableFuture<Outcome> flushed = new CompletableFuture<>();
    opened.flush(flushed::complete);
    try {
      return flushed.get(bound.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      return Outcome.IO_ERROR;
    }
  }
}

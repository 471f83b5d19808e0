package io.netchannel.daemon;

import io.netchannel.xen.Domains;
import io.netchannel.xen.XenStore;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells when domains have suspended. xenstored says that some domain has stopped, the hypervisor
 * says whether it was one that somebody waits for:
 *
 * <pre>
 *   whenSuspended --> WAITING --"@releaseDomain", SUSPENDED--> completed
 *                      |  |  \--"@releaseDomain", the domain has ended; close--> cancelled
 *                      |  +-- every 200 ms while anybody waits: the same look
 *                      +-- cancelled by the caller --> forgotten
 * </pre>
 *
 * The guest stands still while this happens, so the look is made on xenstore's own thread: one
 * hypercall for each domain that is waited for. What follows is done on the executor.
 */
final class SuspendWatch implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(SuspendWatch.class);

  /** Fired by xenstored 4.17 at a suspend also; older or other ones may not do so. */
  private static final String EVENT = "@releaseDomain";

  /** Only a net for what the event does not tell: one hypercall costs some microseconds. */
  static final Duration POLL = Duration.ofMillis(200);

  private record Waiter(int domid, CompletableFuture<Void> suspended) {}

  private final XenStore store;
  private final Domains domains;
  private final Timer timer;
  private final Executor executor;
  private final Set<Waiter> waiters = ConcurrentHashMap.newKeySet();
  private final AtomicBoolean polling = new AtomicBoolean();
  private final XenStore.Watch watch;
  private volatile boolean closed;

  /**
   * Starts to watch.
   *
   * @param executor completes the futures: what waits for them may block
   */
  SuspendWatch(XenStore store, Domains domains, Timer timer, Executor executor) {
    this.store = store;
    this.domains = domains;
    this.timer = timer;
    this.executor = executor;
    watch = store.watch(EVENT, event -> look());
  }

  /**
   * Completes when the domain is suspended, at once if it is so already; is cancelled when it has
   * ended. Never completes where the hypervisor cannot tell.
   */
  CompletableFuture<Void> whenSuspended(int domid) {
    CompletableFuture<Void> suspended = new CompletableFuture<>();
    if (!domains.canTell()) {
      return suspended;
    }
    Waiter waiter = new Waiter(domid, suspended);
    waiters.add(waiter);
    var unused = suspended.whenComplete((done, cancelled) -> waiters.remove(waiter));
    look(waiter);
    pollLater();
    if (closed) {
      suspended.cancel(false);
    }
    return suspended;
  }

  /** How many futures are neither complete nor cancelled. */
  int waiting() {
    return waiters.size();
  }

  private void look() {
    waiters.forEach(this::look);
  }

  private void look(Waiter waiter) {
    try {
      switch (domains.state(waiter.domid())) {
        case RUNNING -> {}
        case SUSPENDED -> finish(waiter, () -> waiter.suspended().complete(null));
        case ENDED -> finish(waiter, () -> waiter.suspended().cancel(false));
        case UNKNOWN -> {
          if (!store.exists(Guest.path(waiter.domid()))) {
            finish(waiter, () -> waiter.suspended().cancel(false));
          }
        }
      }
    } catch (RuntimeException e) {
      // xenstore at the daemon's end; the poll looks again when it is anything else.
      log.debug("domid {}: cannot be looked at: {}", waiter.domid(), e.getMessage());
    }
  }

  private void finish(Waiter waiter, Runnable outcome) {
    if (!waiters.remove(waiter)) {
      return; // somebody else has seen it, too
    }
    try {
      executor.execute(outcome);
    } catch (RejectedExecutionException e) {
      waiter.suspended().cancel(false);
    } catch (OutOfMemoryError e) {
      // No thread to be had: the poll finds it again.
      waiters.add(waiter);
      log.error(
          "domid {}: no thread to say that it is suspended: {}", waiter.domid(), e.toString());
    }
  }

  private void pollLater() {
    if (!waiters.isEmpty() && !closed && polling.compareAndSet(false, true)) {
      timer.after(
          POLL,
          () -> {
            polling.set(false);
            try {
              look();
            } finally {
              pollLater();
            }
          });
    }
  }

  /** Cancels what is waited for. Idempotent. */
  @Override
  public void close() {
    closed = true;
    watch.close();
    waiters.forEach(waiter -> waiter.suspended().cancel(false));
  }
}

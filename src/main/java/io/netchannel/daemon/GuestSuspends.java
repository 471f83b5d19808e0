package io.netchannel.daemon;

import io.netchannel.xen.Domains;
import io.netchannel.xen.XenStore;
import java.time.Duration;
import java.util.function.IntPredicate;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells when guests are asked to suspend, for a migration or a save, and when they go on: before
 * its guest stands still a USB port has something to do. {@link SuspendWatch} tells when they do.
 *
 * <pre>
 *           control/shutdown says "suspend"; or was emptied before we have looked,
 *           and a migration of the guest is under way; or the guest is suspended at first sight
 *   RUNS ---------------------------------------------------------------------------------> ASKED
 *    ^  |<-- suspended, and runs again; not suspended within a bound ------------------------+
 *    +--+
 * </pre>
 *
 * libxl writes the node, and the guest empties it at once: so an empty one says that something was
 * there. What happens after that the hypervisor says, asked while it is so.
 */
final class GuestSuspends {
  private static final Logger log = LoggerFactory.getLogger(GuestSuspends.class);

  private static final String REQUEST = "/control/shutdown";
  private static final String SUSPEND = "suspend";

  /** One hypercall costs some microseconds. */
  static final Duration POLL = Duration.ofMillis(100);

  /** libxl gives a guest 60 s, and Linux gives up to freeze after 20 s. */
  static final Duration BOUND = Duration.ofSeconds(90);

  private final XenStore store;
  private final Domains domains;
  private final IntPredicate leaving;
  private final Timer timer;
  private final LongSupplier nanoTime;

  /** Hears of it; on any thread, one call after the other. Must not block. */
  @FunctionalInterface
  interface Listener {
    void suspending(boolean yes);
  }

  /**
   * Watches nothing yet.
   *
   * @param leaving whether a migration of the domain with this id is under way; must not block
   */
  GuestSuspends(
      XenStore store, Domains domains, IntPredicate leaving, Timer timer, LongSupplier nanoTime) {
    this.store = store;
    this.domains = domains;
    this.leaving = leaving;
    this.timer = timer;
    this.nanoTime = nanoTime;
  }

  /** Tells a listener of a domain until that is closed; of what is so already as well. */
  Follower follow(int domid, Listener listener) {
    return new Follower(domid, listener);
  }

  /** One listener of a domain. Its monitor guards its state. */
  final class Follower implements AutoCloseable {
    private final int domid;
    private final Listener listener;
    private final XenStore.Watch watch;
    private boolean firstLook = true;
    private boolean asked;
    private boolean suspended;
    private long askedNanos;
    private boolean closed;

    private Follower(int domid, Listener listener) {
      this.domid = domid;
      this.listener = listener;
      watch = store.watch(Guest.path(domid) + REQUEST, path -> changed());
    }

    synchronized boolean isAsked() {
      return asked;
    }

    /** On xenstore's thread. */
    private void changed() {
      try {
        String request = store.read(Guest.path(domid) + REQUEST).orElse("");
        boolean isSuspended = domains.state(domid) == Domains.State.SUSPENDED;
        boolean answered = request.isEmpty() && leaving.test(domid);
        begin(request.equals(SUSPEND) || isSuspended, answered);
      } catch (RuntimeException e) {
        log.debug("domid {}: cannot be looked at: {}", domid, e.getMessage());
      }
    }

    private synchronized void begin(boolean isAsked, boolean maybeAsked) {
      boolean first = firstLook;
      firstLook = false;
      if (closed || asked || !(isAsked || (maybeAsked && !first))) {
        return;
      }
      asked = true;
      suspended = false;
      askedNanos = nanoTime.getAsLong();
      listener.suspending(true);
      timer.after(POLL, this::look);
    }

    private synchronized void look() {
      if (closed) {
        return;
      }
      boolean late = nanoTime.getAsLong() - askedNanos > BOUND.toNanos();
      boolean goesOn =
          switch (domains.state(domid)) {
            case SUSPENDED -> {
              suspended = true;
              yield false;
            }
            case RUNNING -> suspended || late;
            case UNKNOWN -> late;
            case ENDED -> false;
          };
      if (goesOn) {
        asked = false;
        listener.suspending(false);
      } else {
        timer.after(POLL, this::look);
      }
    }

    /** Nobody is told any more. Idempotent. */
    @Override
    public void close() {
      synchronized (this) {
        closed = true;
      }
      watch.close(); // not under the monitor: it waits for a listener that is being told
    }
  }
}

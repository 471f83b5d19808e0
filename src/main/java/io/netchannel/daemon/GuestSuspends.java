package io.netchannel.daemon;

import io.netchannel.xen.Domains;
import io.netchannel.xen.XenStore;
import java.time.Duration;
import java.util.UUID;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells when guests are asked to suspend, for a migration or a save, and when they go on: before
 * its guest stands still a USB port has something to do. {@link SuspendWatch} tells when they do.
 *
 * <pre>
 *           control/shutdown says "suspend"; or was emptied before we have looked,
 *           and the guest is on its way to another host; or the guest is suspended at first sight
 *   RUNS ---------------------------------------------------------------------------------> ASKED
 *    ^                                                                                       |
 *    +-- suspended, and runs again; its migration has failed; not suspended within a bound ---+
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
  private final Predicate<UUID> leaves;
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
   * @param leaves whether a migration of a domain away from here is under way; must not block
   */
  GuestSuspends(
      XenStore store, Domains domains, Predicate<UUID> leaves, Timer timer, LongSupplier nanoTime) {
    this.store = store;
    this.domains = domains;
    this.leaves = leaves;
    this.timer = timer;
    this.nanoTime = nanoTime;
  }

  /** Tells a listener of a guest until that is closed; of what is so already as well. */
  Follower follow(Guest guest, Listener listener) {
    return new Follower(guest, listener);
  }

  /** One listener of a domain. Its monitor guards its state. */
  final class Follower implements AutoCloseable {
    private final Guest guest;
    private final String request;
    private final Listener listener;
    private final XenStore.Watch watch;
    private boolean firstLook = true;
    private boolean asked;
    private boolean suspended;
    private long askedNanos;

    /** How often it was asked: a look belongs to one. */
    private int round;

    private boolean closed;

    private Follower(Guest guest, Listener listener) {
      this.guest = guest;
      this.listener = listener;
      request = Guest.path(guest.domid()) + REQUEST;
      watch = store.watch(request, path -> changed());
    }

    synchronized boolean isAsked() {
      return asked;
    }

    /** On xenstore's thread. */
    private void changed() {
      try {
        String found = store.read(request).orElse("");
        boolean isSuspended = domains.state(guest.domid()) == Domains.State.SUSPENDED;
        boolean answered = found.isEmpty() && leaves.test(guest.uuid());
        begin(found.equals(SUSPEND) || isSuspended, answered);
      } catch (RuntimeException e) {
        log.debug("{}: cannot be looked at: {}", guest, e.getMessage());
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
      int now = ++round;
      listener.suspending(true);
      timer.after(POLL, () -> look(now));
    }

    private synchronized void look(int ofRound) {
      if (closed || !asked || ofRound != round) {
        return;
      }
      boolean late = nanoTime.getAsLong() - askedNanos > BOUND.toNanos();
      boolean goesOn =
          switch (domains.state(guest.domid())) {
            case SUSPENDED -> {
              suspended = true;
              yield false;
            }
            case RUNNING -> suspended || late;
            case UNKNOWN -> late;
            case ENDED -> false;
          };
      if (goesOn) {
        goesOn();
      } else {
        timer.after(POLL, () -> look(ofRound));
      }
    }

    /** Somebody knows that the guest goes on here, or will when it is let. */
    synchronized void goesOn() {
      if (asked && !closed) {
        asked = false;
        listener.suspending(false);
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

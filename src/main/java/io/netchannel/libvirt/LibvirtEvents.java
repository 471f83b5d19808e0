package io.netchannel.libvirt;

import io.netchannel.threads.LastResort;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.UUID;
import org.libvirt.Connect;
import org.libvirt.Domain;
import org.libvirt.LibvirtException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lifecycle events of all domains, by a connection that is kept up: when libvirtd is absent or
 * goes, it is tried again and again, with a growing pause.
 *
 * <pre>
 *   CONNECTING --connected--> LISTENING --closed or dead--> PAUSING --pause over--> CONNECTING
 *       |                                                      ^
 *       +---------------------refused--------------------------+
 * </pre>
 *
 * Events of the time without a connection are lost: {@link Listener#connected} says when to look at
 * the domains anew. Nothing of correctness may rest on events; hooks and xenstore have the say.
 */
public final class LibvirtEvents implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(LibvirtEvents.class);

  /** The libxl driver of the local libvirtd. */
  public static final String DEFAULT_URI = "xen:///system";

  /** libvirtd starts in about a second; it is asked soon, later seldom. */
  static final Duration FIRST_PAUSE = Duration.ofSeconds(1);

  static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /** A libvirtd that says nothing for 3 times 5 seconds is taken for dead, as virsh does. */
  private static final int KEEPALIVE_SECONDS = 5;

  private static final int KEEPALIVE_COUNT = 3;

  /** Told what happens; on libvirt's event thread: returns soon and does not throw. */
  public interface Listener {
    void onEvent(DomainEvent event);

    /** The connection is there, for the first time or again. */
    default void connected() {}
  }

  private final String uri;
  private final Listener listener;
  private final Duration firstPause;
  private final Object lock = new Object();
  private final Thread keeper;
  private boolean closing; // guarded by lock
  private boolean lost; // guarded by lock
  private boolean complained;

  /** Connects to {@code uri} in the background, now or when that becomes possible. */
  public static LibvirtEvents start(String uri, Listener listener) {
    return start(uri, listener, FIRST_PAUSE);
  }

  static LibvirtEvents start(String uri, Listener listener, Duration firstPause) {
    LibvirtEvents events = new LibvirtEvents(uri, listener, firstPause);
    events.keeper.start();
    return events;
  }

  private LibvirtEvents(String uri, Listener listener, Duration firstPause) {
    this.uri = uri;
    this.listener = listener;
    this.firstPause = firstPause;
    keeper = LastResort.vital("libvirt-connection", this::keepConnected);
  }

  /** Ends the connection; after the return the listener is not called. Idempotent. */
  @Override
  public void close() {
    synchronized (lock) {
      closing = true;
      lock.notifyAll();
    }
    try {
      keeper.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void keepConnected() {
    Backoff pauses = new Backoff(firstPause, LONGEST_PAUSE);
    while (!closing()) {
      try {
        if (!hasLibrary()) {
          return;
        }
        listenUntilLost();
        pauses.reset();
      } catch (LibvirtException e) {
        if (!complained) {
          log.warn(
              "libvirt at {} does not answer ({}); Netchannel goes on without its events and keeps"
                  + " trying",
              uri,
              e.getMessage());
          complained = true;
        }
      } catch (RuntimeException | Error e) {
        log.error("listening to libvirt at {} failed inside netchanneld, tried again", uri, e);
      }
      await(pauses.next());
    }
  }

  private static boolean hasLibrary() throws LibvirtException {
    try {
      LibvirtEventLoop.start();
      return true;
    } catch (LinkageError e) {
      log.warn(
          "there is no libvirt library on this host ({}); Netchannel goes on without its events."
              + " Install libvirt0 and restart netchanneld",
          e.getMessage());
      return false;
    }
  }

  private void listenUntilLost() throws LibvirtException {
    synchronized (lock) {
      lost = false;
    }
    Connect connection = new Connect(uri, true);
    try {
      org.libvirt.event.LifecycleListener lifecycle = this::deliver;
      connection.addLifecycleListener(lifecycle);
      watchOver(connection);
      log.info("listening to libvirt at {}", uri);
      complained = false;
      listener.connected();
      do {
        await(Duration.ofSeconds(KEEPALIVE_SECONDS));
      } while (!closing() && !lost() && connection.isAlive());
      if (closing()) {
        connection.removeLifecycleListener(lifecycle);
      } else {
        log.warn("the connection to libvirt at {} is lost; connecting again", uri);
      }
    } finally {
      connection.close();
    }
  }

  /** Drivers within the process (test:) have neither keepalive nor a connection to lose. */
  private void watchOver(Connect connection) {
    try {
      connection.registerCloseListener(
          (closed, reason) -> {
            synchronized (lock) {
              lost = true;
              lock.notifyAll();
            }
          });
      connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
    } catch (LibvirtException e) {
      log.debug("libvirt at {} has no keepalive: {}", uri, e.getMessage());
    }
  }

  private int deliver(Domain domain, org.libvirt.event.DomainEvent event) {
    try {
      listener.onEvent(
          new DomainEvent(domain.getName(), UUID.fromString(domain.getUUIDString()), kind(event)));
    } catch (LibvirtException | RuntimeException | Error e) {
      log.error("an event of libvirt is lost: {}", e.toString(), e);
    }
    return 0;
  }

  private static DomainEvent.Kind kind(org.libvirt.event.DomainEvent event) {
    return switch (event.getType()) {
      case DEFINED -> DomainEvent.Kind.DEFINED;
      case UNDEFINED -> DomainEvent.Kind.UNDEFINED;
      case STARTED -> DomainEvent.Kind.STARTED;
      case SUSPENDED -> DomainEvent.Kind.SUSPENDED;
      case RESUMED -> DomainEvent.Kind.RESUMED;
      case STOPPED -> DomainEvent.Kind.STOPPED;
      case SHUTDOWN -> DomainEvent.Kind.SHUTDOWN;
      case PMSUSPENDED -> DomainEvent.Kind.PMSUSPENDED;
      case CRASHED -> DomainEvent.Kind.CRASHED;
      case UNKNOWN -> DomainEvent.Kind.OTHER;
    };
  }

  private boolean closing() {
    synchronized (lock) {
      return closing;
    }
  }

  private boolean lost() {
    synchronized (lock) {
      return lost;
    }
  }

  /** Returns early when the connection is lost or closed. */
  private void await(Duration time) {
    long end = System.nanoTime() + time.toNanos();
    synchronized (lock) {
      boolean lostBefore = lost;
      while (!closing && lost == lostBefore) {
        long left = (end - System.nanoTime()) / 1_000_000;
        if (left <= 0) {
          return;
        }
        try {
          lock.wait(left);
        } catch (InterruptedException e) {
          closing = true;
        }
      }
    }
  }
}

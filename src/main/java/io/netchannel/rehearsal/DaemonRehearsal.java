package io.netchannel.rehearsal;

import io.netchannel.coordinator.Migration;
import io.netchannel.daemon.DaemonConfiguration;
import io.netchannel.daemon.Host;
import io.netchannel.rehearsal.host.HostPair;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsException;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The {@link Rehearsal} of a daemon that is ready: on a thread of its own, with the daemon's
 * certificates. It goes out of the way when a real migration comes, and begins and goes on only
 * while no guest waits for a disk.
 */
public final class DaemonRehearsal implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(DaemonRehearsal.class);

  /**
   * Of each of the two, without the time in which it waits itself: on a slow host the first ones
   * bring most; the processor is for guests.
   */
  private static final Duration BOUND = Duration.ofSeconds(30);

  /** How soon it goes on after a real migration, or when guests have their disks. */
  private static final Duration PAUSE = Duration.ofSeconds(1);

  /** The end of the daemon does not wait longer for it; its threads end with the process. */
  private static final Duration CLOSE_BOUND = Duration.ofSeconds(2);

  private final Rehearsal rehearsal;
  private final BooleanSupplier busy;
  private final LongSupplier nanoTime;
  private final Thread thread = new Thread(this::run, "rehearsal");
  private volatile boolean closing;

  /**
   * @param busy whether somebody else needs the processor
   * @param nanoTime by which its time is bounded
   */
  DaemonRehearsal(Rehearsal rehearsal, BooleanSupplier busy, LongSupplier nanoTime) {
    this.rehearsal = rehearsal;
    this.busy = busy;
    this.nanoTime = nanoTime;
    thread.setDaemon(true);
  }

  /** Begins, unless the configuration does not want it or this host takes part in no migration. */
  public static AutoCloseable beside(DaemonConfiguration configuration, Host host) {
    if (!configuration.rehearse() || configuration.peers().isEmpty()) {
      return () -> {};
    }
    Optional<String> name;
    try {
      name = new HostTls(configuration.tls()).name(configuration.name());
    } catch (TlsException e) {
      // The daemon has said it already.
      log.debug("no rehearsal: {}", e.getMessage());
      return () -> {};
    }
    if (name.isEmpty()) {
      log.info("no rehearsal: this host's two certificates have no name in common");
      return () -> {};
    }
    DaemonRehearsal begun =
        new DaemonRehearsal(
            new Rehearsal(
                configuration.runDirectory(),
                new HostPair.Member(configuration.name(), name.get(), configuration.tls())),
            () ->
                host.guestWaits()
                    || host.coordinator().migrations().list().stream()
                        .anyMatch(Migration::isActive),
            System::nanoTime);
    begun.start();
    return begun;
  }

  void start() {
    thread.start();
  }

  boolean isOver() {
    return !thread.isAlive();
  }

  private void run() {
    try {
      if (!awaitFree()) {
        return;
      }
      Rehearsal.Outcome outcome = rehearsal.perform(Rehearsal.MIGRATIONS, new Share());
      if (!awaitFree()) {
        return;
      }
      int drilled = rehearsal.drill(new Share());
      log.info("{}, and {} hand-overs", outcome, drilled);
      giveMemoryBack();
    } catch (IOException | RuntimeException e) {
      if (closing) {
        log.debug("rehearsal ended: {}", e.toString());
      } else {
        log.warn("no rehearsal, the first migration will be slower: {}", e.toString());
      }
    }
  }

  /** Buffers outside the heap go with a full collection, for which an idle daemon has no reason. */
  private void giveMemoryBack() {
    if (!closing && !busy.getAsBoolean()) {
      System.gc();
    }
  }

  /** Its time: what it waits for others is not taken from it. */
  private final class Share implements Rehearsal.Pace {
    private long leftNanos = BOUND.toNanos();
    private long since = nanoTime.getAsLong();

    @Override
    public boolean next() {
      leftNanos -= nanoTime.getAsLong() - since;
      boolean goesOn = leftNanos > 0 && awaitFree();
      since = nanoTime.getAsLong();
      return goesOn;
    }
  }

  /**
   * Waits until nobody else needs the processor.
   *
   * @return false to end
   */
  private boolean awaitFree() {
    while (!closing) {
      if (!busy.getAsBoolean()) {
        return true;
      }
      try {
        TimeUnit.NANOSECONDS.sleep(PAUSE.toNanos());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return false;
      }
    }
    return false;
  }

  /** Ends it wherever it is. */
  @Override
  public void close() {
    closing = true;
    thread.interrupt();
    try {
      thread.join(CLOSE_BOUND.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}

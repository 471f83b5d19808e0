package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.LocalDevices.Drained;
import io.netchannel.coordinator.LocalDevices.StockDisk;
import io.netchannel.vdevice.HandshakeException;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.vdevice.block.StockRings;
import io.netchannel.xen.XenException;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Waits until the backends of one suspended domain's stock disks have answered all requests.
 *
 * <pre>
 *   NEW --start: rings mapped--> LOOKING --every ring at rest, storage flushed--> drained
 *    |                            |   ^ |
 *    |                            +---+ +--bound passed, domain gone or running,
 *    |                            2 ms     rings that cannot be-----------------> failed
 *    +-- rings cannot be mapped, close, cancelled ------------------------------> failed
 * </pre>
 *
 * Whichever end: the rings are unmapped before the future completes.
 */
final class Drain implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Drain.class);

  /** About what a disk needs for a request; a look costs two loads per ring and a hypercall. */
  static final Duration POLL = Duration.ofMillis(2);

  private static final double NANOS_PER_SECOND = TimeUnit.SECONDS.toNanos(1);

  /** A disk of which some requests had no answer yet. */
  private final class Waiting {
    private final StockDisk disk;
    private final StockRings rings;
    private final int first;
    private int unanswered;
    private Duration waited = Duration.ZERO;

    Waiting(StockDisk disk, StockRings rings) {
      this.disk = disk;
      this.rings = rings;
      first = count();
      unanswered = first;
    }

    private int count() {
      try {
        return rings.unanswered();
      } catch (RingBrokenException e) {
        throw new IllegalStateException(
            "%s %s (%s): its ring is not to be believed: %s"
                .formatted(guest, disk.target(), disk.backend(), e.getMessage()),
            e);
      }
    }

    /** A guest that stands still asks for nothing more: once at rest, always at rest. */
    void look(long elapsedNanos) {
      if (unanswered > 0) {
        unanswered = count();
        waited = Duration.ofNanos(elapsedNanos);
      }
    }

    Drained drained() {
      return new Drained(disk, first, waited);
    }

    @Override
    public String toString() {
      return "%s (%s): %d requests unanswered".formatted(disk.target(), disk.backend(), unanswered);
    }
  }

  private final StockDisks.Environment environment;
  private final Guest guest;
  private final List<StockDisks.Found> disks;
  private final Duration bound;
  private final long startNanos;
  private final CompletableFuture<List<Drained>> result = new CompletableFuture<>();
  private final List<StockRings> mapped = new ArrayList<>();
  private final List<Waiting> waiting = new ArrayList<>();
  private boolean released;

  Drain(
      StockDisks.Environment environment,
      Guest guest,
      List<StockDisks.Found> disks,
      Duration bound) {
    this.environment = environment;
    this.guest = guest;
    this.disks = disks;
    this.bound = bound;
    startNanos = environment.nanoTime().getAsLong();
    var unused = result.whenComplete((done, failure) -> release()); // when the caller cancels it
  }

  CompletableFuture<List<Drained>> result() {
    return result;
  }

  /** Maps the rings and looks for the first time. */
  void start() {
    step(this::mapAll);
  }

  @Override
  public void close() {
    fail(new IllegalStateException(guest + ": the daemon is ending"));
  }

  private void step(Runnable step) {
    try {
      boolean rest;
      synchronized (this) {
        if (released) {
          return;
        }
        step.run();
        if (!waiting.isEmpty()) {
          checkDomain();
        }
        rest = waiting.stream().allMatch(disk -> disk.unanswered == 0);
        if (!rest) {
          checkBound();
        }
      }
      if (rest) {
        flush();
        finish();
      } else {
        environment.timer().after(POLL, () -> step(this::look));
      }
    } catch (TimeoutException | RuntimeException | Error e) {
      // Whatever it is: who waits for the guest's storage must hear of it, and no ring stays
      // mapped.
      fail(e);
    }
  }

  private void mapAll() {
    for (StockDisks.Found found : disks) {
      if (!found.readable()) {
        log.warn(
            "{}: {} ({}): its ring is not granted to this domain, nobody waits for its requests",
            guest,
            found.disk().target(),
            found.disk().backend());
      } else if (found.connected()) {
        waiting.add(new Waiting(found.disk(), map(found)));
      }
    }
  }

  private StockRings map(StockDisks.Found found) {
    try {
      StockRings rings =
          StockRings.map(
              environment.store(), environment.grants(), guest.domid(), found.frontend());
      mapped.add(rings);
      return rings;
    } catch (HandshakeException | XenException e) {
      throw new IllegalStateException(
          "%s %s (%s): its rings cannot be read: %s"
              .formatted(guest, found.disk().target(), found.disk().backend(), e.getMessage()),
          e);
    }
  }

  private void look() {
    long elapsedNanos = elapsedNanos();
    for (Waiting disk : waiting) {
      disk.look(elapsedNanos);
    }
  }

  /** Rings come to rest only while their guest stands still and its backends are there. */
  private void checkDomain() {
    switch (environment.domains().state(guest.domid())) {
      case SUSPENDED -> {}
      case RUNNING ->
          throw new IllegalStateException(
              guest + " is not suspended: its disks never come to rest");
      case ENDED -> throw new IllegalStateException(guest + " has ended meanwhile");
      case UNKNOWN -> {
        if (!environment.store().exists(Guest.path(guest.domid()))) {
          throw new IllegalStateException(guest + " has gone meanwhile");
        }
      }
    }
  }

  private void checkBound() throws TimeoutException {
    if (elapsedNanos() >= bound.toNanos()) {
      throw new TimeoutException(
          "%s: %s after %.1f s"
              .formatted(
                  guest,
                  waiting.stream()
                      .filter(disk -> disk.unanswered > 0)
                      .map(Waiting::toString)
                      .collect(Collectors.joining(", ")),
                  bound.toNanos() / NANOS_PER_SECOND));
    }
  }

  /**
   * What is answered may be in this host's page cache only: a file under a loop device, a file that
   * QEMU has not opened for direct I/O. Another host would read what was there before.
   */
  private void flush() {
    for (StockDisks.Found found : disks) {
      if (found.readable() && found.connected() && found.storage().isPresent()) {
        try {
          environment.flush().flush(found.storage().get());
        } catch (IOException e) {
          throw new IllegalStateException(
              "%s %s (%s): %s cannot be flushed, so another host might not see what was written: %s"
                  .formatted(
                      guest,
                      found.disk().target(),
                      found.disk().backend(),
                      found.storage().get(),
                      e.getMessage()),
              e);
        }
      }
    }
  }

  private long elapsedNanos() {
    return environment.nanoTime().getAsLong() - startNanos;
  }

  private void finish() {
    ImmutableList.Builder<Drained> all = ImmutableList.builder();
    synchronized (this) {
      for (StockDisks.Found found : disks) {
        all.add(
            waiting.stream()
                .filter(disk -> disk.disk.equals(found.disk()))
                .findFirst()
                .map(Waiting::drained)
                .orElseGet(() -> new Drained(found.disk(), 0, Duration.ZERO)));
      }
      release();
    }
    result.complete(all.build());
  }

  private void fail(Throwable reason) {
    release();
    result.completeExceptionally(reason);
  }

  private synchronized void release() {
    released = true;
    mapped.forEach(StockRings::close);
    mapped.clear();
  }
}

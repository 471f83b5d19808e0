package io.netchannel.daemon;

import com.google.common.collect.Comparators;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How soon after its start a daemon serves the devices again that one before it served: how long
 * their guests have waited, but for what it took to notice the end of that one.
 *
 * <pre>
 *   found --> WAITS --its mid-point has its device and its rings--> SERVED
 *               |
 *               +--its guest has gone, or has it elsewhere--> not counted
 *
 *   all are found, and none WAITS: told, once, in one line
 * </pre>
 */
final class ServedAgain {
  private static final Logger log = LoggerFactory.getLogger(ServedAgain.class);

  /**
   * What is to be shown.
   *
   * @param served devices that are served again
   * @param found all of them
   * @param last when the last one was, after the start; empty before the first one
   */
  record Progress(int served, int found, Optional<Duration> last) {}

  /**
   * How long guests' disks have the host for themselves at the start: as long as it took until
   * then, as one that is slow to start is slow to open disks; but guests elsewhere wait for exports
   * and hooks for their answers. Two hosts with disks of each other get out of it by that.
   */
  private static final Duration MIN_HEAD_START = Duration.ofSeconds(2);

  private static final Duration MAX_HEAD_START = Duration.ofSeconds(10);

  private final LongSupplier nanoTime;
  private final long startedNanos;

  /** Found, and neither served nor gone yet: since when. */
  private final Map<ServedDevice<?, ?, ?>, Long> waiting = new HashMap<>();

  private boolean complete;
  private boolean told;
  private int served;
  private long lastNanos;

  /**
   * @param startedNanos what the clock said at the start
   */
  ServedAgain(LongSupplier nanoTime, long startedNanos) {
    this.nanoTime = nanoTime;
    this.startedNanos = startedNanos;
  }

  /** One with a guest that waits for it. */
  synchronized void found(ServedDevice<?, ?, ?> device) {
    waiting.put(device, nanoTime.getAsLong());
  }

  /** There are no others. */
  synchronized void allFound() {
    complete = true;
    tell();
  }

  /** Its guest does not wait any more; nothing for one that had not been found. */
  synchronized void served(ServedDevice<?, ?, ?> device) {
    Long since = waiting.remove(device);
    if (since == null) {
      return;
    }
    served++;
    lastNanos = nanoTime.getAsLong();
    log.debug(
        "{}: served again {} ms after the start, {} ms of them after it was found",
        device,
        TimeUnit.NANOSECONDS.toMillis(lastNanos - startedNanos),
        TimeUnit.NANOSECONDS.toMillis(lastNanos - since));
    tell();
  }

  /** Nobody waits for it here: its guest has gone, or has it elsewhere. */
  synchronized void gone(ServedDevice<?, ?, ?> device) {
    if (waiting.remove(device) != null) {
      tell();
    }
  }

  private void tell() {
    if (complete && waiting.isEmpty() && served > 0 && !told) {
      told = true;
      log.info(
          "served again {} ms after the start: {} devices",
          TimeUnit.NANOSECONDS.toMillis(lastNanos - startedNanos),
          served);
    }
  }

  /** The rest begins then: a disk whose server is away, or hangs, holds up nobody else for long. */
  void awaitFirstTries(CompletableFuture<Void> tried) {
    Duration bound = Comparators.max(MIN_HEAD_START, Comparators.min(MAX_HEAD_START, age()));
    try {
      tried.get(bound.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      log.warn(
          "goes on after {} ms, although {} are not served again yet", bound.toMillis(), found());
    } catch (ExecutionException e) {
      throw new AssertionError("to try a disk never fails", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized List<String> found() {
    return waiting.keySet().stream().map(ServedDevice::toString).toList();
  }

  /** Since the start. */
  private Duration age() {
    return Duration.ofNanos(nanoTime.getAsLong() - startedNanos);
  }

  /** Empty when the daemon before has left no device to serve. */
  synchronized Optional<Progress> progress() {
    int found = served + waiting.size();
    return found == 0
        ? Optional.empty()
        : Optional.of(
            new Progress(
                served,
                found,
                served == 0
                    ? Optional.empty()
                    : Optional.of(Duration.ofNanos(lastNanos - startedNanos))));
  }
}

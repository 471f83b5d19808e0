package io.netchannel.daemon;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
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

  /** Since the start. */
  Duration age() {
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

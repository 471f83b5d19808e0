package io.netchannel.device;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;

/**
 * Logs the failures of one device: the first of each kind at once, later ones at most once a minute
 * with their number. A disk that fails does so thousands of times a second.
 */
public final class ErrorLog {
  /** Often enough to see in a log that it goes on, seldom enough not to fill the disk. */
  static final long INTERVAL_NANOS = TimeUnit.MINUTES.toNanos(1);

  private static final class Kind {
    private long loggedAtNanos;
    private long suppressed;
  }

  private final Logger log;
  private final LongSupplier nanoTime;
  private final Map<String, Kind> kinds = new HashMap<>();

  public ErrorLog(Logger log, LongSupplier nanoTime) {
    this.log = log;
    this.nanoTime = nanoTime;
  }

  /**
   * Logs a failure, or counts it.
   *
   * @param kind what counts as the same failure, e.g. "write: No space left on device"; from a
   *     small set, never with an offset in it
   * @param details where it happened this time
   */
  public synchronized void report(String kind, String details) {
    long now = nanoTime.getAsLong();
    Kind known = kinds.get(kind);
    if (known == null) {
      known = new Kind();
      kinds.put(kind, known);
    } else if (now - known.loggedAtNanos < INTERVAL_NANOS) {
      known.suppressed++;
      return;
    }
    known.loggedAtNanos = now;
    if (known.suppressed == 0) {
      log.error("{}: {}", kind, details);
    } else {
      log.error("{}: {}; {} more of these since the last message", kind, details, known.suppressed);
    }
    known.suppressed = 0;
  }
}

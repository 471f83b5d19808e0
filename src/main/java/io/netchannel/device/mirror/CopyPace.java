package io.netchannel.device.mirror;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * How many copies may be under way: as many as the guest does not notice. Guarded by the mirror's
 * lock.
 *
 * <pre>
 *   begins with MOST
 *   MEASURING (no copies) --a few windows--> GROWING by one a window --the guest has become slow--> halved
 *        ^                                    |         ^--------------------------------------------+
 *        +------the last measure is old-------+
 *   any --nobody asks in a window--> ALONE, twice as many --somebody asks--> at the most MOST
 * </pre>
 *
 * Never less than one: a guest that is slow for reasons of its own does not stop the copy. A guest
 * that asks little is not measured, and copies need not wait for that.
 */
final class CopyPace {
  /** How often it is looked at. */
  static final long WINDOW_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /**
   * A quarter of the sixteen threads that a file has for everybody: what a guest asks for finds a
   * free one.
   */
  static final int MOST = 4;

  /** While there is nobody to notice. */
  static final int ALONE = 2 * MOST;

  /** What a guest takes in a window before its times say something. */
  private static final int FEWEST_REQUESTS = 20;

  private static final int MEASURE_WINDOWS = 3;

  /** Loads change. Of ten seconds a measure takes three windows, so 3 %. */
  private static final long MEASURE_AGAIN_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** Below it nobody notices a factor. */
  private static final long SLACK_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  private static final double SHARE = 0.95;
  private static final int STEPS = 4; // of each power of two

  private final int[] times = new int[Long.SIZE * STEPS];
  private int requests;
  private long windowEndNanos;
  private int allowed = MOST;

  private int measureWindows;
  private boolean measured;
  private long baseNanos;
  private long measuredAtNanos;

  /** In bytes for each second; 0 for no bound. */
  private long bandwidth;

  private double tokens;
  private long tokensAtNanos;

  CopyPace(long nowNanos) {
    windowEndNanos = nowNanos + WINDOW_NANOS;
    tokensAtNanos = nowNanos;
  }

  /**
   * Bounds the copied bytes for each second; 0 takes the bound away. What the guest writes does not
   * count.
   */
  void bandwidth(long bytesPerSecond) {
    bandwidth = bytesPerSecond;
    tokens = Math.min(tokens, (double) bytesPerSecond);
  }

  /** How many copies may be under way now. */
  int allowed() {
    return measureWindows > 0 ? 0 : allowed;
  }

  /** A guest's request took so long. */
  void guestWaited(long nanos) {
    allowed = Math.min(MOST, allowed);
    times[bucket(nanos)]++;
    requests++;
  }

  /** Whether {@code bytes} may be copied now; then they are taken. Before the claim. */
  boolean take(long bytes, long nowNanos) {
    if (bandwidth == 0) {
      return true;
    }
    // A second's worth at most: or a copy that was paused would make up for it at once.
    double most = (double) Math.max(bytes, bandwidth);
    double elapsed = (double) (nowNanos - tokensAtNanos) / TimeUnit.SECONDS.toNanos(1);
    tokens = Math.min(most, tokens + elapsed * bandwidth);
    tokensAtNanos = nowNanos;
    if (tokens < bytes) {
      return false;
    }
    tokens -= (double) bytes;
    return true;
  }

  /** What was taken is not copied after all. */
  void giveBack(long bytes) {
    tokens += (double) bytes;
  }

  /** To be called some ten times a second, or more often. */
  void tick(long nowNanos) {
    if (nowNanos - windowEndNanos < 0) {
      return;
    }
    windowEndNanos = nowNanos + WINDOW_NANOS;
    boolean telling = requests >= FEWEST_REQUESTS;
    if (measureWindows > 0) {
      measureWindows--;
      if (measureWindows > 0) {
        return; // one measure over all of its windows
      }
      measured = telling;
      measuredAtNanos = nowNanos;
      baseNanos = telling ? percentile() : 0;
    } else if (telling && (!measured || nowNanos - measuredAtNanos > MEASURE_AGAIN_NANOS)) {
      measureWindows = MEASURE_WINDOWS;
    } else if (requests == 0) {
      allowed = ALONE;
    } else if (telling && percentile() > baseNanos + baseNanos / 2 + SLACK_NANOS) {
      allowed = Math.max(1, Math.min(MOST, allowed) / 2);
    } else {
      allowed = Math.min(MOST, allowed + 1);
    }
    Arrays.fill(times, 0);
    requests = 0;
  }

  private long percentile() {
    long rank = (long) Math.ceil(requests * SHARE);
    long seen = 0;
    for (int bucket = 0; bucket < times.length; bucket++) {
      seen += times[bucket];
      if (seen >= rank) {
        return upperNanos(bucket);
      }
    }
    throw new IllegalStateException("%d requests, %d counted".formatted(requests, seen));
  }

  private static int bucket(long nanos) {
    long value = Math.max(STEPS, nanos);
    int exponent = Long.SIZE - 1 - Long.numberOfLeadingZeros(value);
    int step = (int) (value >>> (exponent - 2)) & (STEPS - 1);
    return exponent * STEPS + step;
  }

  private static long upperNanos(int bucket) {
    int exponent = bucket / STEPS;
    long step = bucket % STEPS + 1L;
    return exponent < 2 ? STEPS : (1L << exponent) + (step << (exponent - 2));
  }
}

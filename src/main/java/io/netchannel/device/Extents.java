package io.netchannel.device;

import com.google.common.collect.ImmutableList;

/**
 * What of a range is known to read as zeros; all else of it may be anything and counts as data.
 *
 * @param zeros in ascending order, none over another, in whole logical blocks, {@link #MAX_RUNS} at
 *     most
 */
public record Extents(ImmutableList<Run> zeros) {
  /**
   * Bounds the answer, in memory and on the wire. Beyond these all is told as data: who wants to
   * know asks again for what follows the last run.
   */
  public static final int MAX_RUNS = 256;

  /** Nothing is known to be zeros: never wrong. */
  public static final Extents ALL_DATA = new Extents(ImmutableList.of());

  public Extents {
    if (zeros.size() > MAX_RUNS) {
      throw new IllegalArgumentException(
          "expected at most %d runs, found %d".formatted(MAX_RUNS, zeros.size()));
    }
    long end = 0;
    for (Run run : zeros) {
      if (run.offsetBytes < end) {
        throw new IllegalArgumentException(
            "expected runs in ascending order that do not overlap, found " + zeros);
      }
      end = run.endBytes();
    }
  }

  /**
   * A run of bytes.
   *
   * @param offsetBytes from the device's beginning
   * @param lengthBytes 1 or more
   */
  public record Run(long offsetBytes, long lengthBytes) {
    public Run {
      if (offsetBytes < 0 || lengthBytes < 1 || offsetBytes > Long.MAX_VALUE - lengthBytes) {
        throw new IllegalArgumentException(
            "expected a run of bytes, found %d at %d".formatted(lengthBytes, offsetBytes));
      }
    }

    /** Of the first byte behind it. */
    public long endBytes() {
      return offsetBytes + lengthBytes;
    }
  }
}

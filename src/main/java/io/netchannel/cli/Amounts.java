package io.netchannel.cli;

import java.util.Locale;

/** Bytes and times as people read them: three figures are enough. */
final class Amounts {
  private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  private static final long SECOND_MILLIS = 1_000;
  private static final long MINUTE_MILLIS = 60 * SECOND_MILLIS;
  private static final long HOUR_MILLIS = 60 * MINUTE_MILLIS;

  private Amounts() {}

  /** Bytes in the largest unit that keeps it exact to a tenth, as virsh's --human does. */
  static String size(long bytes) {
    int unit = unit(bytes);
    return in(unit, bytes) + " " + UNITS[unit];
  }

  /** "41.3 of 96.0 GiB". */
  static String part(long bytes, long ofBytes) {
    int unit = unit(ofBytes);
    return "%s of %s %s".formatted(in(unit, bytes), in(unit, ofBytes), UNITS[unit]);
  }

  /** "182 MiB/s", "3.1 MiB/s". */
  static String rate(long bytesPerSecond) {
    int unit = unit(bytesPerSecond);
    double value = value(unit, bytesPerSecond);
    return String.format(Locale.ROOT, value < 10 && unit > 0 ? "%.1f" : "%.0f", value)
        + " %s/s".formatted(UNITS[unit]);
  }

  /** "412 ms", "3.4 s", "42 s", "9 min 12 s", "5 min", "2 h 5 min". */
  static String time(long millis) {
    if (millis < SECOND_MILLIS) {
      return millis + " ms";
    }
    if (millis < 10 * SECOND_MILLIS) {
      return String.format(Locale.ROOT, "%.1f s", Math.floor(millis / 100.0) / 10);
    }
    if (millis < MINUTE_MILLIS) {
      return millis / SECOND_MILLIS + " s";
    }
    return millis < HOUR_MILLIS
        ? two(millis / MINUTE_MILLIS, "min", millis / SECOND_MILLIS % 60, "s")
        : two(millis / HOUR_MILLIS, "h", millis / MINUTE_MILLIS % 60, "min");
  }

  /** What is left by an estimate, which is none to the second: "42 s", "5 min", "2 h 5 min". */
  static String estimate(long seconds) {
    if (seconds < 60) {
      return seconds + " s";
    }
    return time((seconds + 59) / 60 * MINUTE_MILLIS);
  }

  private static String two(long large, String unit, long small, String smallUnit) {
    return small == 0
        ? "%d %s".formatted(large, unit)
        : "%d %s %d %s".formatted(large, unit, small, smallUnit);
  }

  private static int unit(long bytes) {
    int unit = 0;
    for (long rest = bytes; rest >= 1024 && unit < UNITS.length - 1; rest >>= 10) {
      unit++;
    }
    return unit;
  }

  private static double value(int unit, long bytes) {
    return bytes / (double) (1L << (10 * unit));
  }

  private static String in(int unit, long bytes) {
    return unit == 0
        ? String.valueOf(bytes)
        : String.format(Locale.ROOT, "%.1f", value(unit, bytes));
  }
}

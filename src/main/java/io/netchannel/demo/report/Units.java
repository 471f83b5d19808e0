package io.netchannel.demo.report;

import java.util.Locale;

/** Numbers for people. */
public final class Units {
  private static final double MICROS_PER_MILLI = 1000.0;
  private static final long KIB = 1024;
  private static final long MIB = KIB * KIB;

  private Units() {}

  /** "12.3 ms" below 100 ms, "123 ms" above. */
  public static String millis(long micros) {
    double value = micros / MICROS_PER_MILLI;
    return String.format(Locale.ROOT, Math.abs(value) < 100 ? "%.1f ms" : "%.0f ms", value);
  }

  /** "12.3", for columns of one unit. */
  public static String plainMillis(long micros) {
    return String.format(Locale.ROOT, "%.1f", micros / MICROS_PER_MILLI);
  }

  /** "12.345", for columns of one unit where microseconds matter. */
  public static String exactMillis(long micros) {
    return String.format(Locale.ROOT, "%.3f", micros / MICROS_PER_MILLI);
  }

  public static String bytes(long bytes) {
    return bytes >= MIB
        ? String.format(Locale.ROOT, "%.1f MiB", bytes / (double) MIB)
        : String.format(Locale.ROOT, "%.1f KiB", bytes / (double) KIB);
  }

  public static String count(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }
}

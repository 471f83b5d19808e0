package io.netchannel.time;

import com.google.common.base.Splitter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * How long ago this process was started, by whoever started it: what a shell did in it before Java,
 * and Java before {@code main}, is time that a guest waits, too. By the kernel's own monotonic
 * clock, which no step of the wall clock moves.
 */
public final class ProcessAge {
  /** USER_HZ, the unit of /proc: 100 wherever Java runs on Linux, whatever the kernel's own is. */
  private static final long TICKS_PER_SECOND = 100;

  /** Field 22 of proc(5)'s stat, "starttime", counted from the one after the program's name. */
  private static final int START_FIELD = 19;

  private ProcessAge() {}

  /** In steps of 10 ms; zero where the kernel does not say it. */
  public static Duration now() {
    try {
      return of(
          Files.readString(Path.of("/proc/self/stat")), Files.readString(Path.of("/proc/uptime")));
    } catch (IOException | IllegalArgumentException e) {
      return Duration.ZERO;
    }
  }

  /**
   * From what the kernel says.
   *
   * @param stat of the process: /proc/PID/stat
   * @param uptime of the host: /proc/uptime
   * @throws IllegalArgumentException when one of them is not what proc(5) says
   */
  static Duration of(String stat, String uptime) {
    // The program's name is in parentheses, and may have blanks and parentheses itself.
    List<String> fields =
        Splitter.on(' ').splitToList(stat.substring(stat.lastIndexOf(')') + 1).strip());
    if (fields.size() <= START_FIELD) {
      throw new IllegalArgumentException("expected the stat of a process, found " + stat);
    }
    long startedMillis = Long.parseLong(fields.get(START_FIELD)) * 1_000 / TICKS_PER_SECOND;
    long upMillis = Math.round(Double.parseDouble(uptime.split(" ", 2)[0]) * 1_000);
    return Duration.ofMillis(Math.max(0, upMillis - startedMillis));
  }
}

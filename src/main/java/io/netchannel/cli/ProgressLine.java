package io.netchannel.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * How far something is, in one line: redrawn on a terminal; else, as in a log, a line each ten
 * seconds and whenever it is something else than before.
 *
 * <pre>
 *   EMPTY --show--> DRAWN --show--> DRAWN (over the line before, or below it)
 *     |               |
 *     +--leave, last--+--> OVER: what is shown now is not
 * </pre>
 */
final class ProgressLine {
  /** A log of a night's copy can still be read. */
  static final Duration PERIOD = Duration.ofSeconds(10);

  /** From here on what does not fit is cut: the rest of a wrapped line could not be redrawn. */
  private static final String BEGIN = "\r\u001b[?7l";

  /** Nothing of a longer line before is left, and lines wrap again. */
  private static final String END = "\u001b[K\u001b[?7h";

  private final PrintWriter out;
  private final boolean terminal;
  private final LongSupplier nanoTime;

  // Guarded by this: a signal comes at any moment.
  private boolean drawn;

  private boolean over;
  private Optional<String> kind = Optional.empty();
  private long printedNanos;

  /**
   * An empty line.
   *
   * @param terminal whether what is written there can be redrawn
   */
  ProgressLine(PrintWriter out, boolean terminal, LongSupplier nanoTime) {
    this.out = out;
    this.terminal = terminal;
    this.nanoTime = nanoTime;
  }

  /** On this process's standard output. */
  static ProgressLine on(PrintWriter out) {
    return new ProgressLine(out, isTerminal(), System::nanoTime);
  }

  /** One that is nowhere: a program reads what comes in the end. */
  static ProgressLine none() {
    return new ProgressLine(new PrintWriter(PrintWriter.nullWriter()), false, () -> 0);
  }

  /**
   * Shows how far it is.
   *
   * @param what it is now; another one is shown at once
   */
  synchronized void show(String what, String words) {
    if (over) {
      return; // by a signal, and its words stand there
    }
    long now = nanoTime.getAsLong();
    if (terminal) {
      out.print(BEGIN + words + END);
      drawn = true;
    } else if (!kind.equals(Optional.of(what)) || now - printedNanos >= PERIOD.toNanos()) {
      out.println(words);
      printedNanos = now;
    }
    kind = Optional.of(what);
    out.flush();
  }

  /** Shows what is left standing. */
  synchronized void last(String words) {
    over = true;
    if (drawn) {
      out.print("\r\u001b[K");
      drawn = false;
    }
    out.println(words);
    out.flush();
  }

  /** What comes now does not stand beside it. */
  synchronized void leave() {
    over = true;
    if (drawn) {
      out.println();
      out.flush();
      drawn = false;
    }
  }

  /**
   * java.io.Console would want standard input to be one, too, and means another thing in each Java.
   */
  private static boolean isTerminal() {
    String type = System.getenv("TERM");
    if (type == null || type.equals("dumb")) {
      return false;
    }
    try {
      String file = Files.readSymbolicLink(Path.of("/proc/self/fd/1")).toString();
      return file.startsWith("/dev/pts/")
          || file.startsWith("/dev/tty")
          || file.startsWith("/dev/hvc")
          || file.equals("/dev/console");
    } catch (IOException e) {
      return false;
    }
  }
}

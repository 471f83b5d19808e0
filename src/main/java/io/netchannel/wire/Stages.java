package io.netchannel.wire;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Notes when a request passes each stage between its client and its device, for measuring one
 * request at a time (VEE 2008, "latency incurred by one block device request"). With {@code
 * -Dnetchannel.stages=FILE} the notes are written to FILE when the process ends, a line each:
 * stage, sequence, nanoseconds by the host's monotonic clock, which client and server on one host
 * have in common. Without it {@link #ON} is false for ever, and the compiler leaves nothing of the
 * calls.
 */
public enum Stages {
  ENQUEUED,
  ENCODED,
  RECEIVED,
  ISSUED,
  FINISHED,
  REPLIED,
  ARRIVED,
  COMPLETED;

  private static final String FILE = System.getProperty("netchannel.stages", "");

  /** Whether anything is noted. */
  public static final boolean ON = !FILE.isEmpty();

  /** A few hundred thousand requests; later ones are not noted. */
  private static final int MAX_NOTES = ON ? 1 << 20 : 0;

  private static final Stages[] STAGES = new Stages[MAX_NOTES];
  private static final long[] SEQUENCES = new long[MAX_NOTES];
  private static final long[] NANOS = new long[MAX_NOTES];
  private static final AtomicInteger COUNT = new AtomicInteger();

  static {
    if (ON) {
      Runtime.getRuntime().addShutdownHook(new Thread(Stages::write, "stages"));
    }
  }

  /** Notes that a request passes this stage now. */
  public void pass(long sequence) {
    if (ON) {
      pass(sequence, System.nanoTime());
    }
  }

  /** Notes that a request has passed this stage. */
  public void pass(long sequence, long nanos) {
    if (ON) {
      int at = COUNT.getAndIncrement();
      if (at >= 0 && at < MAX_NOTES) {
        STAGES[at] = this;
        SEQUENCES[at] = sequence;
        NANOS[at] = nanos;
      }
    }
  }

  /** Leaves the notes in their file: at the end of the process, or before, where it is halted. */
  public static synchronized void write() {
    if (!ON) {
      return;
    }
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < Math.min(COUNT.get(), MAX_NOTES) && STAGES[i] != null; i++) {
      lines.add(STAGES[i].name().toLowerCase(Locale.ROOT) + " " + SEQUENCES[i] + " " + NANOS[i]);
    }
    try {
      Files.write(Path.of(FILE), lines);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

package io.netchannel.midpoint;

import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Instant;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What happened to each request, as JSON lines:
 *
 * <pre>
 *   {"t":epoch micros,"gen":1,"seq":7,"e":"take","q":0,"id":3,"op":"write","off":4096,"len":4096}
 * </pre>
 *
 * What a request asks for, from "op" on, is its kind's to say.
 *
 * <p>Events of a request: take, replay, issue, hold (it came back without an outcome), done
 * (outcome), answer (status), seen, drop, hand (state), adopt (state). Events of the mid-point:
 * stage (pending; gen is the source's), serve, seal (pending, incomplete), unseal, retire. A
 * request is named by the generation it was taken in and its sequence; sequences go on over
 * generations of one mid-point. {@code adopt}, and what is done for an adopted entry, names it as
 * the source did.
 *
 * <p>Owned by one thread. A trace that cannot be written is given up with a log line; the guest's
 * I/O is more important.
 */
public final class MidPointTrace implements AutoCloseable {
  /** A request as a trace names it. */
  public interface Subject {
    long generation();

    long sequence();

    /** Writes what it asks for, by {@link #word} and {@link #number}. */
    void describe(MidPointTrace trace);
  }

  private static final Logger log = LoggerFactory.getLogger(MidPointTrace.class);
  private static final long MICROS_PER_SECOND = 1_000_000;
  private static final int NANOS_PER_MICRO = 1_000;

  private final StringBuilder line = new StringBuilder(160);
  private final Clock clock;
  private Writer writer;
  private boolean dirty;

  private MidPointTrace(Writer writer, Clock clock) {
    this.writer = writer;
    this.clock = clock;
  }

  /** Writes nothing and costs nothing. */
  public static MidPointTrace off() {
    return new MidPointTrace(null, Clock.systemUTC());
  }

  /** Writes to {@code writer}, which it closes at the end. */
  public static MidPointTrace to(Writer writer, Clock clock) {
    return new MidPointTrace(writer, clock);
  }

  /** Appends to a file: one per host, domain and target. Its directory is made if needed. */
  public static MidPointTrace open(Path file, Clock clock) throws IOException {
    Path directory = file.toAbsolutePath().getParent();
    if (directory != null) {
      Files.createDirectories(directory);
    }
    return to(
        Files.newBufferedWriter(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND), clock);
  }

  void take(PendingRequest<?, ?> request) {
    if (writer != null) {
      begin(request, "take");
      number("q", request.request().queue());
      number("id", request.request().id());
      request.describe(this);
      end();
    }
  }

  /** It was answered from what is known of what was done elsewhere. */
  public void replay(Subject request) {
    event(request, "replay");
  }

  void issue(Subject request) {
    event(request, "issue");
  }

  /** It came back from the device without an outcome. */
  public void hold(Subject request) {
    event(request, "hold");
  }

  void seen(Subject request) {
    event(request, "seen");
  }

  void drop(Subject request) {
    event(request, "drop");
  }

  public void done(Subject request, Enum<?> outcome) {
    if (writer != null) {
      begin(request, "done");
      word("outcome", outcome);
      end();
    }
  }

  void answer(Subject request, Enum<?> status) {
    if (writer != null) {
      begin(request, "answer");
      word("status", status);
      end();
    }
  }

  /** It is in a manifest that is made. */
  public void hand(Subject entry, Enum<?> state) {
    entry("hand", entry, state);
  }

  /** It is in a manifest that is taken over. */
  public void adopt(Subject entry, Enum<?> state) {
    entry("adopt", entry, state);
  }

  /** A manifest is known. */
  public void seal(long generation, int pending, int incomplete) {
    if (writer != null) {
      begin(generation, "seal");
      number("pending", pending);
      number("incomplete", incomplete);
      end();
    }
  }

  void stage(long generation, int pending) {
    if (writer != null) {
      begin(generation, "stage");
      number("pending", pending);
      end();
    }
  }

  /** Of the mid-point: serve, unseal, retire. */
  void event(long generation, String name) {
    if (writer != null) {
      begin(generation, name);
      end();
    }
  }

  /** Gives what was written to the operating system. */
  void flush() {
    if (dirty && writer != null) {
      dirty = false;
      try {
        writer.flush();
      } catch (IOException e) {
        giveUp(e);
      }
    }
  }

  @Override
  public void close() {
    if (writer != null) {
      try {
        writer.close();
      } catch (IOException e) {
        giveUp(e);
      }
      writer = null;
    }
  }

  private void event(Subject request, String name) {
    if (writer != null) {
      begin(request, name);
      end();
    }
  }

  private void entry(String name, Subject entry, Enum<?> state) {
    if (writer != null) {
      begin(entry, name);
      entry.describe(this);
      word("state", state);
      end();
    }
  }

  private void begin(Subject request, String name) {
    begin(request.generation(), request.sequence(), name);
  }

  private void begin(long generation, long sequence, String name) {
    time();
    number("gen", generation);
    number("seq", sequence);
    line.append(",\"e\":\"").append(name).append('"');
  }

  private void begin(long generation, String name) {
    time();
    number("gen", generation);
    line.append(",\"e\":\"").append(name).append('"');
  }

  private void time() {
    Instant now = clock.instant();
    line.setLength(0);
    line.append("{\"t\":")
        .append(now.getEpochSecond() * MICROS_PER_SECOND + now.getNano() / NANOS_PER_MICRO);
  }

  /** For {@link Subject#describe}. */
  public void number(String name, long value) {
    line.append(",\"").append(name).append("\":").append(value);
  }

  /** For {@link Subject#describe}. */
  public void word(String name, Enum<?> value) {
    line.append(",\"").append(name).append("\":\"");
    line.append(value.name().toLowerCase(Locale.ROOT)).append('"');
  }

  private void end() {
    line.append("}\n");
    try {
      writer.append(line);
      dirty = true;
    } catch (IOException e) {
      giveUp(e);
    }
  }

  private void giveUp(IOException cause) {
    log.warn("trace: it cannot be written and ends here; is the disk full?", cause);
    writer = null;
  }
}

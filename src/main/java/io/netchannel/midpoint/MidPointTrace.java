package io.netchannel.midpoint;

import io.netchannel.device.Outcome;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.ResponseStatus;
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
 * Events of a request: take, replay, issue, hold (it came back without an outcome), done (outcome),
 * answer (status), seen, drop, hand (state), adopt (state). Events of the mid-point: stage
 * (pending; gen is the source's), serve, seal (pending, incomplete), unseal, retire. A request is
 * named by the generation it was taken in and its sequence; sequences go on over generations of one
 * mid-point. {@code adopt}, and what is done for an adopted entry, names it as the source did.
 *
 * <p>Owned by one thread. A trace that cannot be written is given up with a log line; the guest's
 * I/O is more important.
 */
public final class MidPointTrace implements AutoCloseable {
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

  void take(PendingRequest request) {
    if (writer != null) {
      begin(request, "take");
      number("q", request.request.queue());
      number("id", request.request.id());
      range(request.operation, request.offsetBytes, request.lengthBytes);
      end();
    }
  }

  void replay(PendingRequest request) {
    event(request, "replay");
  }

  void issue(PendingRequest request) {
    event(request, "issue");
  }

  void hold(PendingRequest request) {
    event(request, "hold");
  }

  void seen(PendingRequest request) {
    event(request, "seen");
  }

  void drop(PendingRequest request) {
    event(request, "drop");
  }

  void done(PendingRequest request, Outcome outcome) {
    if (writer != null) {
      begin(request, "done");
      word("outcome", outcome);
      end();
    }
  }

  void answer(PendingRequest request, ResponseStatus status) {
    if (writer != null) {
      begin(request, "answer");
      word("status", status);
      end();
    }
  }

  void hand(Manifest.Entry entry) {
    entry("hand", entry);
  }

  void adopt(Manifest.Entry entry) {
    entry("adopt", entry);
  }

  /** Of an adopted request that was at the device. */
  void done(Manifest.Entry entry, Outcome outcome) {
    if (writer != null) {
      begin(entry.generation(), entry.sequence(), "done");
      word("outcome", outcome);
      end();
    }
  }

  void seal(long generation, int pending, int incomplete) {
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

  private void event(PendingRequest request, String name) {
    if (writer != null) {
      begin(request, name);
      end();
    }
  }

  private void entry(String name, Manifest.Entry entry) {
    if (writer != null) {
      begin(entry.generation(), entry.sequence(), name);
      range(entry.operation(), entry.offsetBytes(), entry.lengthBytes());
      word("state", entry.state());
      end();
    }
  }

  private void begin(PendingRequest request, String name) {
    begin(request.generation, request.sequence, name);
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

  private void number(String name, long value) {
    line.append(",\"").append(name).append("\":").append(value);
  }

  private void word(String name, Enum<?> value) {
    line.append(",\"").append(name).append("\":\"");
    line.append(value.name().toLowerCase(Locale.ROOT)).append('"');
  }

  private void range(BlockOperation operation, long offsetBytes, long lengthBytes) {
    word("op", operation);
    number("off", offsetBytes);
    number("len", lengthBytes);
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

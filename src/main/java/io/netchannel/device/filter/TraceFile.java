package io.netchannel.device.filter;

import io.netchannel.device.DeviceException;
import io.netchannel.text.PathText;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file of JSON lines, each with the time {@code t} in microseconds since 1970. Lines are
 * appended, one write each, so that a killed process loses none. One that cannot be written is
 * logged once, and whoever is traced goes on.
 */
public final class TraceFile implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(TraceFile.class);

  private final Path path;
  private final FileChannel file;
  private final Clock clock;
  private boolean broken;

  /** Opens one for appending. */
  public TraceFile(Path path, Clock clock) throws DeviceException {
    this.path = path;
    this.clock = clock;
    try {
      file =
          FileChannel.open(
              path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new DeviceException("the trace %s cannot be opened: %s".formatted(path, e), e);
    }
  }

  /** Reads where one is, as a source text has it: an absolute path. */
  public static Path parse(String text) throws DeviceException {
    if (!text.startsWith("/")) {
      throw new DeviceException(
          "filter trace needs an absolute path, not \"%s\"; for example trace:/var/log/vdb.jsonl"
              .formatted(text));
    }
    try {
      return PathText.parse(text);
    } catch (IllegalArgumentException e) {
      throw new DeviceException("filter trace: " + e.getMessage(), e);
    }
  }

  /**
   * One line; any thread.
   *
   * @param fields as JSON has them between its braces
   */
  public synchronized void append(String fields) {
    long micros = ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
    ByteBuffer line =
        ByteBuffer.wrap(
            ("{\"t\":" + micros + "," + fields + "}\n").getBytes(StandardCharsets.UTF_8));
    try {
      while (line.hasRemaining()) {
        var unused = file.write(line);
      }
    } catch (IOException e) {
      if (!broken) {
        broken = true;
        log.error(
            "the trace {} cannot be written and is incomplete from here: {}", path, e.toString());
      }
    }
  }

  /** Idempotent. */
  @Override
  public void close() {
    try {
      file.close();
    } catch (IOException e) {
      log.warn("the trace {} was not closed properly: {}", path, e.getMessage());
    }
  }
}

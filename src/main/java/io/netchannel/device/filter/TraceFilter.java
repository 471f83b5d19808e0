package io.netchannel.device.filter;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.SourceFilter;
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
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes what happens at a device as JSON lines: {@code trace:/var/log/netchannel/vdb.jsonl}. Two
 * lines per request, which share its number {@code n}; {@code t} is in microseconds since 1970:
 *
 * <pre>
 *   {"t":1764000000000000,"e":"begin","n":7,"op":"write","off":4096,"len":8192}
 *   {"t":1764000000000250,"e":"end","n":7,"op":"write","outcome":"ok"}
 * </pre>
 *
 * "open" and "close" lines enclose them. Lines are appended, one write each, so that a killed
 * process loses none. A trace that cannot be written is logged once and the device goes on.
 */
public final class TraceFilter extends ForwardingDevice {
  private static final Logger log = LoggerFactory.getLogger(TraceFilter.class);

  private final Path path;
  private final FileChannel file;
  private final Clock clock;
  private final AtomicLong numbers = new AtomicLong();
  private final AtomicBoolean broken = new AtomicBoolean();
  private final AtomicBoolean closed = new AtomicBoolean();

  /** Opens the trace for appending. */
  public TraceFilter(Device device, Path path, Clock clock) throws DeviceException {
    super(device);
    this.path = path;
    this.clock = clock;
    try {
      file =
          FileChannel.open(
              path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new DeviceException("the trace %s cannot be opened: %s".formatted(path, e), e);
    }
    append("\"e\":\"open\",\"size\":" + device.geometry().sizeBytes());
  }

  /** Reads the text form: an absolute path. */
  public static SourceFilter<Device> parse(String text, Clock clock) throws DeviceException {
    if (!text.startsWith("/")) {
      throw new DeviceException(
          "filter trace needs an absolute path, not \"%s\"; for example trace:/var/log/vdb.jsonl"
              .formatted(text));
    }
    try {
      Path path = PathText.parse(text);
      return device -> new TraceFilter(device, path, clock);
    } catch (IllegalArgumentException e) {
      throw new DeviceException("filter trace: " + e.getMessage(), e);
    }
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    device.read(offsetBytes, data, traced("read", offsetBytes, data.remaining(), completion));
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    device.write(offsetBytes, data, traced("write", offsetBytes, data.remaining(), completion));
  }

  @Override
  public void flush(Completion completion) {
    device.flush(traced("flush", 0, 0, completion));
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    device.discard(
        offsetBytes, lengthBytes, traced("discard", offsetBytes, lengthBytes, completion));
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    device.zero(
        offsetBytes,
        lengthBytes,
        mayDeallocate,
        traced("zero", offsetBytes, lengthBytes, completion));
  }

  @Override
  public void close() {
    super.close(); // first: it completes what is running
    if (closed.compareAndSet(false, true)) {
      append("\"e\":\"close\"");
      try {
        file.close();
      } catch (IOException e) {
        log.warn("the trace {} was not closed properly: {}", path, e.getMessage());
      }
    }
  }

  private Completion traced(
      String operation, long offsetBytes, long lengthBytes, Completion completion) {
    long number = numbers.incrementAndGet();
    append(
        "\"e\":\"begin\",\"n\":%d,\"op\":\"%s\",\"off\":%d,\"len\":%d"
            .formatted(number, operation, offsetBytes, lengthBytes));
    return outcome -> {
      try {
        append(
            "\"e\":\"end\",\"n\":%d,\"op\":\"%s\",\"outcome\":\"%s\""
                .formatted(number, operation, outcome.name().toLowerCase(Locale.ROOT)));
      } finally { // whatever becomes of the trace
        completion.complete(outcome);
      }
    };
  }

  private synchronized void append(String fields) {
    long micros = ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
    ByteBuffer line =
        ByteBuffer.wrap(
            ("{\"t\":" + micros + "," + fields + "}\n").getBytes(StandardCharsets.UTF_8));
    try {
      while (line.hasRemaining()) {
        var unused = file.write(line);
      }
    } catch (IOException e) {
      if (broken.compareAndSet(false, true)) {
        log.error(
            "the trace {} cannot be written and is incomplete from here: {}", path, e.toString());
      }
    }
  }
}

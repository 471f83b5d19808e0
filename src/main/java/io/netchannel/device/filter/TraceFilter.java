package io.netchannel.device.filter;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.SourceFilter;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Writes what happens at a device as JSON lines: {@code trace:/var/log/netchannel/vdb.jsonl}. Two
 * lines per request, which share its number {@code n}; {@code t} is in microseconds since 1970:
 *
 * <pre>
 *   {"t":1764000000000000,"e":"begin","n":7,"op":"write","off":4096,"len":8192}
 *   {"t":1764000000000250,"e":"end","n":7,"op":"write","outcome":"ok"}
 * </pre>
 *
 * "open" and "close" lines enclose them; how they are written: {@link TraceFile}.
 */
public final class TraceFilter extends ForwardingDevice {
  private final TraceFile trace;
  private final AtomicLong numbers = new AtomicLong();
  private final AtomicBoolean closed = new AtomicBoolean();

  /** Opens the trace for appending. */
  public TraceFilter(Device device, Path path, Clock clock) throws DeviceException {
    super(device);
    trace = new TraceFile(path, clock);
    trace.append("\"e\":\"open\",\"size\":" + device.geometry().sizeBytes());
  }

  /** Reads the text form: an absolute path. */
  public static SourceFilter<Device> parse(String text, Clock clock) throws DeviceException {
    Path path = TraceFile.parse(text);
    return device -> new TraceFilter(device, path, clock);
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
      trace.append("\"e\":\"close\"");
      trace.close();
    }
  }

  private Completion traced(
      String operation, long offsetBytes, long lengthBytes, Completion completion) {
    long number = numbers.incrementAndGet();
    trace.append(
        "\"e\":\"begin\",\"n\":%d,\"op\":\"%s\",\"off\":%d,\"len\":%d"
            .formatted(number, operation, offsetBytes, lengthBytes));
    return outcome -> {
      try {
        trace.append(
            "\"e\":\"end\",\"n\":%d,\"op\":\"%s\",\"outcome\":\"%s\""
                .formatted(number, operation, outcome.name().toLowerCase(Locale.ROOT)));
      } finally { // whatever becomes of the trace
        completion.complete(outcome);
      }
    };
  }
}

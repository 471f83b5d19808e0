package io.netchannel.device.usb.filter;

import io.netchannel.device.DeviceException;
import io.netchannel.device.SourceFilter;
import io.netchannel.device.filter.TraceFile;
import io.netchannel.device.usb.ForwardingUsbDevice;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbDevice;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Writes what happens at a USB device as JSON lines: {@code trace:/var/log/netchannel/usb0.jsonl}.
 * Two lines per URB, which share its number {@code n}, and one more when it is unlinked; a control
 * one has its setup packet, first byte first, an isochronous one its packets:
 *
 * <pre>
 *   {"t":1764000000000000,"e":"port","incarnation":1,"device":"1209:0003","speed":"480M"}
 *   {"t":1764000000000100,"e":"begin","n":7,"type":"control","ep":"0x80","len":18,"setup":"8006000100001200"}
 *   {"t":1764000000000250,"e":"end","n":7,"type":"control","ep":"0x80","len":18,"status":"ok"}
 *   {"t":1764000000000300,"e":"begin","n":8,"type":"isochronous","ep":"0x01","len":1536,"packets":8}
 *   {"t":1764000000000400,"e":"unlink","n":8}
 *   {"t":1764000000000900,"e":"end","n":8,"type":"isochronous","ep":"0x01","len":384,"status":"cancelled","failed":6}
 * </pre>
 *
 * There is a "port" line at the start and when something is plugged or unplugged, which has no
 * device then; "reset" and "close" lines are what they say. How they are written: {@link
 * TraceFile}.
 */
public final class UrbTrace extends ForwardingUsbDevice {
  private final TraceFile trace;
  private final AtomicLong numbers = new AtomicLong();

  /** Of the URBs that are at the device. */
  private final Map<Urb, Long> running = new ConcurrentHashMap<>();

  private final AtomicBoolean closed = new AtomicBoolean();

  /** The last "port" line: a listener is told at once when it is set, of nothing new. */
  private String tracedPort = "";

  /** Opens the trace for appending. */
  public UrbTrace(UsbDevice device, Path path, Clock clock) throws DeviceException {
    super(device);
    trace = new TraceFile(path, clock);
    tracePort();
  }

  /** Reads the text form: an absolute path. */
  public static SourceFilter<UsbDevice> parse(String text, Clock clock) throws DeviceException {
    Path path = TraceFile.parse(text);
    return device -> new UrbTrace(device, path, clock);
  }

  @Override
  public void listen(PortListener listener) {
    device.listen(
        () -> {
          tracePort();
          listener.portChanged();
        });
  }

  private synchronized void tracePort() {
    PortState port = port();
    String fields =
        "\"e\":\"port\",\"incarnation\":%d%s"
            .formatted(port.incarnation(), port.plugged().map(UrbTrace::what).orElse(""));
    if (!fields.equals(tracedPort)) {
      tracedPort = fields;
      trace.append(fields);
    }
  }

  private static String what(PortState.Plugged plugged) {
    return ",\"device\":\"%s\",\"speed\":\"%s\""
        .formatted(plugged.descriptors(), plugged.speed().text());
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    long number = numbers.incrementAndGet();
    running.put(urb, number);
    trace.append("\"e\":\"begin\"," + what(urb, number, urb.dataBytes()) + more(urb));
    device.submit(
        urb,
        incarnation,
        done -> {
          running.remove(done);
          try {
            trace.append(
                "\"e\":\"end\",%s,\"status\":\"%s\"%s"
                    .formatted(
                        what(done, number, done.actualBytes()), name(done.status()), failed(done)));
          } finally { // whatever becomes of the trace
            completion.complete(done);
          }
        });
  }

  private static String what(Urb urb, long number, int bytes) {
    return "\"n\":%d,\"type\":\"%s\",\"ep\":\"0x%02x\",\"len\":%d"
        .formatted(number, name(urb.type()), urb.endpoint(), bytes);
  }

  private static String more(Urb urb) {
    return switch (urb.type()) {
      case CONTROL -> ",\"setup\":\"%016x\"".formatted(Long.reverseBytes(urb.setup()));
      case ISOCHRONOUS -> ",\"packets\":" + urb.packets();
      case BULK, INTERRUPT -> "";
    };
  }

  private static String failed(Urb urb) {
    if (urb.type() != UrbType.ISOCHRONOUS) {
      return "";
    }
    int failed = 0;
    for (int i = 0; i < urb.packets(); i++) {
      failed += urb.packetStatus(i) == UrbStatus.OK ? 0 : 1;
    }
    return ",\"failed\":" + failed;
  }

  private static String name(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public void unlink(Urb urb) {
    Long number = running.get(urb);
    if (number != null) {
      trace.append("\"e\":\"unlink\",\"n\":" + number);
    }
    device.unlink(urb);
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    trace.append("\"e\":\"reset\"");
    return device.reset();
  }

  @Override
  public void close() {
    super.close(); // first: it completes what is running
    if (closed.compareAndSet(false, true)) {
      trace.append("\"e\":\"close\"");
      trace.close();
    }
  }
}

package io.netchannel.device.usb.soft;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.SourceOptions;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.LongSupplier;

/**
 * The kind {@code usb-soft:}, of which each open makes a new device:
 *
 * <pre>
 *   device  := "keyboard"    every=500ms: types the next number, none otherwise
 *            | "serial"      every=10ms: sends the next line, none otherwise
 *            | "stick"       size=32M: in memory, at most 64M; or source=file:/srv/a.img
 *            | "sourcesink"
 *            | "audio"
 *   text    := device { "," name "=" value }
 * </pre>
 *
 * Each has the option {@code serial}, its serial number.
 */
public final class SoftDevices implements UsbKind {
  /** What it is in a source text. */
  public static final String SCHEME = "usb-soft";

  private static final String SERIAL = "serial";
  private static final String EVERY = "every";
  private static final String SIZE = "size";
  private static final String SOURCE = "source";

  /** Hexadecimal and of 12 digits, as a stick's has to be: "NC0001". */
  private static final String DEFAULT_SERIAL = "4E4330303031";

  /** What its descriptor has room for: 255 bytes, of 2 each. */
  private static final int MAX_SERIAL_CHARACTERS = 126;

  private static final long DEFAULT_STICK_BYTES = 32 << 20;

  /** It is this process' heap; whoever needs more has a file. */
  private static final long MAX_STICK_BYTES = 64 << 20;

  /** Makes one of its options, which have been checked. */
  private interface Maker {
    SoftFunction make() throws DeviceException;
  }

  /** Reads the options of a device. */
  private interface Reader {
    Maker read(String serial, SourceOptions options) throws DeviceException;
  }

  private record Product(ImmutableList<String> options, Reader reader) {}

  private final ScheduledExecutorService executor;
  private final LongSupplier nanoTime;
  private final Devices storage;
  private final ImmutableMap<String, Product> products;

  /**
   * @param executor as that of a {@link SoftPort}
   * @param nanoTime the monotonic clock
   * @param storage opens what sticks have in them
   */
  public SoftDevices(ScheduledExecutorService executor, LongSupplier nanoTime, Devices storage) {
    this.executor = executor;
    this.nanoTime = nanoTime;
    this.storage = storage;
    products =
        ImmutableMap.of(
            "audio",
            new Product(ImmutableList.of(SERIAL), (serial, options) -> () -> new SoftAudio(serial)),
            "keyboard",
            new Product(
                ImmutableList.of(SERIAL, EVERY),
                (serial, options) -> {
                  Optional<Duration> every = every(options);
                  return () -> new SoftKeyboard(serial, every);
                }),
            "serial",
            new Product(
                ImmutableList.of(SERIAL, EVERY),
                (serial, options) -> {
                  Optional<Duration> every = every(options);
                  return () -> new SoftSerial(serial, every);
                }),
            "sourcesink",
            new Product(
                ImmutableList.of(SERIAL), (serial, options) -> () -> new SoftSourceSink(serial)),
            "stick",
            new Product(ImmutableList.of(SERIAL, SIZE, SOURCE), this::stick));
  }

  @Override
  public UsbDevice open(String text, UsbOpenOptions options) throws DeviceException {
    return new SoftPort(read(text).make(), executor, nanoTime);
  }

  @Override
  public void check(String text) throws DeviceException {
    var unused = read(text);
  }

  private Maker read(String text) throws DeviceException {
    int comma = text.indexOf(',');
    String name = comma < 0 ? text : text.substring(0, comma);
    Product product = products.get(name);
    if (product == null) {
      throw new DeviceException(
          "%s: \"%s\" is no known device in software; known are %s"
              .formatted(SCHEME, name, String.join(", ", products.keySet())));
    }
    SourceOptions options =
        new SourceOptions(
            SCHEME + ":" + name, comma < 0 ? "" : text.substring(comma + 1), product.options);
    String serial = options.text(SERIAL).orElse(DEFAULT_SERIAL);
    if (serial.length() > MAX_SERIAL_CHARACTERS) {
      throw new DeviceException(
          "%s:%s: expected a serial number of at most %d characters, found %d"
              .formatted(SCHEME, name, MAX_SERIAL_CHARACTERS, serial.length()));
    }
    return product.reader.read(serial, options);
  }

  private static Optional<Duration> every(SourceOptions options) throws DeviceException {
    return Optional.of(options.duration(EVERY)).filter(every -> !every.isZero());
  }

  private Maker stick(String serial, SourceOptions options) throws DeviceException {
    Optional<String> source = options.text(SOURCE);
    OptionalLong size = options.size(SIZE);
    if (source.isPresent()) {
      if (size.isPresent()) {
        throw new DeviceException(
            "%s:stick: expected either size or source, found both".formatted(SCHEME));
      }
      return () -> stick(serial, source.get());
    }
    long bytes = size.orElse(DEFAULT_STICK_BYTES);
    if (bytes == 0 || bytes > MAX_STICK_BYTES) {
      throw new DeviceException(
          "%s:stick: expected 1K to %dM of memory, found %dM; give it a source=file: instead"
              .formatted(SCHEME, MAX_STICK_BYTES >> 20, bytes >> 20));
    }
    return () -> new SoftStick(serial, new MemoryStorage(bytes));
  }

  private SoftFunction stick(String serial, String source) throws DeviceException {
    Device opened = storage.open(source, false);
    if (opened.geometry().sizeBytes() < opened.geometry().logicalBlockBytes()) {
      opened.close();
      throw new DeviceException(
          "%s:stick: expected a source of one block or more, found %s empty"
              .formatted(SCHEME, source));
    }
    return new SoftStick(serial, opened);
  }
}

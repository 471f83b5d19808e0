package io.netchannel.device;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import io.netchannel.device.file.FileDevice;
import io.netchannel.device.filter.DelayFilter;
import io.netchannel.device.filter.ErrorFilter;
import io.netchannel.device.filter.TraceFilter;
import io.netchannel.device.nbd.NbdDevice;
import io.netchannel.device.nbd.NbdPlace;
import io.netchannel.device.nbd.NbdUri;
import java.time.Clock;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.function.LongSupplier;

/**
 * The kinds of devices and filters that a source text can name:
 *
 * <pre>
 *   source  := { filter "!" } device
 *   device  := "file:" absolute path of a regular file or block device
 *            | "file+cache:" absolute path: through this host's page cache
 *            | "nbd://" host [ ":" port ] "/" name        {@link NbdUri}
 *            | "nbd+unix:///" name "?socket=" path
 *            | a kind that was given to it, as "netchannel:" of {@code device.remote}
 *   filter  := "delay:" options   {@link DelayFilter}
 *            | "error:" options   {@link ErrorFilter}
 *            | "trace:" path      {@link TraceFilter}
 *   options := name "=" value { "," name "=" value }    {@link SourceOptions}
 * </pre>
 *
 * for example {@code trace:/var/log/netchannel/x.jsonl!delay:read=300ms,write=300ms!file:/dev/vdb}.
 * How it is taken apart is that of every source ({@link SourceText}). A new kind is one more entry
 * in the maps below.
 */
public final class DeviceOpener implements Devices, AutoCloseable {
  private static final String FILE = "file";
  private static final String CACHED_FILE = "file+cache";

  /** A server of this host that exports devices of it. */
  public interface ServedStorage {
    /** As {@link Devices#exportInUse}. */
    Optional<String> exportInUse(Storage storage);

    /** As {@link Devices#exportOf}. */
    Optional<String> exportOf(Storage storage);

    /** As {@link Devices#usedByPath}. */
    void usedByPath(Storage storage) throws DeviceException;
  }

  private final Map<String, DeviceKind> devices;
  private final Map<String, SourceFilter.Kind<Device>> filters;
  private final ScheduledExecutorService timer;
  private volatile Optional<ServedStorage> served = Optional.empty();

  /** Devices with default settings and system clocks. */
  public DeviceOpener() {
    this(true, ImmutableMap.of());
  }

  /**
   * Devices with default settings and system clocks, and more kinds of them.
   *
   * @param direct false lets file: devices use the page cache even where direct I/O works: for what
   *     only this host uses meanwhile
   * @param kinds by their schemes; they need what this package does not know, as certificates
   */
  public DeviceOpener(boolean direct, Map<String, DeviceKind> kinds) {
    this(
        FileDevice.DEFAULT_IO_THREADS,
        direct,
        newTimer(),
        Clock.systemUTC(),
        System::nanoTime,
        kinds);
  }

  /**
   * Devices with these settings.
   *
   * @param ioThreads requests a file: device runs at the same time
   * @param direct whether file: devices bypass the page cache where they can
   * @param timer runs the delays; ended by {@link #close}
   * @param clock stamps traces
   * @param nanoTime holds back repeated errors in the log, bounds waits for a server
   * @param kinds more of them, by their schemes
   */
  public DeviceOpener(
      int ioThreads,
      boolean direct,
      ScheduledExecutorService timer,
      Clock clock,
      LongSupplier nanoTime,
      Map<String, DeviceKind> kinds) {
    this.timer = timer;
    NbdDevice.Timing timing = new NbdDevice.Timing(nanoTime, new Random());
    devices =
        ImmutableSortedMap.<String, DeviceKind>naturalOrder()
            .put(FILE, file(ioThreads, direct, nanoTime))
            .put(CACHED_FILE, file(ioThreads, false, nanoTime))
            .put("nbd", nbd("nbd", timing))
            .put("nbd+unix", nbd("nbd+unix", timing))
            .putAll(kinds)
            .buildOrThrow();
    filters =
        ImmutableSortedMap.of(
            "delay", text -> DelayFilter.parse(text, timer),
            "error", ErrorFilter::parse,
            "trace", text -> TraceFilter.parse(text, clock));
  }

  private static DeviceKind file(int ioThreads, boolean direct, LongSupplier nanoTime) {
    return new DeviceKind() {
      @Override
      public Device open(String text, OpenOptions options) throws DeviceException {
        return FileDevice.open(text, options.readOnly(), ioThreads, direct, nanoTime);
      }

      @Override
      public void checkUnused(String text) throws DeviceException {
        FileDevice.checkUnused(text);
      }

      @Override
      public void create(String text, long sizeBytes) throws DeviceException {
        FileDevice.create(text, sizeBytes);
      }

      @Override
      public Optional<Storage> storage(String text) throws DeviceException {
        return Optional.of(FileDevice.storage(text));
      }
    };
  }

  private static DeviceKind nbd(String scheme, NbdDevice.Timing timing) {
    return new DeviceKind() {
      @Override
      public Device open(String text, OpenOptions options) throws DeviceException {
        return NbdDevice.open(scheme + ":" + text, options.readOnly(), timing);
      }

      @Override
      public void check(String text) throws DeviceException {
        NbdUri.parse(scheme + ":" + text);
      }

      @Override
      public Optional<Storage> storage(String text) throws DeviceException {
        return Optional.of(NbdPlace.storage(NbdUri.parse(scheme + ":" + text)));
      }
    };
  }

  private static ScheduledExecutorService newTimer() {
    ScheduledThreadPoolExecutor timer =
        new ScheduledThreadPoolExecutor(
            1,
            task -> {
              Thread thread = new Thread(task, "device-delays");
              thread.setDaemon(true);
              return thread;
            });
    timer.setExecuteExistingDelayedTasksAfterShutdownPolicy(true);
    return timer;
  }

  @Override
  public Device open(String source, OpenOptions options) throws DeviceException {
    SourceText<Device, DeviceKind> parsed = parse(source);
    return parsed.around(parsed.kind().open(parsed.text(), options));
  }

  @Override
  public Device openAround(String source, Device present, OpenOptions options)
      throws DeviceException {
    SourceText<Device, DeviceKind> parsed = parse(source);
    return parsed.kind().openAround(parsed.text(), present, options);
  }

  @Override
  public long newestGeneration(String source, String user, boolean readOnly)
      throws DeviceException {
    SourceText<Device, DeviceKind> parsed = parse(source);
    return parsed.kind().newestGeneration(parsed.text(), user, readOnly);
  }

  @Override
  public void giveFree(String source, OpenOptions options) throws DeviceException {
    SourceText<Device, DeviceKind> parsed = parse(source);
    parsed.kind().giveFree(parsed.text(), options);
  }

  /**
   * Checks the text of a source without opening anything.
   *
   * @throws DeviceException when it names unknown things or options
   */
  public void check(String source) throws DeviceException {
    SourceText<Device, DeviceKind> parsed = parse(source);
    parsed.kind().check(parsed.text());
  }

  @Override
  public void checkUnused(String source) throws DeviceException {
    SourceText<Device, DeviceKind> parsed = parse(source);
    parsed.kind().checkUnused(parsed.text());
  }

  @Override
  public void create(String source, long sizeBytes) throws DeviceException {
    SourceText<Device, DeviceKind> parsed = parse(source);
    parsed.kind().create(parsed.text(), sizeBytes);
  }

  @Override
  public Storage storage(String source) throws DeviceException {
    SourceText<Device, DeviceKind> parsed = parse(source);
    Optional<Storage> told = parsed.kind().storage(parsed.text());
    return told.isPresent() ? told.get() : Storage.called(ImmutableSet.of(place(parsed)));
  }

  /** What it exports is asked of this server from now on. */
  public void serves(ServedStorage server) {
    served = Optional.of(server);
  }

  @Override
  public Optional<String> exportInUse(Storage storage) {
    return served.flatMap(server -> server.exportInUse(storage));
  }

  @Override
  public Optional<String> exportOf(Storage storage) {
    return served.flatMap(server -> server.exportOf(storage));
  }

  @Override
  public void usedByPath(Storage storage) throws DeviceException {
    if (served.isPresent()) {
      served.get().usedByPath(storage);
    }
  }

  @Override
  public String place(String source) throws DeviceException {
    return place(parse(source));
  }

  /** Ends the timer; devices that are still open complete what they hold back without delay. */
  @Override
  public void close() {
    timer.shutdown();
  }

  private static String place(SourceText<Device, DeviceKind> source) {
    String scheme = source.scheme();
    return (scheme.equals(CACHED_FILE) ? FILE : scheme) + ":" + source.text();
  }

  private SourceText<Device, DeviceKind> parse(String source) throws DeviceException {
    return SourceText.parse(source, devices, filters);
  }
}

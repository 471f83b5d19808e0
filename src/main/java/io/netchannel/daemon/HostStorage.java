package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Storage;
import io.netchannel.device.legs.MirrorLedger;
import io.netchannel.device.legs.Mirrors;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.tls.HostTls;
import io.netchannel.wire.Transport;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The devices that a host's guests can have, and the server of those that it exports. A guest on
 * the host that exports its disk uses that server without network: so it is there as soon as such a
 * disk is asked for, and is closed after all disks.
 *
 * <pre>
 *   opened: local devices --a remote disk, or listenToOthers--> + remote ones, server for this host
 *                                                                 |
 *                          served to all <--listenToOthers--------+
 * </pre>
 *
 * What network and encryption need to begin is most of what a daemon needs, and a guest with local
 * disks does not wait for it.
 */
public final class HostStorage implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(HostStorage.class);

  /** Of sockets for remote disks, as client and as server: encryption is what they do most. */
  private static final int DEVICE_THREADS =
      Math.max(2, Math.min(Runtime.getRuntime().availableProcessors(), 8));

  private final DaemonConfiguration configuration;
  private final Optional<HostTls> tls;
  private final DeviceOpener devices;
  private final HostUsb usb;
  private final StayingUsb staying;

  /** What was opened; closed in the opposite order. */
  private final Deque<AutoCloseable> opened = new ArrayDeque<>();

  // ---- of the network, there when it is needed first
  private Remote remote;
  private HostExports exports;
  private boolean closed;

  /** What remote disks and the server share. */
  private record Remote(
      Transport transport,
      ThisHost own,
      Mirrors mirrors,
      ImmutableMap<String, DeviceKind> kinds,
      ImmutableMap<String, UsbKind> usb) {}

  private HostStorage(DaemonConfiguration configuration, Optional<HostTls> tls) {
    this.configuration = configuration;
    this.tls = tls;
    devices =
        opened(
            new DeviceOpener(
                true,
                ImmutableMap.<String, DeviceKind>builder()
                    .putAll(Maps.toMap(RemoteDevices.SCHEMES, LateKind::new))
                    .put(Mirrors.SCHEME, new LateKind(Mirrors.SCHEME))
                    .buildOrThrow()));
    usb = opened(new HostUsb(devices, Maps.toMap(RemoteDevices.SCHEMES, LateUsb::new)));
    staying = new StayingUsb(usb.opener(), this::exports);
  }

  /**
   * Begins with devices of this host; see {@link #listenToOthers}.
   *
   * @param tls this host's certificates; without them it neither uses nor has disks over the
   *     network
   */
  public static HostStorage open(DaemonConfiguration configuration, Optional<HostTls> tls) {
    return new HostStorage(configuration, tls);
  }

  /** Serves what the configuration and earlier commands export, to other hosts too. */
  public void listenToOthers() throws IOException {
    HostExports here = exports();
    here.listenToOthers().ifPresent(remote().own()::listensAt);
  }

  private synchronized Remote remote() throws IOException {
    if (closed) {
      throw new IllegalStateException("the daemon is shutting down");
    }
    if (remote == null) {
      ExecutorService names = new PatientPool("resolve-%d");
      opened.push(names::shutdownNow);
      Transport transport = opened(new Transport("device-io", DEVICE_THREADS));
      ThisHost own =
          new ThisHost(
              configuration.name(),
              configuration.exports().listen().orElse(ExportSettings.EVERYWHERE));
      RemoteDevices found =
          new RemoteDevices(
              transport,
              names,
              tls,
              RemoteOptions.DEFAULT.withGiveUp(configuration.exports().giveUp()),
              new Random(),
              own);
      Mirrors mirrors = mirrors(found);
      remote =
          new Remote(
              transport,
              own,
              mirrors,
              ImmutableMap.<String, DeviceKind>builder()
                  .putAll(found.kinds())
                  .put(Mirrors.SCHEME, mirrors)
                  .buildOrThrow(),
              found.usbKinds());
    }
    return remote;
  }

  private Mirrors mirrors(RemoteDevices found) {
    ExecutorService executor = new PatientPool("legs-%d");
    opened.push(executor::shutdownNow);
    LegSettings settings = configuration.exports().legs();
    return new Mirrors(
        new Mirrors.Environment(
            () -> devices,
            found::records,
            settings.witness().map(found::witness),
            MirrorLedger.open(configuration.mirrorLedger(), executor),
            configuration.mirrorsDirectory(),
            new BufferBudget(configuration.memory().serverBytes()),
            executor,
            HostStorage::later,
            System::nanoTime,
            UUID::randomUUID,
            settings.timeout(),
            found::isOwn));
  }

  /** Serves clients of this host from the first call on. */
  synchronized HostExports exports() throws IOException {
    Transport transport = remote().transport();
    if (exports == null) {
      exports =
          opened(
              new HostExports(
                  configuration,
                  devices,
                  usb.opener(),
                  transport,
                  tls,
                  remote().own(),
                  HostStorage::later));
      devices.serves(exports);
    }
    return exports;
  }

  /** The server may be our own, so that is there before. */
  private void beginServer() throws DeviceException {
    try {
      var unused = exports();
    } catch (IOException e) {
      throw new DeviceException("the device server of this host: " + e.getMessage(), e);
    }
  }

  private Remote network() throws DeviceException {
    try {
      return remote();
    } catch (IOException e) {
      throw new DeviceException("devices of other hosts: " + e.getMessage(), e);
    }
  }

  /** USB devices of a scheme of the network. */
  private final class LateUsb implements UsbKind {
    private final String scheme;

    LateUsb(String scheme) {
      this.scheme = scheme;
    }

    private UsbKind known() throws DeviceException {
      return Objects.requireNonNull(network().usb().get(scheme), scheme);
    }

    private UsbKind reachable() throws DeviceException {
      beginServer();
      return known();
    }

    @Override
    public UsbDevice open(String text, UsbOpenOptions options) throws DeviceException {
      return reachable().open(text, options);
    }

    @Override
    public long newestGeneration(String text, String user) throws DeviceException {
      return reachable().newestGeneration(text, user);
    }

    @Override
    public void giveFree(String text, UsbOpenOptions options) throws DeviceException {
      reachable().giveFree(text, options);
    }

    @Override
    public void check(String text) throws DeviceException {
      known().check(text);
    }
  }

  /** Disks of a scheme of the network. */
  private final class LateKind implements DeviceKind {
    private final String scheme;

    LateKind(String scheme) {
      this.scheme = scheme;
    }

    /** The server asks this of its exports while it begins. */
    private DeviceKind known() throws DeviceException {
      return Objects.requireNonNull(network().kinds().get(scheme), scheme);
    }

    private DeviceKind reachable() throws DeviceException {
      beginServer();
      return known();
    }

    @Override
    public Device open(String text, OpenOptions options) throws DeviceException {
      return reachable().open(text, options);
    }

    @Override
    public Device openAround(String text, Device present, OpenOptions options)
        throws DeviceException {
      return reachable().openAround(text, present, options);
    }

    @Override
    public long newestGeneration(String text, String user, boolean readOnly)
        throws DeviceException {
      return reachable().newestGeneration(text, user, readOnly);
    }

    @Override
    public void giveFree(String text, OpenOptions options) throws DeviceException {
      reachable().giveFree(text, options);
    }

    @Override
    public void check(String text) throws DeviceException {
      known().check(text);
    }

    @Override
    public Optional<Storage> storage(String text) throws DeviceException {
      return reachable().storage(text);
    }

    @Override
    public void checkUnused(String text) throws DeviceException {
      known().checkUnused(text);
    }
  }

  /** Volumes of this host for disks that come to it. */
  public VolumePools volumes() {
    return volumes(VolumePools.FreeSpace.SYSTEM);
  }

  VolumePools volumes(VolumePools.FreeSpace space) {
    return new VolumePools(configuration.pools(), devices, this::exports, space);
  }

  private static void later(Duration delay, Runnable action) {
    CompletableFuture.delayedExecutor(delay.toMillis(), TimeUnit.MILLISECONDS).execute(action);
  }

  public DeviceOpener devices() {
    return devices;
  }

  /** USB devices that guests can have. */
  public UsbOpener usb() {
    return usb.opener();
  }

  /** USB devices that stay on this host when their guests go. */
  public StayingUsb stayingUsb() {
    return staying;
  }

  /** What the command line asks about exports; all else is passed on. */
  public ControlEndpoint.Handler control(ControlEndpoint.Handler others) {
    return request -> {
      HostExports known = begunExports();
      if (known.knows(request)) {
        return known.handle(request);
      }
      Mirrors begun = begunMirrors();
      MirrorCommands mirrors = new MirrorCommands(begun);
      if (MirrorCommands.knows(request)) {
        return mirrors.handle(request, others);
      }
      Object answer = others.handle(request);
      return switch (String.valueOf(request.get("command"))) {
        case "status" -> mirrors.withProblems(withMemory(answer, known, begun), others);
        case "devices" -> mirrors.withLegs(answer);
        default -> answer;
      };
    };
  }

  private Mirrors begunMirrors() throws ControlException {
    try {
      return remote().mirrors();
    } catch (IOException e) {
      throw new ControlException("disks with two legs: " + e.getMessage(), e);
    }
  }

  private HostExports begunExports() throws ControlException {
    try {
      return exports();
    } catch (IOException e) {
      throw new ControlException("the device server does not begin: " + e.getMessage(), e);
    }
  }

  private static Object withMemory(Object status, HostExports exports, Mirrors mirrors) {
    Map<String, Object> all = new LinkedHashMap<>();
    if (status instanceof Map<?, ?> known) {
      known.forEach((name, value) -> all.put(String.valueOf(name), value));
    }
    all.put("serverMemory", MemoryJson.of(exports.memory()));
    all.put("mirrorMemory", MemoryJson.of(mirrors.memory()));
    return all;
  }

  private <T extends AutoCloseable> T opened(T part) {
    opened.push(part);
    return part;
  }

  /** Idempotent. */
  @Override
  public void close() {
    synchronized (this) {
      closed = true; // nothing more is opened
    }
    while (!opened.isEmpty()) {
      AutoCloseable part = opened.pop();
      try {
        part.close();
      } catch (Exception e) {
        log.warn("closing {}: {}", part.getClass().getSimpleName(), e.toString());
      }
    }
  }
}

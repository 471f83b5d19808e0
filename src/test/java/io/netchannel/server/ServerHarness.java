package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.net.HostAndPort;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.RequestName;
import io.netchannel.device.legs.Authority;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.remote.OwnServer;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TestCertificateAuthority;
import io.netchannel.tls.TlsFiles;
import io.netchannel.wire.Transport;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A device server on a disk in memory, and what clients need, in one process on real sockets. */
final class ServerHarness implements AutoCloseable {
  static final String EXPORT = "vol7";
  static final String READ_ONLY_EXPORT = "iso";
  static final Export USB = Export.usb("stick", "recording:port1", ImmutableSet.of("hosta"));
  static final String CLIENT = "6b0f/xvdb";

  static final RemoteOptions QUICK =
      new RemoteOptions(
          Duration.ofSeconds(20),
          Duration.ofSeconds(3),
          Duration.ofMillis(500),
          Duration.ofSeconds(5),
          Duration.ofMillis(1),
          Duration.ofMillis(20),
          Optional.empty());

  final ExecutorService executor = Executors.newCachedThreadPool();
  final RecordingDisk disk;
  final RecordingUsb usb;
  final SharedKeyboard keyboard = new SharedKeyboard();
  final Path socket;
  private final Path directory;
  private final Transport serverTransport = new Transport("server", 2);
  private final Transport clientTransport = new Transport("client", 2);
  private final ServerLimits limits;
  private final long bufferBytes;
  private UUID storage = new UUID(1, 1);
  private ExportServer server;
  private boolean exportsUsb;
  private int port;

  ServerHarness(Path directory, long seed) throws Exception {
    this(directory, seed, ServerLimits.DEFAULT);
  }

  ServerHarness(Path directory, long seed, ServerLimits limits) throws Exception {
    this(directory, seed, limits, 64 << 20);
  }

  ServerHarness(Path directory, long seed, ServerLimits limits, long bufferBytes) throws Exception {
    this.bufferBytes = bufferBytes;
    this.directory = directory;
    this.limits = limits;
    socket = directory.resolve("server.sock");
    disk = new RecordingDisk(executor, seed);
    usb = new RecordingUsb(executor, seed);
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    authority.init(directory.resolve("ca"));
    for (String host : new String[] {"hosta", "hostb", "stranger"}) {
      authority.host(directory.resolve("ca"), directory.resolve(host), host, "127.0.0.1");
    }
    start();
  }

  /** What was not flushed counts as lost from the next start on. */
  void loseStorage() {
    storage = new UUID(2, storage.getLeastSignificantBits() + 1);
  }

  void start() throws Exception {
    server =
        new ExportServer(
            directory.resolve("exports"),
            serverTransport,
            new ServerParts(
                disk,
                new UsbOpener(
                    ImmutableMap.of("recording", usb, SharedKeyboard.SCHEME, keyboard.kind()),
                    ImmutableMap.of()),
                executor,
                Clock.systemUTC(),
                storage,
                limits,
                new BufferBudget(bufferBytes)));
    if (exportsUsb) {
      server.add(USB);
    }
    server.add(new Export(EXPORT, "memory", false, ImmutableSet.of("hosta", "HostB")));
    server.add(new Export(READ_ONLY_EXPORT, "memory", true, ImmutableSet.of("hosta")));
    server.add(new Export("nobody", "memory", false, ImmutableSet.of()));
    server.add(new Export("broken", "missing", false, ImmutableSet.of("hosta")));
    server.listenHere();
    server.listen(socket);
    port =
        server.listen(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), tls("hostb"));
  }

  /** Exports a USB device as well, from now on. */
  ServerHarness withUsb() throws Exception {
    exportsUsb = true;
    server.add(USB);
    return this;
  }

  UsbDevice openUsb(String user, long generation) throws Exception {
    return openUsb(user, generation, ImmutableSet.of(), port, QUICK);
  }

  UsbDevice openUsb(
      String user,
      long generation,
      ImmutableSet<RequestName> inherited,
      int at,
      RemoteOptions patience)
      throws Exception {
    return openUsb(
        UsbOpenOptions.of(new UsbOpenOptions.User(user, generation, inherited)),
        "netchannel://127.0.0.1:" + at + "/usb/stick",
        patience);
  }

  UsbDevice openUsb(UsbOpenOptions usbOptions, String source, RemoteOptions patience)
      throws Exception {
    return usbOpener("hosta", patience).open(source, usbOptions);
  }

  UsbOpener usbOpener(String host, RemoteOptions patience) throws Exception {
    return new UsbOpener(
        new RemoteDevices(
                clientTransport, executor, Optional.of(tls(host)), patience, new Random(7))
            .usbKinds(),
        ImmutableMap.of());
  }

  void stop() {
    server.close();
  }

  ExportServer server() {
    return server;
  }

  int port() {
    return port;
  }

  HostTls tls(String host) throws Exception {
    return new HostTls(TlsFiles.libvirt(directory.resolve(host)));
  }

  /** Its certificates, signed by this harness's authority, for who trusts another one. */
  HostTls tls(String host, ServerHarness trusted) throws Exception {
    TlsFiles own = TlsFiles.libvirt(directory.resolve(host));
    return new HostTls(
        TlsFiles.of(
            TlsFiles.libvirt(trusted.directory.resolve(host)).authority(),
            own.clientCertificate(),
            own.clientKey()));
  }

  /** Opens devices as {@code host}. */
  DeviceOpener opener(String host, RemoteOptions options) throws Exception {
    return opener(tls(host), options);
  }

  DeviceOpener opener(HostTls tls, RemoteOptions options) {
    return new DeviceOpener(
        true,
        new RemoteDevices(clientTransport, executor, Optional.of(tls), options, new Random(7))
            .kinds());
  }

  /** What it keeps of an export that is a leg, as {@code hosta} asks. */
  Authority records(String export) throws Exception {
    return new RemoteDevices(
            clientTransport, executor, Optional.of(tls("hosta")), QUICK, new Random(7))
        .records(source(export));
  }

  /** Opens a device as a client in the server's own process. */
  Device openAsOwn(OwnServer own, OpenOptions options) throws Exception {
    RemoteDevices devices =
        new RemoteDevices(
            serverTransport, executor, Optional.of(tls("hosta")), QUICK, new Random(7), own);
    try (DeviceOpener opener = new DeviceOpener(true, devices.kinds())) {
      return opener.open(source(EXPORT), options);
    }
  }

  ImmutableList<ExportStatus> exports() {
    return server.exports(new CompletableFuture<>());
  }

  /** Where the client of an export comes from; empty while it is not connected. */
  Optional<String> from(String export) {
    return exports().stream()
        .filter(each -> each.export().name().equals(export))
        .flatMap(each -> each.clients().stream())
        .findFirst()
        .flatMap(ExportStatus.Client::address);
  }

  String source(String export) {
    return source(export, port);
  }

  static String source(String export, int port) {
    return "netchannel://" + HostAndPort.fromParts("127.0.0.1", port) + "/" + export;
  }

  String unixSource(String export) {
    return "netchannel+unix:///" + export + "?socket=" + socket;
  }

  static OpenOptions as(String client, long generation) {
    return OpenOptions.of(false, new OpenOptions.User(client, generation));
  }

  Device open(String source, OpenOptions options) throws Exception {
    return open("hosta", source, options);
  }

  Device open(String host, String source, OpenOptions options) throws Exception {
    return open(host, source, options, QUICK);
  }

  Device open(String host, String source, OpenOptions options, RemoteOptions patience)
      throws Exception {
    try (DeviceOpener opener = opener(host, patience)) {
      return opener.open(source, options);
    } catch (DeviceException e) {
      throw new DeviceException(e.getMessage(), e);
    }
  }

  /** Whether every request to an export has its reply, at least on its way. */
  boolean allAnswered(String export) {
    return exports().stream()
        .filter(each -> each.export().name().equals(export))
        .flatMap(each -> each.clients().stream())
        .allMatch(client -> client.running() == 0);
  }

  RawClient raw() throws Exception {
    return new RawClient(socket);
  }

  @Override
  public void close() {
    disk.release();
    server.close();
    clientTransport.close();
    serverTransport.close();
    executor.shutdownNow();
  }
}

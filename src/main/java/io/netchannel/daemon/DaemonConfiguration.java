package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.net.HostAndPort;
import io.netchannel.coordinator.StockDiskPolicy;
import io.netchannel.coordinator.Timeouts;
import io.netchannel.coordinator.peer.PeerAddress;
import io.netchannel.net.HostPorts;
import io.netchannel.text.TextFile;
import io.netchannel.tls.TlsFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What {@code /etc/netchannel/netchannel.toml} says. Everything has a default; without peers a host
 * serves disks but takes part in no migration.
 *
 * @param name this host's name among the peers: what their [[peer]] calls it
 * @param guests whether guests of this host are served; a host that only has devices for others
 *     needs neither Xen nor libvirt
 * @param listen where peers reach this daemon
 * @param runDirectory sockets and in-flight tables: must be a tmpfs that a reboot empties
 * @param stateDirectory the journal: must survive a reboot
 * @param peers the hosts that domains may come from and go to
 * @param timeouts bounds of a migration's waits
 * @param stockDisks what becomes of a migration whose guest leaves requests at other backends
 * @param waits bounds of the others
 * @param traceDirectory where mid-points write their traces; empty when off
 * @param faults failures to provoke, by point of a migration or a swap: only for tests
 * @param rehearse whether the code of a migration is warmed when the daemon starts
 * @param exports devices for other hosts, and patience with devices of other hosts
 * @param memory what the data of requests may take
 * @param pools directories in which volumes are made for disks that come here, by their names
 */
public record DaemonConfiguration(
    String name,
    boolean guests,
    HostAndPort listen,
    Path runDirectory,
    Path stateDirectory,
    ImmutableList<PeerAddress> peers,
    TlsFiles tls,
    Timeouts timeouts,
    StockDiskPolicy stockDisks,
    Waits waits,
    Optional<Path> traceDirectory,
    ImmutableMap<String, String> faults,
    boolean rehearse,
    ExportSettings exports,
    MemorySettings memory,
    ImmutableMap<String, VolumePool> pools) {

  public static final Path DEFAULT_FILE = Path.of("/etc/netchannel/netchannel.toml");
  public static final Path DEFAULT_RUN_DIRECTORY = Path.of("/run/netchannel");
  public static final Path DEFAULT_STATE_DIRECTORY = Path.of("/var/lib/netchannel");

  /** libvirt's PKI: a host that libvirt trusts is one we trust. */
  public static final TlsFiles LIBVIRT_TLS = TlsFiles.libvirt(Path.of("/etc/pki"));

  /**
   * Bounds of waits that are not a migration's.
   *
   * @param armed from "start begin" to the domain's directory in xenstore
   * @param ready opening a device and offering it to a guest
   * @param unbind the kernel's blkback letting go of an inherited disk
   */
  public record Waits(Duration armed, Duration ready, Duration unbind) {
    public static final Waits DEFAULT =
        new Waits(
            // libxl makes the directory within seconds; ten minutes forgets what never came.
            Duration.ofMinutes(10),
            // A device that takes longer to open will not serve a boot either.
            Duration.ofSeconds(20),
            // The kernel needs milliseconds, on an overcommitted host seconds.
            Duration.ofSeconds(10));
  }

  /** The configuration of an empty file. */
  public static DaemonConfiguration defaults(String name) {
    return new DaemonConfiguration(
        name,
        true,
        HostAndPort.fromParts("0.0.0.0", PeerAddress.DEFAULT_PORT),
        DEFAULT_RUN_DIRECTORY,
        DEFAULT_STATE_DIRECTORY,
        ImmutableList.of(),
        LIBVIRT_TLS,
        Timeouts.DEFAULTS,
        StockDiskPolicy.ABORT,
        Waits.DEFAULT,
        Optional.empty(),
        ImmutableMap.of(),
        true,
        ExportSettings.NONE,
        MemorySettings.defaults(),
        ImmutableMap.of());
  }

  /**
   * Reads a file; a missing one gives the defaults.
   *
   * @throws ConfigurationException when it cannot be read or says something we do not know
   */
  public static DaemonConfiguration read(Path file) throws ConfigurationException {
    String text = "";
    if (Files.exists(file)) {
      try {
        text = TextFile.read(file);
      } catch (TextFile.NotTextException e) {
        throw new ConfigurationException(e.getMessage(), e);
      } catch (IOException e) {
        throw new ConfigurationException("cannot read " + file + ": " + e.getMessage(), e);
      }
    }
    return parse(file.toString(), text);
  }

  /** As {@link #read}; {@code file} is only for messages. */
  public static DaemonConfiguration parse(String file, String text) throws ConfigurationException {
    TomlTable top = TomlTable.parse(file, text);
    TomlTable daemon = top.table("daemon");
    Optional<String> name = daemon.text("name");
    TomlTable timeouts = top.table("timeouts");
    DaemonConfiguration configuration =
        new DaemonConfiguration(
            name.isPresent() ? name.get() : hostName(),
            daemon.flag("guests", true),
            address(daemon, "listen", daemon.text("listen").orElse("0.0.0.0")),
            daemon.path("run-directory", DEFAULT_RUN_DIRECTORY),
            daemon.path("state-directory", DEFAULT_STATE_DIRECTORY),
            peers(top),
            tls(top.table("tls")),
            timeouts(timeouts),
            stockDisks(top.table("stock-disks")),
            waits(timeouts),
            trace(top.table("trace")),
            top.table("faults").texts(),
            daemon.flag("rehearse", true),
            ExportSettings.read(top),
            MemorySettings.read(top.table("memory")),
            pools(top));
    daemon.finish();
    timeouts.finish();
    top.finish();
    return configuration;
  }

  public Path controlSocket() {
    return runDirectory.resolve("control.sock");
  }

  /** Of the device server, for clients of this host. */
  public Path exportSocket() {
    return runDirectory.resolve("export.sock");
  }

  public Path hookSocket() {
    return runDirectory.resolve("hook.sock");
  }

  /** Mapped maps of what differs between the legs of disks. */
  public Path mirrorsDirectory() {
    return runDirectory.resolve("mirrors");
  }

  /** What is known of the legs of disks whose guests ran here. */
  public Path mirrorLedger() {
    return stateDirectory.resolve("mirror-records");
  }

  /** Mapped tables of requests in flight, one per disk. */
  public Path inflightDirectory() {
    return runDirectory.resolve("inflight");
  }

  /** Where disks and what is to become them may differ. */
  public Path differencesDirectory() {
    return runDirectory.resolve("differences");
  }

  private static ImmutableList<PeerAddress> peers(TomlTable top) throws ConfigurationException {
    ImmutableList.Builder<PeerAddress> peers = ImmutableList.builder();
    Set<String> names = new HashSet<>();
    for (TomlTable table : top.tables("peer")) {
      String name = table.required("name");
      Optional<String> address = table.text("address");
      if (!names.add(name)) {
        throw table.error("name", "another name for each peer", name + " twice");
      }
      try {
        peers.add(PeerAddress.parse(name, address.orElse(name)));
      } catch (IllegalArgumentException e) {
        throw table.error("address", e.getMessage());
      }
      table.finish();
    }
    return peers.build();
  }

  private static ImmutableMap<String, VolumePool> pools(TomlTable top)
      throws ConfigurationException {
    Map<String, VolumePool> pools = new LinkedHashMap<>();
    for (TomlTable table : top.tables("pool")) {
      String name = table.required("name");
      Path directory = table.path("directory", null);
      if (directory == null) {
        throw table.error("name", "pool " + name + " needs a directory (\"/srv/pool\")");
      }
      if (!directory.isAbsolute()) {
        throw table.error("directory", "a path from the root", directory.toString());
      }
      VolumePool pool = new VolumePool(directory, table.duration("delete-moved"));
      if (pools.put(name, pool) != null) {
        throw table.error("name", "another name for each pool", name + " twice");
      }
      table.finish();
    }
    return ImmutableMap.copyOf(pools);
  }

  private static TlsFiles tls(TomlTable table) throws ConfigurationException {
    // One certificate may do both; libvirt's layout has one for each side.
    Path certificate = table.path("certificate", null);
    Path key = table.path("key", null);
    TlsFiles libvirt = LIBVIRT_TLS;
    TlsFiles tls =
        new TlsFiles(
            table.path("ca", libvirt.authority()),
            table.path("server-certificate", either(certificate, libvirt.serverCertificate())),
            table.path("server-key", either(key, libvirt.serverKey())),
            table.path("client-certificate", either(certificate, libvirt.clientCertificate())),
            table.path("client-key", either(key, libvirt.clientKey())));
    table.finish();
    return tls;
  }

  private static Timeouts timeouts(TomlTable table) throws ConfigurationException {
    ImmutableMap.Builder<String, Duration> changed = ImmutableMap.builder();
    String last = "hook";
    for (String name : Timeouts.NAMES) {
      Optional<Duration> value = table.duration(name);
      if (value.isPresent()) {
        changed.put(name, value.get());
        last = name;
      }
    }
    try {
      return Timeouts.defaultsExcept(changed.buildOrThrow());
    } catch (IllegalArgumentException e) {
      throw table.error(last, e.getMessage());
    }
  }

  private static StockDiskPolicy stockDisks(TomlTable table) throws ConfigurationException {
    String key = "unanswered";
    String found = table.text(key).orElse("abort");
    table.finish();
    return switch (found) {
      case "abort" -> StockDiskPolicy.ABORT;
      case "wait" -> StockDiskPolicy.WAIT;
      case "ignore" -> StockDiskPolicy.IGNORE;
      default -> throw table.error(key, "\"abort\", \"wait\" or \"ignore\"", found);
    };
  }

  private static Waits waits(TomlTable table) throws ConfigurationException {
    Waits otherwise = Waits.DEFAULT;
    return new Waits(
        table.duration("armed").orElse(otherwise.armed()),
        table.duration("ready").orElse(otherwise.ready()),
        table.duration("unbind").orElse(otherwise.unbind()));
  }

  private static Optional<Path> trace(TomlTable table) throws ConfigurationException {
    Optional<Path> directory = table.path("directory");
    table.finish();
    return directory;
  }

  private static HostAndPort address(TomlTable table, String key, String text)
      throws ConfigurationException {
    try {
      return HostPorts.parse(text, PeerAddress.DEFAULT_PORT);
    } catch (IllegalArgumentException e) {
      throw table.error(key, "an address such as \"hostb:16515\"", text);
    }
  }

  private static Path either(Path first, Path second) {
    return first == null ? second : first;
  }

  /** What hostname(1) prints, up to the first dot: how peers usually call this host. */
  private static String hostName() throws ConfigurationException {
    try {
      return Files.readString(Path.of("/proc/sys/kernel/hostname")).strip().split("\\.", 2)[0];
    } catch (IOException e) {
      throw new ConfigurationException("this host's name is not known: set name in [daemon]", e);
    }
  }
}

package io.netchannel.rehearsal.host;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.Migration;
import io.netchannel.coordinator.Migrations;
import io.netchannel.coordinator.peer.PeerServer;
import io.netchannel.coordinator.peer.Peers;
import io.netchannel.daemon.ConfigurationException;
import io.netchannel.daemon.ControlEndpoint;
import io.netchannel.daemon.DaemonConfiguration;
import io.netchannel.daemon.DiskDefinitions;
import io.netchannel.daemon.Host;
import io.netchannel.daemon.HostStorage;
import io.netchannel.device.Devices;
import io.netchannel.libvirt.HookEndpoint;
import io.netchannel.libvirt.HookReply;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsException;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.UnaryOperator;

/**
 * A model of a host: an embedded hypervisor, and on it a whole netchanneld with its configuration
 * file, certificates, sockets and journal, which may be restarted.
 */
public final class ModelHost implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String name;
  private final Path configurationFile;
  private final UnaryOperator<Devices> wrapDevices;
  private final ExecutorService interrupts =
      Executors.newCachedThreadPool(
          task -> {
            Thread thread = new Thread(task, "xen-events");
            thread.setDaemon(true);
            return thread;
          });
  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(interrupts);
  private final Libxl libxl = new Libxl(hypervisor);

  /** Parts of the daemon that runs; closed in the opposite order. */
  private final Deque<AutoCloseable> opened = new ArrayDeque<>();

  /** What its libvirt has of the domains. */
  private DiskDefinitions definitions = DiskDefinitions.NONE;

  private DaemonConfiguration configuration;
  private Host host;

  /**
   * A host without a daemon.
   *
   * @param configurationFile its netchannel.toml
   * @param wrapDevices for tests: puts something around every device
   */
  public ModelHost(String name, Path configurationFile, UnaryOperator<Devices> wrapDevices) {
    this.name = name;
    this.configurationFile = configurationFile;
    this.wrapDevices = wrapDevices;
  }

  /** Gives it a libvirt that knows its domains; before a daemon starts. */
  public void definitions(DiskDefinitions given) {
    definitions = given;
  }

  public String name() {
    return name;
  }

  EmbeddedHypervisor hypervisor() {
    return hypervisor;
  }

  Libxl libxl() {
    return libxl;
  }

  /** Starts the daemon with what the configuration file says now: {@code systemctl start}. */
  public void startDaemon() throws IOException {
    try {
      configuration = DaemonConfiguration.read(configurationFile);
      Files.createDirectories(configuration.runDirectory());
      Files.createDirectories(configuration.stateDirectory());
      open();
    } catch (ConfigurationException | JournalException | TlsException e) {
      stopDaemon();
      throw new IOException(
          "%s: netchanneld does not start: %s".formatted(name, e.getMessage()), e);
    } catch (IOException | RuntimeException e) {
      stopDaemon();
      throw e;
    }
  }

  private void open() throws IOException, JournalException, TlsException {
    XenStore store = opened(hypervisor.xenStore(0));
    GrantTable grants = opened(hypervisor.grantTable(0));
    EventChannels events = opened(hypervisor.eventChannels(0));
    HostTls tls = new HostTls(configuration.tls());
    HostStorage storage = opened(HostStorage.open(configuration, Optional.of(tls)));
    Devices devices = wrapDevices.apply(storage.devices());
    Peers peers = opened(new Peers(name, tls, configuration.peers()));
    ScheduledExecutorService reconnects = Executors.newSingleThreadScheduledExecutor();
    opened.push(reconnects::shutdownNow);
    long startedNanos = System.nanoTime();
    host =
        opened(
            Host.open(
                new Host.Parts(
                    configuration,
                    store,
                    grants,
                    opened(hypervisor.foreignMemory()),
                    events,
                    hypervisor.domainStates(),
                    devices,
                    storage.usb(),
                    storage.stayingUsb(),
                    storage.volumes(),
                    definitions,
                    (domid, devid) -> false,
                    peers.all(),
                    peers::health,
                    Clock.systemUTC(),
                    System::nanoTime,
                    startedNanos,
                    UUID::randomUUID)));
    storage.listenToOthers();
    peers.start(reconnects);
    opened(
        new PeerServer(
            name,
            new InetSocketAddress(
                configuration.listen().getHost(), configuration.listen().getPort()),
            tls,
            configuration.peers(),
            host.peerService(),
            storage.volumes()));
    opened(HookEndpoint.listen(configuration.hookSocket(), host.hooks()));
    opened(ControlEndpoint.open(configuration.controlSocket(), storage.control(host.control())));
  }

  /** Ends the daemon; what it serves waits for the next one. Idempotent. */
  public void stopDaemon() throws IOException {
    while (!opened.isEmpty()) {
      try {
        opened.pop().close();
      } catch (Exception e) {
        throw new IOException(name + ": netchanneld does not end: " + e.getMessage(), e);
      }
    }
    host = null;
  }

  /** Calls the hook as libvirtd does; libvirt percent-encodes nothing, our script does. */
  public HookReply hook(String domain, String operation, String subOperation, String xml)
      throws IOException {
    String call = "hook %s %s %s -\n%s".formatted(domain, operation, subOperation, xml);
    String reply = UnixCall.exchange(configuration.hookSocket(), call);
    int end = reply.indexOf('\n');
    if (end < 0) {
      throw new IOException("%s: hook %s: no answer".formatted(name, operation));
    }
    return new HookReply(
        Integer.parseInt(reply.substring(0, end)), reply.substring(end + 1).strip());
  }

  /** What {@code netchannel devices} gets. */
  public JsonNode devices() throws IOException {
    return command("{\"command\":\"devices\"}");
  }

  /**
   * What the command line gets.
   *
   * @param request a line of JSON, as {@code ControlClient} sends it
   * @throws IOException also when it is refused, with the reason
   */
  public JsonNode command(String request) throws IOException {
    JsonNode reply =
        JSON.readTree(UnixCall.exchange(configuration.controlSocket(), request + "\n"));
    if (!reply.path("ok").asBoolean()) {
      throw new IOException(name + ": " + reply.path("error").asText());
    }
    return reply.path("result");
  }

  /** The migration that this host has begun last. */
  public Optional<Migration> lastMigration() {
    return migrations().list().stream().findFirst();
  }

  public Migrations migrations() {
    return host.coordinator().migrations();
  }

  /** Where the mid-points of this host trace what they do, when they do. */
  public Optional<Path> traceFile(DomainDefinition definition) {
    return configuration
        .traceDirectory()
        .map(
            directory ->
                directory.resolve(definition.name() + "-" + definition.target() + ".jsonl"));
  }

  /** Domids with backends of ours that are still in xenstore. */
  public List<String> backends() {
    return libxl.backends();
  }

  /** Domains that are destroyed and whose pages somebody still uses. */
  public List<Integer> zombies() {
    return hypervisor.zombies();
  }

  @Override
  public void close() throws IOException {
    stopDaemon();
    interrupts.shutdownNow();
  }

  private <T extends AutoCloseable> T opened(T part) {
    opened.push(part);
    return part;
  }
}

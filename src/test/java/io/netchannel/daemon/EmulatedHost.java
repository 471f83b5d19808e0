package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.PeerService;
import io.netchannel.coordinator.Timeouts;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.libvirt.HookCall;
import io.netchannel.libvirt.HookReply;
import io.netchannel.xen.Domains;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/** A host on the embedded hypervisor: its daemon, and what libxl and libvirt do around it. */
final class EmulatedHost implements AutoCloseable {
  private final String name;
  private final ExecutorService executor = Executors.newCachedThreadPool();
  private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(executor);
  private final FailingStore store = new FailingStore(hypervisor.xenStore(0));

  /** The daemon's: the kernel closes them when its process has ended. */
  private GrantTable grants = hypervisor.grantTable(0);

  private EventChannels events = hypervisor.eventChannels(0);
  private final DeviceOpener devices;

  /** What its libvirt would do; before a daemon starts. */
  private UsbOpener usb = new UsbOpener(ImmutableMap.of(), ImmutableMap.of());

  private StayingUsb staying = new StayingUsb(usb, EmulatedHost::noServer);

  private DiskDefinitions definitions = DiskDefinitions.NONE;

  private final DaemonConfiguration configuration;
  private final List<DirectPeer> peers;

  /** Disks that the kernel's blkback has, "domid/devid". */
  private final Set<String> blkback = ConcurrentHashMap.newKeySet();

  /** How often the daemon has looked at the state of a domain, by domid. */
  private final ConcurrentHashMap<Integer, AtomicInteger> looks = new ConcurrentHashMap<>();

  private volatile Host daemon;

  private final class CountedDomains implements Domains {
    private final Domains real;

    CountedDomains(Domains real) {
      this.real = real;
    }

    @Override
    public boolean canTell() {
      return real.canTell();
    }

    @Override
    public State state(int domid) {
      State state = real.state(domid);
      looks.computeIfAbsent(domid, id -> new AtomicInteger()).incrementAndGet();
      return state;
    }

    @Override
    public void close() {
      real.close();
    }
  }

  int looksAt(EmbeddedDomain domain) {
    AtomicInteger counted = looks.get(domain.domid());
    return counted == null ? 0 : counted.get();
  }

  EmulatedHost(
      String name, Path directory, ImmutableMap<String, String> faults, DirectPeer... peers) {
    this(
        name,
        directory,
        faults,
        new DeviceOpener(),
        Timeouts.DEFAULTS,
        DaemonConfiguration.Waits.DEFAULT,
        peers);
  }

  /** With devices of a test's own; closed with it. */
  EmulatedHost(
      String name,
      Path directory,
      ImmutableMap<String, String> faults,
      DeviceOpener devices,
      DirectPeer... peers) {
    this(
        name,
        directory,
        faults,
        devices,
        Timeouts.DEFAULTS,
        DaemonConfiguration.Waits.DEFAULT,
        peers);
  }

  /** Likewise, with bounds of a test's own. */
  EmulatedHost(
      String name,
      Path directory,
      ImmutableMap<String, String> faults,
      DeviceOpener devices,
      Timeouts timeouts,
      DaemonConfiguration.Waits waits,
      DirectPeer... peers) {
    this.name = name;
    this.devices = devices;
    this.peers = ImmutableList.copyOf(peers);
    DaemonConfiguration defaults = DaemonConfiguration.defaults(name);
    configuration =
        new DaemonConfiguration(
            name,
            true,
            defaults.listen(),
            directory.resolve(name + "/run"),
            directory.resolve(name + "/state"),
            ImmutableList.of(),
            defaults.tls(),
            timeouts,
            defaults.stockDisks(),
            waits,
            Optional.of(directory.resolve(name + "/trace")),
            faults,
            false,
            ExportSettings.NONE,
            defaults.memory(),
            defaults.pools());
  }

  /** Without a server: no other host reaches its devices. */
  void usb(UsbOpener given) {
    usb(given, new StayingUsb(given, EmulatedHost::noServer));
  }

  void usb(UsbOpener given, StayingUsb reachable) {
    usb = given;
    staying = reachable;
  }

  private static HostExports noServer() throws IOException {
    throw new IOException("there is none");
  }

  void definitions(DiskDefinitions given) {
    definitions = given;
  }

  /** Starts the daemon, in place of the one that ran before. */
  Host startDaemon() throws Exception {
    stopDaemon();
    daemon =
        Host.open(
            new Host.Parts(
                configuration,
                store,
                grants,
                hypervisor.foreignMemory(),
                events,
                new CountedDomains(hypervisor.domainStates()),
                devices,
                usb,
                staying,
                VolumePools.NONE,
                definitions,
                (domid, devid) -> {
                  String key = domid + "/" + devid;
                  if (!store.exists("/local/domain/0/backend/vbd/" + key)) {
                    blkback.remove(key);
                  }
                  return blkback.contains(key);
                },
                peers,
                bound -> peers.stream().map(DirectPeer::health).toList(),
                Clock.systemUTC(),
                System::nanoTime,
                System.nanoTime(),
                UUID::randomUUID));
    return daemon;
  }

  void stopDaemon() {
    if (daemon != null) {
      daemon.close();
      daemon = null;
      events.close();
      grants.close();
      events = hypervisor.eventChannels(0);
      grants = hypervisor.grantTable(0);
    }
  }

  PeerService peerService() {
    Host running = daemon;
    return running == null ? null : running.peerService();
  }

  Host daemon() {
    return daemon;
  }

  FailingStore store() {
    return store;
  }

  EmbeddedHypervisor hypervisor() {
    return hypervisor;
  }

  HookReply hook(String domain, String operation, String subOperation, String xml) {
    return daemon.hooks().handle(new HookCall(domain, operation, subOperation, "-", xml));
  }

  void hookOk(String domain, String operation, String subOperation, String xml) {
    HookReply reply = hook(domain, operation, subOperation, xml);
    assertThat(reply.exitCode()).as("%s %s: %s", name, operation, reply.message()).isZero();
  }

  /** What libxl does first for a new domain: its directory with name, vm and an empty device. */
  EmbeddedDomain createDomain(String domainName, UUID uuid) {
    EmbeddedDomain domain = hypervisor.createDomain();
    String path = "/local/domain/" + domain.domid();
    store.transaction(
        nodes -> {
          nodes.mkdir(path);
          nodes.setPermissions(
              path,
              List.of(
                  new XenStorePermission(0, Access.NONE),
                  new XenStorePermission(domain.domid(), Access.READ)));
          nodes.write(path + "/vm", "/vm/" + uuid);
          nodes.write(path + "/name", domainName);
          nodes.mkdir(path + "/device");
          return true;
        });
    domain.introduce();
    return domain;
  }

  /** A phy disk as libxl makes it, before its hotplug script is done. */
  void addLibxlDisk(EmbeddedDomain domain, int devid, Path file) {
    String key = domain.domid() + "/" + devid;
    String frontend = "/local/domain/%d/device/vbd/%d".formatted(domain.domid(), devid);
    String backend = "/local/domain/0/backend/vbd/" + key;
    blkback.add(key);
    store.transaction(
        nodes -> {
          nodes.mkdir(frontend);
          nodes.setPermissions(
              frontend,
              List.of(
                  new XenStorePermission(domain.domid(), Access.NONE),
                  new XenStorePermission(0, Access.READ)));
          nodes.write(frontend + "/backend", backend);
          nodes.write(frontend + "/backend-id", "0");
          nodes.write(frontend + "/virtual-device", Integer.toString(devid));
          nodes.write(frontend + "/state", "1");
          nodes.write(backend + "/frontend", frontend);
          nodes.write(backend + "/params", file.toString());
          nodes.write(backend + "/mode", "w");
          nodes.write(backend + "/state", "2");
          return true;
        });
  }

  void finishHotplug(EmbeddedDomain domain, int devid) {
    store.write(
        "/local/domain/0/backend/vbd/%d/%d/hotplug-status".formatted(domain.domid(), devid),
        "connected");
  }

  boolean isKernels(EmbeddedDomain domain, int devid) {
    return blkback.contains(domain.domid() + "/" + devid);
  }

  static String xml(String domainName, UUID uuid, EmbeddedDomain domain, String devices) {
    return """
    <domain type='xen'%s><name>%s</name><uuid>%s</uuid>
      <metadata>
        <n:devices xmlns:n='https://netchannel.io/domain/1'>%s</n:devices>
      </metadata>
      <devices>
        <disk type='block' device='disk'><driver name='phy'/><source dev='/dev/x'/>
          <target dev='xvda' bus='xen'/></disk>
      </devices>
    </domain>
    """
        .formatted(domain == null ? "" : " id='" + domain.domid() + "'", domainName, uuid, devices);
  }

  /** Everything of ours that xenstore still has. */
  List<String> leftovers() {
    return Stream.of("netchannel", "netchannel-usb")
        .flatMap(type -> store.directory("/local/domain/0/backend/" + type).stream())
        .toList();
  }

  @Override
  public void close() {
    stopDaemon();
    devices.close();
    events.close();
    grants.close();
    store.close();
    executor.shutdownNow();
  }
}

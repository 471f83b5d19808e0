package io.netchannel.daemon;

import com.google.common.collect.ImmutableSet;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.netchannel.coordinator.ConfiguredFaults;
import io.netchannel.coordinator.Coordinator;
import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.Direction;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.coordinator.FaultPoints;
import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.coordinator.Migration;
import io.netchannel.coordinator.MigrationJournal;
import io.netchannel.coordinator.Peer;
import io.netchannel.coordinator.PeerService;
import io.netchannel.coordinator.peer.PeerAddress;
import io.netchannel.coordinator.peer.Peers;
import io.netchannel.device.Devices;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.libvirt.HookHandler;
import io.netchannel.midpoint.ManifestBudget;
import io.netchannel.midpoint.MidPointMemory;
import io.netchannel.server.ServerParts;
import io.netchannel.xen.Domains;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadFactory;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One host's Netchannel, wired from parts: mid-points, coordinator, domain lifecycle. Knows neither
 * sockets nor where Xen is, so that two hosts fit in a process; {@link NetchannelDaemon} puts one
 * on a real host.
 *
 * <p>Closing it is what a restart of the daemon does: nodes, rings and in-flight tables stay, and
 * the next {@code Host} over the same xenstore goes on from there.
 */
public final class Host implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Host.class);

  /**
   * What a host is made of; closing what was passed in stays with the caller.
   *
   * @param usb opens what guests have at their USB ports
   * @param staying what of that stays here when its guest goes
   * @param volumes of this host for disks that come to it
   * @param definitions what libvirt has of the domains
   * @param kernel the kernel's own block backends
   * @param peers the other hosts of the configuration
   * @param health asks them whether they are there, for at most a bound
   * @param startedNanos what {@code nanoTime} said, or would have said, when all this was started
   * @param ids names of new migrations
   */
  public record Parts(
      DaemonConfiguration configuration,
      XenStore store,
      GrantTable grants,
      ForeignMemory foreignMemory,
      EventChannels events,
      Domains domains,
      Devices devices,
      UsbOpener usb,
      StayingUsb staying,
      VolumePools volumes,
      DiskDefinitions definitions,
      KernelBackends kernel,
      Collection<? extends Peer> peers,
      Function<Duration, ? extends List<Peers.Health>> health,
      Clock clock,
      LongSupplier nanoTime,
      long startedNanos,
      Supplier<UUID> ids) {}

  private final MigrationJournal journal;
  private final MidPoints midPoints;
  private final UsbPorts ports;
  private final GuestDevices guests;
  private final ServedAgain servedAgain;
  private final StockDisks stockDisks;
  private final SuspendWatch suspends;
  private final HostDevices devices;
  private final Coordinator coordinator;
  private final DomainLifecycle lifecycle;
  private final ControlCommands control;
  private final DiskJobs jobs;
  private final FollowingDisks following;
  private final JobMetadata metadata;

  /**
   * For what may wait for a peer, a disk or the journal: a thread for each thing that waits. No
   * task is lost for want of a thread: a guest may wait for it.
   */
  private final ExecutorService executor = new PatientPool("coordinator-%d");

  /** For looks at rings and domains while a guest stands still: none of them waits for another. */
  private final ExecutorService looks = new PatientPool("look-%d");

  /** Hands out what is due, and does nothing itself. */
  private final ScheduledExecutorService scheduler =
      Executors.newSingleThreadScheduledExecutor(threads("timer"));

  private Host(Parts parts, MigrationJournal journal, DifferenceMaps maps) {
    DaemonConfiguration configuration = parts.configuration();
    DaemonConfiguration.Waits waits = configuration.waits();
    this.journal = journal;
    MidPointMemory memory =
        new MidPointMemory(
            new BufferBudget(configuration.memory().guestBytes()),
            new ManifestBudget(configuration.memory().manifestBytes()));
    ServedDevice.Environment environment =
        new ServedDevice.Environment(
            parts.store(),
            parts.grants(),
            parts.foreignMemory(),
            parts.events(),
            memory,
            configuration.inflightDirectory(),
            configuration.traceDirectory(),
            parts.clock(),
            parts.nanoTime(),
            this::noteArrival);
    midPoints = new MidPoints(environment, parts.devices());
    Timer lookTimer = new DispatchingTimer(scheduler, looks);
    ports =
        new UsbPorts(
            environment,
            parts.usb(),
            new GuestSuspends(
                parts.store(), parts.domains(), this::isLeaving, lookTimer, parts.nanoTime()));
    guests = new GuestDevices(midPoints, ports);
    stockDisks =
        new StockDisks(
            new StockDisks.Environment(
                parts.store(),
                parts.grants(),
                parts.domains(),
                lookTimer,
                StockDisks.Flush.FSYNC,
                parts.nanoTime()),
            executor);
    suspends = new SuspendWatch(parts.store(), parts.domains(), lookTimer, executor);
    FaultPoints faults = new ConfiguredFaults(configuration.faults());
    MovingPorts movingPorts =
        new MovingPorts(
            parts.store(),
            ports,
            parts.staying(),
            parts.peers().stream().map(Peer::name).collect(ImmutableSet.toImmutableSet()),
            executor);
    devices =
        new HostDevices(
            parts.store(),
            parts.domains(),
            new MovingDisks(parts.store(), midPoints),
            movingPorts,
            guests,
            stockDisks,
            suspends,
            this::isArriving,
            this::stays,
            this::copyOf);
    coordinator =
        new Coordinator(
            configuration.name(),
            journal,
            devices,
            parts.peers(),
            configuration.timeouts(),
            configuration.stockDisks(),
            faults,
            parts.clock(),
            parts.nanoTime(),
            executor,
            parts.ids());
    Timer timer = new DispatchingTimer(scheduler, executor);
    DiskJobStore jobStore = coordinator.jobs();
    metadata =
        new JobMetadata(
            parts.definitions(),
            timer,
            (disk, source) ->
                jobStore.left(disk).stream().anyMatch(left -> left.oldSource().equals(source)));
    jobs =
        new DiskJobs(
            new SwapRunner.Environment(
                parts.devices(),
                jobStore,
                maps,
                memory.buffers(),
                executor,
                timer,
                parts.nanoTime(),
                disk -> coordinator.standing(disk.domain(), disk.target()).generation(),
                new SwitchNotes(parts.devices(), jobStore, this::servedFrom, executor, timer),
                metadata,
                faults),
            midPoints,
            parts.clock(),
            parts.ids());
    midPoints.checkSources(jobs);
    following =
        new FollowingDisks(
            new FollowingDisks.Environment(
                midPoints,
                parts.definitions(),
                parts.devices(),
                parts.volumes(),
                host -> peerAt(parts, host),
                configuration.timeouts().tell(),
                jobs,
                coordinator.jobs(),
                this::arrived,
                executor,
                timer));
    servedAgain = new ServedAgain(parts.nanoTime(), parts.startedNanos());
    CompletableFuture<Void> disksTried =
        midPoints.recover(
            new DiskRecovery(
                parts.devices(),
                jobs,
                coordinator::standing,
                coordinator::claimGeneration,
                timer,
                servedAgain),
            executor);
    CompletableFuture<Void> portsTried =
        ports.recover(
            new PortRecovery(
                ports, coordinator::standing, coordinator::claimGeneration, timer, servedAgain),
            executor);
    servedAgain.allFound();
    servedAgain.awaitFirstTries(CompletableFuture.allOf(disksTried, portsTried));
    jobs.start();
    coordinator.recover();
    coordinator.start(scheduler);
    following.lookAtAll();
    lifecycle =
        new DomainLifecycle(
            parts.store(),
            guests,
            new Placements(
                midPoints,
                ports,
                new InheritedDisks(parts.store(), parts.kernel(), waits.unbind(), parts.nanoTime()),
                coordinator::claimGeneration,
                waits.ready(),
                (device, old, found) -> metadata.name(device, old, found, () -> {})),
            coordinator,
            waits.armed(),
            parts.nanoTime(),
            timer,
            following::look);
    movingPorts.tidyLater(timer, coordinator.migrations());
    lifecycle.lookAtAll(); // a domain may have gone since its disks were found
    control =
        new ControlCommands(
            configuration,
            parts.store(),
            midPoints,
            ports,
            devices,
            lifecycle,
            servedAgain,
            coordinator,
            new DiskJobCommands(jobs, metadata, coordinator.jobs()),
            new StorageMigration(
                new StorageMigration.Environment(
                    configuration.name(),
                    midPoints,
                    parts.definitions(),
                    parts.devices(),
                    parts.volumes(),
                    host -> peerAt(parts, host),
                    configuration.timeouts().prepare(),
                    jobs,
                    coordinator.jobs())),
            following,
            new LegChanges(midPoints, parts.devices(), coordinator.jobs(), metadata, executor),
            parts.health(),
            parts.clock(),
            memory);
  }

  /**
   * Takes up what a daemon before has left, and follows domains from then on.
   *
   * @throws JournalException when the journal cannot be read: nothing is served then
   */
  public static Host open(Parts parts) throws IOException, JournalException {
    DaemonConfiguration configuration = parts.configuration();
    Files.createDirectories(configuration.inflightDirectory());
    DifferenceMaps maps =
        new DifferenceMaps(configuration.differencesDirectory(), ServerParts.bootId());
    MigrationJournal journal =
        MigrationJournal.open(configuration.stateDirectory().resolve("journal"));
    try {
      Host host = new Host(parts, journal, maps);
      log.info(
          "{}: ready with {} disks and {} USB ports",
          configuration.name(),
          host.midPoints.all().size(),
          host.ports.all().size());
      return host;
    } catch (RuntimeException e) {
      journal.close();
      throw e;
    }
  }

  /** Whether a guest of this host waits for a device: nothing that can wait is done meanwhile. */
  public boolean guestWaits() {
    return guests.guestWaits();
  }

  /** The peer of that name, or that is configured with that host. */
  private static Optional<Peer> peerAt(Parts parts, String host) {
    Set<String> names =
        parts.configuration().peers().stream()
            .filter(peer -> peer.host().equalsIgnoreCase(host))
            .map(PeerAddress::name)
            .collect(Collectors.toSet());
    return parts.peers().stream()
        .filter(peer -> peer.name().equalsIgnoreCase(host) || names.contains(peer.name()))
        .<Peer>map(peer -> peer)
        .findFirst();
  }

  private Optional<Instant> arrived(UUID domain) {
    return coordinator.migrations().list().stream()
        .filter(m -> m.direction() == Direction.INCOMING && m.domain().equals(domain))
        .map(m -> m.steps().get(0).at())
        .findFirst();
  }

  /** What the requests of a guest's disk go to; empty when it is not served here. */
  private Optional<String> servedFrom(DeviceKey disk) {
    return midPoints
        .find(disk.domain(), disk.target())
        .filter(ServedDisk::isServing)
        .flatMap(served -> served.details().source());
  }

  /** Told by the coordinator; must not block. */
  private void stays(UUID domain) {
    devices.cameHome(domain);
    jobs.stays(domain);
    following.look(domain);
  }

  /** Asked by the coordinator, of disks that it has begun to take away. */
  private LocalDevices.Copy copyOf(DeviceKey disk) {
    return jobs.copyOf(disk);
  }

  /** Asked by ports, which are there before the coordinator. */
  private boolean isLeaving(UUID domain) {
    Coordinator known = coordinator;
    return known != null
        && known.migrations().active(domain).map(Migration::direction).stream()
            .anyMatch(Direction.OUTGOING::equals);
  }

  /** Asked by the coordinator, which is there before the lifecycle. */
  private boolean isArriving(UUID domain) {
    DomainLifecycle known = lifecycle;
    return known != null && known.isArriving(domain);
  }

  /** What libvirt's hooks call. */
  public HookHandler hooks() {
    return lifecycle;
  }

  /** libvirt is there again: what waits for it is asked at once. */
  public void libvirtIsBack() {
    metadata.again();
  }

  /** Something says that a domain may have ended, libvirt's events for instance. */
  public void lookAtDomains() {
    lifecycle.lookAtAll();
  }

  /** What the command line asks. */
  public ControlEndpoint.Handler control() {
    return control;
  }

  /** What peers call. */
  public PeerService peerService() {
    return coordinator;
  }

  /** Migrations of this host. */
  public Coordinator coordinator() {
    return coordinator;
  }

  /** What the coordinator sees of this host. */
  LocalDevices devices() {
    return devices;
  }

  /** Disks of this host. */
  public MidPoints midPoints() {
    return midPoints;
  }

  /** How far the devices of the daemon before are. */
  ServedAgain servedAgain() {
    return servedAgain;
  }

  /** USB ports of this host's guests. */
  UsbPorts usbPorts() {
    return ports;
  }

  /** Devices of all kinds of this host's guests. */
  GuestDevices guests() {
    return guests;
  }

  @Override
  public void close() {
    lifecycle.close();
    suspends.close();
    stockDisks.close();
    following.close();
    jobs.close();
    metadata.close();
    scheduler.shutdownNow();
    looks.shutdownNow();
    executor.shutdownNow();
    ports.close();
    midPoints.close();
    try {
      journal.close();
    } catch (JournalException e) {
      log.warn("closing the journal: {}", e.getMessage());
    }
  }

  /** Asked by mid-points, which are there before the coordinator; a note waits for no disk. */
  private void noteArrival(UUID domain, String text) {
    Coordinator known = coordinator;
    if (known != null) {
      known.note(domain, text);
    }
  }

  private static ThreadFactory threads(String name) {
    return new ThreadFactoryBuilder().setNameFormat(name).setDaemon(true).build();
  }
}

package io.netchannel.daemon;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.core.CoreConstants;
import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.PeerExports;
import io.netchannel.coordinator.peer.PeerServer;
import io.netchannel.coordinator.peer.Peers;
import io.netchannel.files.DurableFile;
import io.netchannel.libvirt.DomainEvent;
import io.netchannel.libvirt.HookEndpoint;
import io.netchannel.libvirt.LibvirtEvents;
import io.netchannel.threads.LastResort;
import io.netchannel.time.ProcessAge;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsException;
import io.netchannel.xen.Domains;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import io.netchannel.xen.jna.XenHost;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code netchanneld}: a {@link Host} on the Xen below us, with its sockets.
 *
 * <p>Without guests to serve ([daemon] guests = false) it needs neither Xen nor libvirt, and has no
 * socket for hooks.
 *
 * <p>Ends on SIGTERM and leaves the disks of running guests as they are: their requests wait in the
 * rings for the next start, which finds them again. So it does when it cannot go on ({@link
 * LastResort}): then at once, with exit status 3, and systemd starts the next one.
 */
public final class NetchannelDaemon implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(NetchannelDaemon.class);

  /**
   * How a process says that it could not go on: what Java itself ends with when the heap is used up
   * (-XX:+ExitOnOutOfMemoryError of the launcher).
   */
  static final int COULD_NOT_GO_ON = 3;

  /** For the last words. */
  private static final Duration LOG_BOUND = Duration.ofSeconds(2);

  /** What was opened; closed in the opposite order. */
  private final Deque<AutoCloseable> opened = new ArrayDeque<>();

  private NetchannelDaemon() {}

  /**
   * Runs until the process is told to end.
   *
   * @param companion begun when all is served
   * @throws XenException when there is no Xen and guests are to be served, with what is missing
   */
  public static void run(DaemonConfiguration configuration, Companion companion)
      throws IOException, JournalException, InterruptedException {
    CountDownLatch terminated = new CountDownLatch(1);
    LastResort last = LastResort.install(NetchannelDaemon::endAtOnce);
    try (NetchannelDaemon daemon = open(configuration, companion)) {
      Runnable endOfLog = endOfLog();
      Thread ender = new Thread(() -> end(daemon, terminated, endOfLog), "shutdown");
      Runtime.getRuntime().addShutdownHook(ender);
      log.info("{}: netchanneld {} is ready", configuration.name(), ProductVersion.get());
      terminated.await();
    } catch (Error e) {
      LastResort.end("the daemon cannot be started", e); // some threads are there already
      throw e;
    } finally {
      last.close();
    }
  }

  /**
   * As a kill would: nothing is put in order that may be out of it. Guests wait in their rings, and
   * the next daemon recovers their requests from the in-flight tables.
   */
  static void endAtOnce(String what, Throwable why) {
    try {
      Thread end = new Thread(NetchannelDaemon::halt, "end");
      end.setDaemon(true);
      end.start();
    } catch (OutOfMemoryError e) {
      // No thread is to be had: then the log has to take what is said.
    }
    try {
      log.error(
          "{}: netchanneld ends with status {}, running guests wait for the next start",
          what,
          COULD_NOT_GO_ON,
          why);
      if (LoggerFactory.getILoggerFactory() instanceof LoggerContext context) {
        context.stop(); // it is written by a thread of its own
      }
    } finally {
      Runtime.getRuntime().halt(COULD_NOT_GO_ON);
    }
  }

  /** Also when whoever reads the log has stopped to. */
  private static void halt() {
    try {
      Thread.sleep(LOG_BOUND.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    Runtime.getRuntime().halt(COULD_NOT_GO_ON);
  }

  private static void end(NetchannelDaemon daemon, CountDownLatch terminated, Runnable endOfLog) {
    log.info("ending; running guests wait for the next start");
    daemon.close();
    log.info("ended");
    endOfLog.run();
    terminated.countDown();
  }

  /** Logback's own shutdown hook would run beside ours, and what we say of our end be lost. */
  private static Runnable endOfLog() {
    if (LoggerFactory.getILoggerFactory() instanceof LoggerContext context
        && context.getObject(CoreConstants.SHUTDOWN_HOOK_THREAD) instanceof Thread hook) {
      Runtime.getRuntime().removeShutdownHook(hook);
      return context::stop;
    }
    return () -> {};
  }

  private static NetchannelDaemon open(DaemonConfiguration configuration, Companion companion)
      throws IOException, JournalException {
    return open(
        configuration,
        daemon -> configuration.guests() ? daemon.xenBelow() : xenWithoutGuests(configuration),
        companion);
  }

  /** Likewise, on a Xen that need not be the one below us. */
  static NetchannelDaemon open(
      DaemonConfiguration configuration, Function<NetchannelDaemon, Xen> xen, Companion companion)
      throws IOException, JournalException {
    NetchannelDaemon daemon = new NetchannelDaemon();
    try {
      Host host = daemon.openAll(configuration, xen);
      begin(companion, configuration, host).ifPresent(daemon::opened);
      return daemon;
    } catch (IOException | JournalException | RuntimeException e) {
      daemon.close();
      throw e;
    }
  }

  /** Guests are served by now, and go on without it. */
  private static Optional<AutoCloseable> begin(
      Companion companion, DaemonConfiguration configuration, Host host) {
    try {
      return Optional.of(companion.begin(configuration, host));
    } catch (RuntimeException | OutOfMemoryError e) {
      log.warn("what goes on beside the daemon did not begin: {}", e.getMessage(), e);
      return Optional.empty();
    }
  }

  /** In the order of the package's list: what guests wait for first. */
  private Host openAll(DaemonConfiguration configuration, Function<NetchannelDaemon, Xen> below)
      throws IOException, JournalException {
    // For root only, as systemd makes them; without systemd we do.
    DurableFile.makeDirectory(configuration.runDirectory());
    DurableFile.makeDirectory(configuration.stateDirectory());
    Xen xen = below.apply(this);
    Optional<HostTls> certificates = certificates(configuration);
    // Before guests' disks are: some of them are this host's own exports.
    HostStorage storage = opened(HostStorage.open(configuration, certificates));
    HostTls tls = configuration.peers().isEmpty() ? null : certificates.orElse(null);
    Peers peers =
        tls == null ? null : opened(new Peers(configuration.name(), tls, configuration.peers()));
    // Guests wait for their disks: all that these do not need comes after them.
    Host host =
        opened(
            Host.open(
                new Host.Parts(
                    configuration,
                    xen.store(),
                    xen.grants(),
                    xen.foreignMemory(),
                    xen.events(),
                    xen.domains(),
                    storage.devices(),
                    storage.usb(),
                    storage.stayingUsb(),
                    storage.volumes(),
                    configuration.guests() ? DiskDefinitions.LIBVIRT : DiskDefinitions.NONE,
                    KernelBackends.sysfs(KernelBackends.SYSFS),
                    peers == null ? List.of() : peers.all(),
                    peers == null ? bound -> untrusted(configuration) : peers::health,
                    Clock.systemUTC(),
                    System::nanoTime,
                    System.nanoTime() - ProcessAge.now().toNanos(),
                    UUID::randomUUID)));
    storage.listenToOthers();
    if (peers != null) {
      keepConnected(peers);
      listenToPeers(configuration, tls, host, storage.volumes());
    }
    if (configuration.guests()) {
      opened(HookEndpoint.listen(configuration.hookSocket(), host.hooks()));
    }
    // After the hooks': where it is there, everything is.
    opened(ControlEndpoint.open(configuration.controlSocket(), storage.control(host.control())));
    if (configuration.guests()) {
      opened(LibvirtEvents.start(LibvirtEvents.DEFAULT_URI, new DomainsEnd(host)));
    }
    return host;
  }

  /** What a host needs of Xen. */
  record Xen(
      XenStore store,
      GrantTable grants,
      ForeignMemory foreignMemory,
      EventChannels events,
      Domains domains) {}

  private Xen xenBelow() {
    try {
      XenHost xen = opened(XenHost.open());
      return new Xen(xen.store(), xen.grants(), xen.foreignMemory(), xen.events(), xen.domains());
    } catch (XenException e) {
      throw new XenException(
          e.getMessage()
              + "\nA host that only has devices for others needs no Xen: set guests = false in"
              + " [daemon]",
          e);
    }
  }

  /** An empty host in memory: no domain ever shows up there, so none is served. */
  private static Xen xenWithoutGuests(DaemonConfiguration configuration) {
    log.warn(
        "{}: guests of this host are not served, as guests = false in [daemon] says",
        configuration.name());
    EmbeddedHypervisor empty = new EmbeddedHypervisor(Runnable::run);
    return new Xen(
        empty.xenStore(0),
        empty.grantTable(0),
        empty.foreignMemory(),
        empty.eventChannels(0),
        empty.domainStates());
  }

  /**
   * Empty when they cannot be used: then this host takes part in no migration, and neither uses nor
   * has disks over the network. Guests get their other disks all the same; "migrate" is refused in
   * plain words.
   */
  private static Optional<HostTls> certificates(DaemonConfiguration configuration) {
    boolean hasPeers = !configuration.peers().isEmpty();
    if (!hasPeers) {
      log.warn("no [[peer]] is configured: no domain with Netchannel disks can migrate");
    }
    try {
      return Optional.of(new HostTls(configuration.tls()));
    } catch (TlsException e) {
      if (hasPeers) {
        log.error("no domain with Netchannel disks can migrate: {}", e.getMessage());
      } else {
        log.info("no disks of other hosts: {}", e.getMessage());
      }
      return Optional.empty();
    }
  }

  private static List<Peers.Health> untrusted(DaemonConfiguration configuration) {
    return configuration.peers().stream()
        .map(
            peer ->
                new Peers.Health(
                    peer, false, "not asked: this host's certificates cannot be used; see its log"))
        .toList();
  }

  private void keepConnected(Peers peers) {
    ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor();
    opened.push(scheduler::shutdownNow);
    peers.start(scheduler);
  }

  private void listenToPeers(
      DaemonConfiguration configuration, HostTls tls, Host host, PeerExports exports)
      throws IOException {
    InetSocketAddress address =
        new InetSocketAddress(configuration.listen().getHost(), configuration.listen().getPort());
    try {
      PeerServer server =
          opened(
              new PeerServer(
                  configuration.name(),
                  address,
                  tls,
                  configuration.peers(),
                  host.peerService(),
                  exports));
      log.info("{}: listening to peers on port {}", configuration.name(), server.port());
    } catch (TlsException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private <T extends AutoCloseable> T opened(T part) {
    opened.push(part);
    return part;
  }

  /** Idempotent. */
  @Override
  public synchronized void close() {
    while (!opened.isEmpty()) {
      AutoCloseable part = opened.pop();
      try {
        part.close();
      } catch (Exception e) {
        log.warn("closing {}: {}", part.getClass().getSimpleName(), e.toString());
      }
    }
  }

  /** libvirt's events hasten a clean-up that the xenstore watch does anyway. */
  private record DomainsEnd(Host host) implements LibvirtEvents.Listener {
    @Override
    public void connected() {
      host.lookAtDomains();
      host.libvirtIsBack();
    }

    @Override
    public void onEvent(DomainEvent event) {
      switch (event.kind()) {
        case STOPPED, CRASHED, UNDEFINED -> host.lookAtDomains();
        case DEFINED, STARTED, SUSPENDED, RESUMED, SHUTDOWN, PMSUSPENDED, OTHER -> {}
      }
    }
  }
}

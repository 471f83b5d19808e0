package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import io.netchannel.coordinator.PeerMessages.Claim;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import io.netchannel.coordinator.PeerMessages.Timeline;
import io.netchannel.time.Repeated;
import java.time.Clock;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries migrations of this host's domains through their phases. One per host.
 *
 * <p>A start of the daemon is: open the journal, make the coordinator, give every mid-point found
 * in xenstore its {@link #standing}, {@link #recover}, {@link #start}, and only then listen to
 * hooks and peers.
 */
public final class Coordinator implements MigrationHooks, PeerService {
  private static final Logger log = LoggerFactory.getLogger(Coordinator.class);

  /** Bounds are seconds; a tick that finds nothing to do reads a few objects. */
  private static final long TICK_MILLIS = 1_000;

  private final Context context;
  private final MigrationStore store;
  private final DiskJobStore jobs;
  private final DeviceOrders orders;
  private final Outgoing outgoing;
  private final Incoming incoming;
  private final Admission admission;
  private final Migrations migrations;

  /**
   * @param host this host's name, as its peers have it configured
   * @param stockDisks what is done when a guest of this host leaves requests behind
   * @param clock for what people read
   * @param nanoTime of a monotonic clock: bounds, ages and pauses go by it
   * @param executor for questions to several peers at once and for what need not be waited for;
   *     needs a thread for each peer and for each migration that is not over
   * @param ids names of new migrations, unique for ever
   */
  public Coordinator(
      String host,
      MigrationJournal journal,
      LocalDevices devices,
      Collection<? extends Peer> peers,
      Timeouts timeouts,
      StockDiskPolicy stockDisks,
      FaultPoints faults,
      Clock clock,
      LongSupplier nanoTime,
      Executor executor,
      Supplier<UUID> ids) {
    this.store = new MigrationStore(journal, clock, nanoTime);
    this.jobs = new DiskJobStore(store, clock);
    ImmutableMap<String, Peer> byName = ImmutableMap.copyOf(Maps.uniqueIndex(peers, Peer::name));
    this.context =
        new Context(
            host,
            store,
            jobs,
            devices,
            byName,
            timeouts,
            stockDisks,
            faults,
            clock,
            nanoTime,
            executor,
            ids,
            new MigrationLocks(store),
            new Errands<>(executor),
            new Backoffs(nanoTime),
            new Tells(byName, timeouts.tell(), nanoTime, executor, store::told));
    this.orders = new DeviceOrders(context);
    this.outgoing = new Outgoing(context, orders);
    this.incoming = new Incoming(context, orders);
    this.admission = new Admission(context, incoming, outgoing);
    this.migrations = new Migrations(context, incoming, orders);
  }

  /** What to show people. */
  public Migrations migrations() {
    return migrations;
  }

  /** Jobs of this host's disks. */
  public DiskJobStore jobs() {
    return jobs;
  }

  /**
   * A new generation of a disk that starts here, higher than any before; durable when it returns.
   *
   * @throws JournalException when it cannot be made durable: do not serve the disk
   */
  public long claimGeneration(UUID domain, String target) throws JournalException {
    return claimGeneration(domain, target, 0);
  }

  /**
   * As {@link #claimGeneration(UUID, String)}.
   *
   * @param known newest generation that the device itself knows of: other hosts' journals are not
   *     seen here
   */
  public synchronized long claimGeneration(UUID domain, String target, long known)
      throws JournalException {
    orders.forget(domain, target);
    DeviceKey key = new DeviceKey(domain, target);
    long own = store.generation(key).map(Generation::number).orElse(0L);
    long number = Math.max(own, known) + 1;
    store.setGenerations(Map.of(key, Generation.here(number)));
    return number;
  }

  /** What this host may do with a disk, from the journal; for a daemon that has restarted. */
  public Standing standing(UUID domain, String target) {
    Generation generation = store.generation(new DeviceKey(domain, target)).orElse(null);
    Migration in = store.active(Direction.INCOMING, domain).orElse(null);
    Migration out = store.active(Direction.OUTGOING, domain).orElse(null);
    if (in != null && in.phase() != Phase.RESUME) {
      return new Standing(Standing.State.WAITS, generation == null ? 0 : generation.number());
    }
    if (out != null && isSealed(out.phase())) {
      long own =
          out.devices().stream()
              .filter(moved -> moved.target().equals(target))
              .mapToLong(moved -> moved.device().generation())
              .findFirst()
              .orElse(0);
      return new Standing(Standing.State.SEALED, own);
    }
    if (generation == null) {
      return new Standing(Standing.State.UNKNOWN, 0);
    }
    return new Standing(
        generation.isHere() ? Standing.State.SERVES : Standing.State.AWAY, generation.number());
  }

  /**
   * SEAL too, which no restart finds: a disk that begins again within this process would else serve
   * while the others of its guest are sealed and its own manifest is about to be given away.
   */
  private static boolean isSealed(Phase outgoing) {
    return switch (outgoing) {
      case SEAL, HAND_OVER, TAKE_OVER -> true;
      case PREPARE, PRECOPY, REDIRECT, RESUME, COMMIT, ABORT -> false;
    };
  }

  /** Ends or takes up what a crash has left; call once, with the mid-points in their standing. */
  public void recover() {
    outgoing.recover();
    incoming.recover();
  }

  /**
   * Looks after bounds and unfinished migrations from now on, until the scheduler ends. Its thread
   * only hands out what there is to do.
   */
  public void start(ScheduledExecutorService scheduler) {
    var ticking =
        scheduler.scheduleWithFixedDelay(
            Repeated.of("looking after migrations", this::tick),
            TICK_MILLIS,
            TICK_MILLIS,
            TimeUnit.MILLISECONDS);
    log.debug("looking after migrations every {} ms: {}", TICK_MILLIS, !ticking.isDone());
  }

  /**
   * One look; {@link #start} calls it. Waits for nothing: calls of peers and devices are made on
   * the executor, those of each migration and to each peer one after the other.
   */
  public void tick() {
    run("outgoing migrations", outgoing::tick);
    run("incoming migrations", incoming::tick);
    run("messages to peers", () -> context.tells().tick());
    run("announcements", admission::tick);
  }

  /**
   * A tick that throws would be the last one, and a failing part must not keep the others off; each
   * part comes back by a tick.
   */
  private static void run(String what, Runnable part) {
    try {
      part.run();
    } catch (RuntimeException e) {
      log.error("looking after {} failed, will be tried again", what, e);
    }
  }

  /**
   * Notes what has happened to a domain in the newest migration that brought it here, also when
   * that is over; does nothing when there is none.
   */
  public void note(UUID domain, String text) {
    incoming.newest(domain).ifPresent(migration -> store.note(migration.id(), text));
  }

  /**
   * What was given to a host that is gone for good, with all that it had, is this host's again.
   *
   * @throws MigrationRefusedException while that host answers, or when nothing is given
   */
  public void takeBack(Migration migration) throws MigrationRefusedException {
    outgoing.takeBack(migration.id());
  }

  // Hooks of libvirt

  @Override
  public void incomingAnnounced(String domainName) throws MigrationRefusedException {
    admission.announced(domainName);
  }

  @Override
  public boolean incomingStarts(
      String domainName, UUID domain, boolean hasDisks, boolean hasStockDisks)
      throws MigrationRefusedException {
    return admission.starts(domainName, domain, hasDisks, hasStockDisks);
  }

  @Override
  public boolean isIncoming(UUID domain) {
    return store
        .active(Direction.INCOMING, domain)
        .filter(migration -> migration.phase() != Phase.RESUME)
        .isPresent();
  }

  @Override
  public void incomingRestored(UUID domain, int domid, Arrived arrived)
      throws MigrationRefusedException {
    incoming.restored(domain, domid, arrived);
  }

  @Override
  public void domainEnded(UUID domain) {
    run("the arrival of domain " + domain, () -> incoming.domainEnded(domain));
    run("the departure of domain " + domain, () -> outgoing.domainEnded(domain));
  }

  // Calls of peers

  @Override
  public List<ServedDomain> describe(String domainName) {
    return context.devices().domainsNamed(domainName).stream()
        .flatMap(domain -> served(domainName, domain).stream())
        .toList();
  }

  @Override
  public Optional<ServedDomain> describe(UUID domain) {
    return served(domain.toString(), domain);
  }

  private Optional<ServedDomain> served(String name, UUID domain) {
    List<LocalDevices.GuestDevice> devices = context.devices().devicesOf(domain);
    boolean away =
        devices.stream()
            .map(DeviceKey::of)
            .anyMatch(device -> store.generation(device).filter(Generation::isHere).isEmpty());
    List<LocalDevices.StockDisk> stock =
        context.stockDisks() == StockDiskPolicy.IGNORE
            ? List.of()
            : context.devices().stockDisksOf(domain);
    return away || (devices.isEmpty() && stock.isEmpty())
        ? Optional.empty()
        : Optional.of(new ServedDomain(name, domain, devices, stock, jobs.copiesOf(domain)));
  }

  @Override
  public PeerMessages.Prepared prepare(String caller, PeerMessages.Prepare request)
      throws MigrationRefusedException {
    // The one that brought it here is as good as over when its guest has run.
    incoming.tick();
    return outgoing.prepare(caller, request);
  }

  @Override
  public List<SealedDevice> seal(String caller, UUID migration) throws MigrationRefusedException {
    return outgoing.seal(caller, migration);
  }

  @Override
  public CompletableFuture<List<SealedDevice>> sealWhenSuspended(
      String caller, UUID migration, Consumer<SealedDevice> known)
      throws MigrationRefusedException {
    return outgoing.sealWhenSuspended(caller, migration, known);
  }

  @Override
  public List<String> takeOver(String caller, UUID migration, List<Claim> claims)
      throws MigrationRefusedException {
    return outgoing.takeOver(caller, migration, claims);
  }

  @Override
  public PhaseReport abort(String caller, UUID id, String reason) throws MigrationRefusedException {
    Migration migration = find(caller, id).orElse(null);
    if (migration == null) {
      return new PhaseReport(Phase.ABORT, "not known on " + context.host());
    }
    switch (migration.direction()) {
      case OUTGOING -> {
        return outgoing.givenUp(migration, reason);
      }
      case INCOMING -> incoming.abortedBySource(id, reason);
    }
    return report(id);
  }

  @Override
  public PhaseReport commit(String caller, UUID id) throws MigrationRefusedException {
    Migration migration = known(caller, id);
    switch (migration.direction()) {
      case OUTGOING -> {
        return outgoing.committed(migration);
      }
      case INCOMING -> incoming.committedBySource(id);
    }
    return report(id);
  }

  @Override
  public PhaseReport status(String caller, UUID id, UUID domain, Direction asked)
      throws MigrationRefusedException {
    if (find(caller, id).isPresent()) {
      return report(id);
    }
    return switch (asked) {
      case OUTGOING -> new PhaseReport(Phase.ABORT, "not known on " + context.host());
      case INCOMING -> incoming.forswear(caller, id, domain);
    };
  }

  @Override
  public Timeline timeline(String caller, UUID id) throws MigrationRefusedException {
    return new Timeline(context.clock().instant(), Migrations.steps(known(caller, id)));
  }

  private Migration known(String caller, UUID id) throws MigrationRefusedException {
    return find(caller, id)
        .orElseThrow(
            () ->
                new MigrationRefusedException(
                    context.host() + " knows no migration " + id + " with " + caller));
  }

  private PhaseReport report(UUID id) {
    Migration migration = store.get(id);
    boolean ended =
        migration.direction() == Direction.OUTGOING
            && migration.phase() == Phase.TAKE_OVER
            && !context.devices().domainExists(migration.domain());
    String detail = incoming.goesBack(migration).orElse(migration.detail());
    return new PhaseReport(migration.phase(), detail, ended);
  }

  private Optional<Migration> find(String caller, UUID id) {
    return store.find(id).filter(migration -> migration.peer().equals(caller));
  }
}

package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.coordinator.IncomingLooks.Places;
import io.netchannel.coordinator.Migration.MovedDevice;
import io.netchannel.coordinator.PeerMessages.CarriedJob;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.Prepared;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The destination's side: carries a migration through its phases inside hook "started".
 *
 * <p>{@link #run} is the list of its phases, with one failure path, {@link #fail}. What that
 * guarantees: when the hook fails, nothing here touches the disks any more, that is in the journal,
 * and the source has been told or will find out by asking; or, where a device does not stop or the
 * journal cannot be written, all that follows by itself, and until then the guest runs nowhere.
 */
final class Incoming {
  private static final Logger log = LoggerFactory.getLogger(Incoming.class);

  private final Context context;
  private final MigrationStore store;
  private final LocalDevices devices;
  private final DeviceOrders orders;
  private final IncomingEnds ends;
  private final IncomingSeal sealing;
  private final IncomingTakeOver takeOver;
  private final IncomingLooks looks;

  Incoming(Context context, DeviceOrders orders) {
    this.context = context;
    this.store = context.store();
    this.devices = context.devices();
    this.orders = orders;
    this.ends = new IncomingEnds(context);
    this.sealing = new IncomingSeal(context);
    this.takeOver = new IncomingTakeOver(context, sealing);
    this.looks = new IncomingLooks(context);
  }

  /** PREPARE: both sides check every device, then both have the migration in their journals. */
  void prepare(String peerName, PeerMessages.ServedDomain served) throws MigrationRefusedException {
    Migration other = store.active(Direction.INCOMING, served.domain()).orElse(null);
    if (other != null) {
      domainEnded(served.domain());
      if (store.get(other.id()).isActive()) {
        throw context.refused(other, "is not over yet; try again");
      }
    }
    Deadline deadline = context.deadline(context.timeouts().prepare());
    Map<String, Places> places = looks.places(served, deadline);
    // What the disks it had here once have still to do is not for the ones that come.
    orders.forget(served.domain());
    Migration migration =
        Migration.begin(
            context.ids().get(),
            Direction.INCOMING,
            served.name(),
            served.domain(),
            peerName,
            served.devices(),
            context.clock().instant());
    long roomBytes = sealing.makeRoom(migration.id(), served.devices());
    try {
      store.journal().makeRoom();
      Peer source = context.peer(peerName);
      Prepared prepared =
          deadline.ask(
              bound ->
                  source.prepare(
                      new PeerMessages.Prepare(
                          migration.id(),
                          served.name(),
                          served.domain(),
                          served.devices(),
                          roomBytes),
                      bound));
      // That the source has them is written down as well: should this end, no restart of the
      // daemon takes the half-made domain's disks for ones of its own.
      List<MovedDevice> coming = IncomingLooks.coming(migration, prepared, places);
      looks.lookAtPorts(coming, served.name(), deadline);
      store.apply(
          migration.with(coming, jobs(migration, prepared.jobs(), places)),
          Event.PREPARED,
          Migration.count(served.devices(), served.stock().size()) + ", both sides agree",
          Generation.of(migration, d -> d.device().generation(), peerName));
      if (served.stock().isEmpty()) {
        sealing.hasOurDisksOnly(migration.id());
      }
      context.faults().at(Point.DESTINATION_PREPARED);
    } catch (PeerException | MigrationRefusedException | JournalException | RuntimeException e) {
      sealing.forget(migration.id());
      Optional<Migration> known = store.find(migration.id());
      if (known.isPresent()) {
        ends.abort(known.get(), Deadline.words(e));
      } else {
        // The source may have registered it.
        context
            .tells()
            .now(migration.moved(Phase.ABORT, context.clock().instant(), Deadline.words(e)));
      }
      throw context.refused(migration, "cannot begin: " + Deadline.words(e), e);
    }
  }

  /**
   * Those that go on here when the guest is here for good. One whose new device cannot be opened
   * goes on with the disk where that is.
   */
  private List<DiskJob> jobs(
      Migration migration, List<CarriedJob> carried, Map<String, Places> places) {
    ImmutableList.Builder<DiskJob> jobs = ImmutableList.builder();
    for (CarriedJob each : carried) {
      migration.devices().stream()
          .filter(moved -> moved.target().equals(each.target()))
          .map(moved -> moved.device().source())
          .findFirst()
          .map(
              source ->
                  DiskJob.carried(
                      context.ids().get(),
                      context.host(),
                      migration,
                      each,
                      source,
                      context.clock().instant()))
          .ifPresent(
              job -> jobs.add(places.get(each.target()) == Places.DISK ? job.stayed() : job));
    }
    return jobs.build();
  }

  /** SEAL to REDIRECT, then RESUME: hook "started". A hook that is called again goes on. */
  void restored(UUID domain, int domid, MigrationHooks.Arrived arrived)
      throws MigrationRefusedException {
    Migration migration =
        store.active(Direction.INCOMING, domain).orElseThrow(() -> notUnderWay(domain));
    store.note(migration.id(), "hook \"started\"");
    Timeouts timeouts = context.timeouts();
    Deadline hook = context.deadline(timeouts.hook());
    // What is left is for the way back: the source has to hear of a failure.
    Deadline deadline = hook.within(timeouts.hook().minus(timeouts.tell()));
    try (MigrationLocks.Held held = context.locks().lock(migration, deadline.remaining())) {
      migration = held.migration();
      Optional<String> goesBack = ends.givingUp(migration.id());
      if (goesBack.isPresent()) {
        throw context.refused(migration, "goes back: " + goesBack.get());
      }
      switch (migration.phase()) {
        case PRECOPY, SEAL, HAND_OVER, TAKE_OVER, REDIRECT ->
            run(migration, domid, arrived, deadline, hook);
        case RESUME -> log.info("{}: restored again", migration.label());
        case PREPARE, COMMIT, ABORT ->
            throw context.refused(
                migration, "is in phase " + migration.phase() + ": " + migration.detail());
      }
    }
  }

  /**
   * Each phase once. One that is behind us, because the source has sealed early or this daemon was
   * restarted, does nothing; from TAKE_OVER and REDIRECT on, what a restart has undone is done
   * again: the guest has not run, libvirt had no answer.
   */
  private void run(
      Migration entered,
      int domid,
      MigrationHooks.Arrived arrived,
      Deadline deadline,
      Deadline hook)
      throws MigrationRefusedException {
    UUID id = entered.id();
    try {
      Peer source = context.peer(entered.peer());
      arrived.checkPlaced();
      sealing.seal(id, source, deadline); // SEAL, HAND_OVER
      takeOver.takeOver(id, source, deadline); // TAKE_OVER
      takeOver.redirect(id, domid, deadline); // REDIRECT
      arrived.checkReady();
      resume(id); // RESUME
    } catch (PeerException | JournalException | MigrationRefusedException | RuntimeException e) {
      throw fail(store.get(id), e, hook);
    }
  }

  private MigrationRefusedException notUnderWay(UUID domain) {
    return newest(domain)
        .filter(migration -> migration.phase() == Phase.ABORT)
        .map(migration -> context.refused(migration, "was aborted: " + migration.detail()))
        .orElseGet(
            () ->
                new MigrationRefusedException(
                    context.host()
                        + " has no migration of domain "
                        + domain
                        + " under way: it was never announced; migrate it again"));
  }

  /** The last migration that has brought a domain here, or was to. */
  Optional<Migration> newest(UUID domain) {
    return store.all().stream()
        .filter(m -> m.direction() == Direction.INCOMING && m.domain().equals(domain))
        .reduce((earlier, later) -> later);
  }

  /** RESUME: durable before libvirt hears it, as from then on the guest may run here. */
  private void resume(UUID id) throws JournalException {
    store.apply(store.get(id), Event.ANSWERED, "hook answered, the guest may run");
  }

  /** The one failure path; its words are all that libvirt's log has of it. */
  private MigrationRefusedException fail(Migration migration, Exception cause, Deadline hook) {
    String reason = Deadline.words(cause);
    sealing.forget(migration.id());
    String holder = ends.end(migration, reason, hook);
    store.note(migration.id(), holder);
    return context.refused(
        migration, "failed in %s: %s; %s".formatted(migration.phase(), reason, holder), cause);
  }

  /** The domain has ended on this host. */
  void domainEnded(UUID domain) {
    Migration migration = store.active(Direction.INCOMING, domain).orElse(null);
    if (migration == null) {
      return;
    }
    sealing.forget(migration.id());
    try (MigrationLocks.Held held = context.locks().lock(migration, context.timeouts().hook())) {
      ends.ended(held.migration());
    } catch (MigrationRefusedException e) {
      log.warn("{}: its domain has ended, seen to later: {}", migration.label(), e.getMessage());
    }
  }

  /**
   * The domain is about to be on this host anew, after it had come and has ended. Until this host
   * says that it gives its copies up nobody else serves the disks: so they are here for good.
   *
   * @throws MigrationRefusedException when that is not durable
   */
  void comesAgain(UUID domain) throws MigrationRefusedException {
    domainEnded(domain);
    Migration resumed = store.active(Direction.INCOMING, domain).orElse(null);
    if (resumed == null || resumed.phase() != Phase.RESUME || !resumed.hasCopies()) {
      return;
    }
    commit(resumed.id(), "started again on " + context.host());
    if (store.get(resumed.id()).phase() == Phase.RESUME) {
      throw context.refused(resumed, "is not over yet; try again");
    }
  }

  /** Whether the migration that brings this domain goes on; ends it here when not. */
  boolean isExpected(Migration migration) throws MigrationRefusedException {
    try (MigrationLocks.Held held = context.locks().lock(migration, context.timeouts().prepare())) {
      PhaseReport report =
          context
              .deadline(context.timeouts().prepare())
              .ask(
                  bound ->
                      context
                          .peer(migration.peer())
                          .status(migration.id(), migration.domain(), Direction.OUTGOING, bound));
      boolean goesOn =
          switch (report.phase()) {
            case PRECOPY, SEAL, HAND_OVER -> true;
            case PREPARE, TAKE_OVER, REDIRECT, RESUME, COMMIT, ABORT -> false;
          };
      if (goesOn) {
        if (held.migration().phase() == Phase.PRECOPY) {
          sealing.park(held.migration());
        }
        return true;
      }
      sealing.forget(migration.id());
      String holder =
          ends.end(
              held.migration(), migration.peer() + " says " + report.detail(), ends.unhurried());
      log.info("{}: {}", migration.label(), holder);
      return false;
    } catch (PeerException e) {
      throw context.refused(migration, "cannot be checked: " + e.getMessage(), e);
    }
  }

  /** The source will not go on with it. */
  void abortedBySource(UUID id, String reason) {
    // When it is busy it finds out by its own next call.
    context
        .locks()
        .ifFree(
            id,
            migration -> {
              switch (migration.phase()) {
                case PRECOPY, SEAL, HAND_OVER -> {
                  sealing.forget(id);
                  ends.abort(migration, migration.peer() + ": " + reason);
                }
                case PREPARE, TAKE_OVER, REDIRECT, RESUME, COMMIT, ABORT -> {}
              }
            });
  }

  /** The source has let go, or will when this host commits. */
  void committedBySource(UUID id) {
    store.find(id).ifPresent(known -> commit(id, "released by " + known.peer()));
  }

  private void commit(UUID id, String reason) {
    context
        .locks()
        .ifFree(
            id,
            migration -> {
              if (migration.phase() == Phase.RESUME && ends.givingUp(id).isEmpty()) {
                ends.commit(migration, reason);
              }
            });
  }

  /** A source asks about a migration that is not in the journal: from now on it is, as aborted. */
  PhaseReport forswear(String caller, UUID id, UUID domain) throws MigrationRefusedException {
    if (devices.domainExists(domain)) {
      throw new MigrationRefusedException(
          context.host()
              + " knows no migration "
              + id
              + " but has its domain "
              + domain
              + "; look where the guest runs before anything is done by hand");
    }
    if (store.isElsewhereThanAt(caller, domain)) {
      throw new MigrationRefusedException(
          "%s knows no migration %s, but has had the disks of its domain %s since then; look where they are before anything is done by hand"
              .formatted(context.host(), id, domain));
    }
    Migration unknown =
        Migration.begin(
            id,
            Direction.INCOMING,
            domain.toString(),
            domain,
            caller,
            List.of(),
            context.clock().instant());
    try {
      Migration aborted = store.apply(unknown, Event.ABORTED, "not known on " + context.host());
      return new PhaseReport(aborted.phase(), aborted.detail());
    } catch (JournalException e) {
      throw context.refused(unknown, e.getMessage(), e);
    }
  }

  /**
   * What a crash left is taken up by the hook that comes next, or by {@link #tick}: in HAND_OVER
   * N+1 is asked for, in TAKE_OVER once more.
   */
  void recover() {
    for (Migration migration : store.active(Direction.INCOMING)) {
      log.warn("{}: in {} before a restart", migration.label(), migration.phase());
    }
    store.untold().forEach(context.tells()::later);
  }

  /** Sees to bounds and to what a crash or a lost message left. */
  void tick() {
    sealing.forgetOver();
    for (Migration active : store.active(Direction.INCOMING)) {
      context
          .errands()
          .run(active.id(), () -> context.locks().ifFree(active.id(), this::lookAfter));
    }
  }

  private void lookAfter(Migration migration) {
    Timeouts timeouts = context.timeouts();
    Duration age = store.age(migration);
    if (ends.givingUp(migration.id()).isPresent()) {
      ends.goOnGivingUp(migration);
      return;
    }
    boolean exists = devices.domainExists(migration.domain());
    switch (migration.phase()) {
      case PRECOPY -> {
        if (age.compareTo(timeouts.prepared()) > 0) {
          neverComes(migration, "not restored within " + timeouts.prepared());
        }
      }
      case SEAL, HAND_OVER -> {
        // No hook is at it. The domain was made before its guest could be suspended.
        if (!exists && age.compareTo(timeouts.tell()) > 0) {
          neverComes(migration, "the domain has gone from " + context.host());
        } else if (age.compareTo(timeouts.prepared()) > 0) {
          neverComes(migration, "not restored within " + timeouts.prepared());
        }
      }
      case TAKE_OVER, REDIRECT -> {
        // The hook is over without an answer, and libvirt does not let the guest run.
        if (!exists || age.compareTo(timeouts.hook()) > 0) {
          ends.beginToGiveUp(migration, "the hook did not finish on " + context.host());
        }
      }
      case RESUME -> {
        if (!exists) {
          if (!migration.hasCopies() || context.backoff().isDue(migration.id())) {
            ends.hasEnded(migration);
          }
        } else if (devices.guestHasRun(migration.domain())) {
          ends.commit(migration, "the guest runs here");
        } else if (context.backoff().isDue(migration.id())
            && ends.sourceSays(migration)
                .filter(says -> says.phase() == Phase.COMMIT)
                .isPresent()) {
          ends.commit(migration, "released by " + migration.peer());
        } else if (migration.devices().isEmpty() && age.compareTo(timeouts.hook()) > 0) {
          // Nothing here or there depends on it, and nobody sees its requests.
          ends.commit(migration, "the guest has stock disks only");
        }
      }
      case PREPARE, COMMIT, ABORT -> {}
    }
  }

  private void neverComes(Migration migration, String reason) {
    sealing.forget(migration.id());
    ends.abort(migration, reason);
  }

  /** Why a migration is not over although it has failed, for people; empty when that is not so. */
  Optional<String> goesBack(Migration migration) {
    return ends.givingUp(migration.id());
  }

  /** Ends a migration that has not begun to bring a domain, when there is one. */
  void neverComes(UUID domain, String reason) {
    store
        .active(Direction.INCOMING, domain)
        .ifPresent(
            active ->
                context
                    .locks()
                    .ifFree(
                        active.id(),
                        migration -> {
                          if (migration.phase() == Phase.PRECOPY) {
                            neverComes(migration, reason);
                          }
                        }));
  }
}

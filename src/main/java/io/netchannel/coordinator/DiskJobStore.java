package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * All jobs of this host; the one place where a job changes its phase. Follows {@link
 * JobTransitions}: the journal is written before anybody sees the new phase. From any thread.
 *
 * <p>What a job leaves behind at the server of a device is in the very record that makes it left,
 * and stays there until the server has been {@link #told}.
 *
 * <p>No disk is switched while its guest migrates, as both hosts have agreed on the disks; nor does
 * a migration begin between a switch and its end, as the domain's XML would still name the old
 * device. Both are decided under the lock of {@link MigrationStore}.
 */
public final class DiskJobStore {
  private static final Logger log = LoggerFactory.getLogger(DiskJobStore.class);

  private final MigrationStore migrations;
  private final MigrationJournal journal;
  private final Clock clock;

  /** By job: who waits for the end of a switch. Guarded by this, as is every change of a job. */
  private final Map<UUID, CompletableFuture<Void>> ends = new LinkedHashMap<>();

  /** By job, of those that are not over; guarded by this. */
  private final Map<UUID, Storages> storages = new LinkedHashMap<>();

  private record Storages(Optional<UUID> old, Optional<UUID> next) {
    static final Storages UNKNOWN = new Storages(Optional.empty(), Optional.empty());
  }

  DiskJobStore(MigrationStore migrations, Clock clock) {
    this.migrations = migrations;
    this.journal = migrations.journal();
    this.clock = clock;
  }

  /** Newest first: all that are not over, and the last ones that are. */
  public ImmutableList<DiskJob> all() {
    return journal.jobs().reverse();
  }

  /** The job of a disk that is not over; there is at most one. */
  public Optional<DiskJob> active(DeviceKey disk) {
    return all().stream().filter(job -> job.isActive() && job.disk().equals(disk)).findFirst();
  }

  /** Empty when it has been over for so long that it is forgotten. */
  public Optional<DiskJob> find(UUID id) {
    return journal.job(id);
  }

  /** Where a disk was switched to, last, for who has an old description of its domain. */
  public Optional<Moved> moved(DeviceKey disk) {
    return left(disk).stream().reduce((before, newest) -> newest);
  }

  /** What a disk was switched away from and is out of date since, the newest last. */
  public ImmutableList<Moved> left(DeviceKey disk) {
    return journal.moved(disk);
  }

  /**
   * Which storages a job is about, as they are now: known to the next start when it has switched.
   * In memory only.
   */
  public synchronized void storages(UUID job, Optional<UUID> old, Optional<UUID> next) {
    storages.put(job, new Storages(old, next));
  }

  /** What {@link #storages} was told of it is of no use any more. */
  public synchronized void neverBegun(UUID job) {
    storages.remove(job);
  }

  /**
   * A disk has come from another host, where it was switched to this source: what was the disk
   * here, as far as is known, is out of date too. Durable when it returns.
   */
  public synchronized void arrived(
      DeviceKey disk, String domainName, String source, Optional<UUID> storage)
      throws JournalException {
    Moved last = moved(disk).orElse(null);
    if (last != null && !last.newSource().equals(source)) {
      journal.put(
          JournalRecord.of(
              new Moved(
                  disk,
                  domainName,
                  last.newSource(),
                  source,
                  clock.instant(),
                  last.newStorage(),
                  storage)));
    }
  }

  /**
   * Begins one; durable when it returns.
   *
   * @throws JobRefusedException when its disk has one, or its guest migrates
   */
  public synchronized void begin(DiskJob job) throws JournalException, JobRefusedException {
    journal.makeRoom();
    migrations.putUnlessMigrating(
        job.disk().domain(),
        JournalRecord.of(job, Optional.empty()),
        () -> {
          DiskJob other = active(job.disk()).orElse(null);
          if (other != null) {
            throw new JobRefusedException(
                "%s has a job already, to %s".formatted(other.label(), other.newSource()));
          }
        });
    log.info("{}: job to {} begun", job.label(), job.newSource());
  }

  /**
   * A newer generation of a disk that a job is about to begin for; durable when it returns.
   *
   * @param known newest generation that the new device knows of
   * @throws JobRefusedException while its guest migrates, with the one it has
   */
  public long claimGeneration(DeviceKey disk, long known)
      throws JournalException, JobRefusedException {
    return migrations.claimUnlessMigrating(disk, known);
  }

  /** Changes what a person may change; durable when it returns. */
  public synchronized DiskJob set(DiskJob job, DiskJob.Settings settings) throws JournalException {
    DiskJob changed = newest(job).with(settings);
    journal.put(JournalRecord.of(changed, Optional.empty()));
    return changed;
  }

  /**
   * The new device becomes the disk; durable when it returns, and then it is known for good where
   * the disk has gone.
   *
   * @throws UncertainJournalException when only a restart finds out which one is the disk
   * @throws JobRefusedException while its guest migrates
   */
  public synchronized DiskJob switched(DiskJob job) throws JournalException, JobRefusedException {
    DiskJob next = next(job, JobEvent.SWITCHED, "the disk is " + job.newSource());
    Storages known = storages.getOrDefault(job.id(), Storages.UNKNOWN);
    Moved moved = job.left(next.switched().orElseThrow(), known.old(), known.next());
    migrations.putUnlessMigrating(
        job.disk().domain(),
        JournalRecord.of(next, Optional.of(moved)),
        () -> {
          Generation generation = migrations.generation(job.disk()).orElse(null);
          if (generation != null && !generation.isHere()) {
            throw new JobRefusedException(
                "%s: its guest has gone to %s".formatted(job.label(), generation.holder()));
          }
        });
    log.info("{}: {}", next.label(), next.reason());
    return next;
  }

  /**
   * A person gives one up; durable when it returns, so that no restart takes it up again.
   *
   * @return whether it is given up; false when it is switched, given or over
   */
  public synchronized boolean abort(DiskJob job, String reason) throws JournalException {
    if (!isCopying(job) || isGiven(job) || hasLeft(job)) {
      return false;
    }
    DiskJob next = next(job, JobEvent.ABORTED, reason);
    journal.put(JournalRecord.of(next, Optional.empty()));
    log.info("{}: {}: {}", next.label(), next.phase(), reason);
    return true;
  }

  /**
   * It is over, in memory at least. Nothing when it was before; nor when it would be given up, and
   * its disk is given, or has gone, with the new device: then it is still active.
   */
  public synchronized DiskJob end(DiskJob job, JobEvent event, String reason) {
    DiskJob now = newest(job);
    boolean goes = now.phase() == JobPhase.TAKEN_OVER || isGiven(now);
    if (!now.isActive() || (event != JobEvent.FINISHED && goes)) {
      return now;
    }
    DiskJob next = next(job, event, reason);
    try {
      journal.put(JournalRecord.of(next, Optional.empty()));
    } catch (JournalException e) {
      log.error(
          "{}: {} is not in the journal, a restart takes the job up again: {}",
          next.label(),
          next.phase(),
          e.getMessage());
      journal.putVolatile(next);
    }
    log.atLevel(next.phase() == JobPhase.FAILED ? Level.WARN : Level.INFO)
        .log("{}: {}: {}", next.label(), next.phase(), reason);
    storages.remove(job.id());
    CompletableFuture<Void> waited = ends.remove(job.id());
    if (waited != null) {
      var unused = waited.completeAsync(() -> null);
    }
    return next;
  }

  /**
   * Forgets where a disk has gone: all that it was switched away from may be used again, and who is
   * still to be told that it was left is to be told that instead.
   */
  public synchronized void forget(DeviceKey disk) throws JournalException {
    ImmutableList<DiskJob> jobs =
        untold().stream()
            .filter(job -> job.disk().equals(disk) && job.switched().isPresent())
            .map(
                job ->
                    job.with(job.untold().map(was -> new DiskJob.Untold(was.generation(), true))))
            .collect(ImmutableList.toImmutableList());
    if (moved(disk).isPresent() || !jobs.isEmpty()) {
      journal.put(JournalRecord.forgotten(disk, jobs));
    }
  }

  /** Jobs that have left a device whose server is still to be told, newest first. */
  public ImmutableList<DiskJob> untold() {
    return all().stream()
        .filter(job -> job.untold().isPresent())
        .collect(ImmutableList.toImmutableList());
  }

  /**
   * The newest generation with which something is still to be told of a disk; 0 when there is
   * nothing. Who opens a device for it anew takes a newer one, and no such word concerns him.
   */
  public long newestUntold(DeviceKey disk) {
    return untold().stream()
        .filter(job -> job.disk().equals(disk))
        .flatMap(job -> job.untold().stream())
        .mapToLong(DiskJob.Untold::generation)
        .max()
        .orElse(0);
  }

  /**
   * The server of the device that a job has left knows that, or is not to be told: for good, if the
   * journal can be written, else until a restart tells it once more.
   *
   * @param said what it knows
   * @return whether nothing is left to tell; false when a person has said meanwhile that it is to
   *     be told something else
   */
  public synchronized boolean told(UUID id, DiskJob.Untold said) {
    DiskJob job = find(id).filter(known -> known.untold().isPresent()).orElse(null);
    if (job == null) {
      return true;
    }
    if (!job.untold().equals(Optional.of(said))) {
      return false;
    }
    DiskJob told = job.with(Optional.<DiskJob.Untold>empty());
    try {
      journal.put(JournalRecord.of(told, Optional.empty()));
    } catch (JournalException e) {
      log.warn(
          "{}: a restart tells the server of {} once more: {}",
          job.label(),
          job.leftSource(),
          e.getMessage());
      journal.putVolatile(told);
    }
    return true;
  }

  /**
   * Jobs that were found between the switch and their end are told of once more: an older version
   * has not noted that they are to be. Told twice is the same as once.
   */
  public synchronized void tellFound() {
    for (DiskJob job : all()) {
      if (job.phase() == JobPhase.SWITCHED && job.untold().isEmpty()) {
        journal.putVolatile(job.with(untold(job.disk())));
      }
    }
  }

  /** Whether the copies of a disk rest: its guest migrates, or has gone elsewhere. */
  public boolean rests(DeviceKey disk) {
    return migrates(disk) || holder(disk).isPresent();
  }

  /** Whether the guest of a disk migrates, or is about to: it may yet be elsewhere. */
  public boolean migrates(DeviceKey disk) {
    return migrations.migrates(disk.domain());
  }

  /** The host that a disk has gone to; empty when it is here, or was never here. */
  public Optional<String> holder(DeviceKey disk) {
    return migrations.generation(disk).filter(known -> !known.isHere()).map(Generation::holder);
  }

  /**
   * What travels with a guest to a host: jobs that people have begun, and that are not at their
   * end; of those that take a disk along the ones to that host.
   */
  ImmutableList<DiskJob> carriedOf(UUID domain, String host) {
    return all().stream()
        .filter(job -> job.phase() == JobPhase.COPYING && job.disk().domain().equals(domain))
        .filter(job -> !job.origin().follows())
        .filter(job -> !job.origin().goesAlong() || job.origin().goesTo().equals(host))
        .collect(ImmutableList.toImmutableList());
  }

  /** The job by which a disk goes to a host with its guest; empty when there is none. */
  Optional<DiskJob> going(DeviceKey disk, String host) {
    return active(disk)
        .filter(job -> job.phase() == JobPhase.COPYING && job.origin().goesTo().equals(host));
  }

  /** The disks of a domain that are to go with it, to whatever host. */
  ImmutableList<PeerMessages.Copy> copiesOf(UUID domain) {
    return all().stream()
        .filter(job -> job.phase() == JobPhase.COPYING && job.disk().domain().equals(domain))
        .filter(job -> job.origin().goesAlong())
        .map(
            job ->
                new PeerMessages.Copy(job.disk().target(), job.newSource(), job.origin().goesTo()))
        .collect(ImmutableList.toImmutableList());
  }

  /**
   * Whether a host may use its new device alone by now: which one is the disk is decided by the end
   * of its guest's migration.
   */
  public boolean isGiven(DiskJob job) {
    return migrations
        .active(Direction.OUTGOING, job.disk().domain())
        .filter(migration -> migration.phase() == Phase.TAKE_OVER)
        .stream()
        .flatMap(migration -> migration.devices().stream())
        .anyMatch(moved -> moved.key().equals(job.disk()) && moved.copy().equals(job.newSource()));
  }

  /** Whether its guest has been given to another host, which may have the job by now. */
  private boolean hasLeft(DiskJob job) {
    return migrations
        .active(Direction.OUTGOING, job.disk().domain())
        .filter(migration -> migration.phase() == Phase.TAKE_OVER)
        .stream()
        .flatMap(migration -> migration.jobs().stream())
        .anyMatch(carried -> carried.id().equals(job.id()));
  }

  private boolean isCopying(DiskJob job) {
    return find(job.id()).filter(known -> known.phase() == JobPhase.COPYING).isPresent();
  }

  /**
   * The destination goes on with the jobs that it was told of in PREPARE: also with one that has
   * been given up since, to whose new device its owner may have written by then.
   *
   * @throws JobRefusedException when there is one
   */
  void checkCarried(Migration sealed) throws JobRefusedException {
    for (DiskJob carried : sealed.jobs()) {
      if (!isCopying(carried)) {
        throw new JobRefusedException(
            givenUpOnTheWay(carried.disk().target(), carried.newSource()));
      }
    }
  }

  /** For people. */
  static String givenUpOnTheWay(String target, String copy) {
    return "%s cannot go along: %s was given up on the way; migrate again".formatted(target, copy);
  }

  /**
   * TAKE_OVER of a migration, some of whose disks are their copies from now on; durable when it
   * returns.
   *
   * @throws JobRefusedException when one of them is not copied any more, or another job that
   *     travels was given up
   */
  synchronized Migration give(
      Migration migration, String reason, Map<DeviceKey, Generation> generations)
      throws JournalException, JobRefusedException {
    checkCarried(migration);
    for (Migration.MovedDevice moved : migration.devices()) {
      boolean goes =
          going(moved.key(), migration.peer())
              .filter(job -> job.newSource().equals(moved.copy()))
              .isPresent();
      if (moved.isCopy() && !goes) {
        throw new JobRefusedException(
            "%s is not copied to %s any more; migrate again"
                .formatted(moved.target(), moved.copy()));
      }
    }
    return migrations.apply(migration, Event.GIVEN, reason, generations);
  }

  /** Its destination uses the disks for good: those that are copies have gone from here. */
  Migration taken(Migration migration, String reason) throws JournalException {
    return decided(
        migration,
        Event.COMMITTED,
        reason,
        Map.of(),
        JobEvent.TAKEN_OVER,
        "its guest has gone to %s with it".formatted(migration.peer()));
  }

  /** Its destination never will use them: the old devices are the disks, durably. */
  Migration givenBack(Migration migration, String reason, Map<DeviceKey, Generation> generations)
      throws JournalException {
    return decided(
        migration,
        Event.GIVEN_UP,
        reason,
        generations,
        JobEvent.ABORTED,
        "the migration of its guest has failed, " + reason);
  }

  /** The end of a migration, and what it decides over the jobs of its disks, in one record. */
  private synchronized Migration decided(
      Migration migration,
      Event event,
      String reason,
      Map<DeviceKey, Generation> generations,
      JobEvent what,
      String why)
      throws JournalException {
    ImmutableList.Builder<DiskJob> jobs = ImmutableList.builder();
    ImmutableList.Builder<Moved> left = ImmutableList.builder();
    for (Migration.MovedDevice moved : migration.devices()) {
      Optional<DiskJob> job =
          going(moved.key(), migration.peer())
              .filter(known -> known.newSource().equals(moved.copy()));
      if (job.isPresent()) {
        DiskJob next = next(job.get(), what, why);
        jobs.add(next);
        if (what == JobEvent.TAKEN_OVER) {
          Storages known = storages.getOrDefault(next.id(), Storages.UNKNOWN);
          left.add(next.left(next.switched().orElseThrow(), known.old(), known.next()));
        }
      }
    }
    return migrations.apply(migration, event, reason, generations, jobs.build(), left.build());
  }

  /**
   * Completes when no disk of the domain is between a switch and its end; at once when it is so.
   */
  CompletableFuture<Void> settled(UUID domain) {
    ImmutableList<DiskJob> open = switchedOf(domain);
    synchronized (this) {
      return CompletableFuture.allOf(
          open.stream()
              .filter(job -> newest(job).isActive())
              .map(job -> ends.computeIfAbsent(job.id(), id -> new CompletableFuture<>()).copy())
              .toArray(CompletableFuture[]::new));
    }
  }

  /** Those of a domain that were switched and have not ended. */
  ImmutableList<DiskJob> switchedOf(UUID domain) {
    return all().stream()
        .filter(job -> job.phase() == JobPhase.SWITCHED && job.disk().domain().equals(domain))
        .collect(ImmutableList.toImmutableList());
  }

  private DiskJob next(DiskJob job, JobEvent event, String reason) {
    DiskJob now = newest(job);
    DiskJob next =
        JobTransitions.next(now.phase(), event)
            .map(to -> now.moved(to.phase(), reason, clock.instant()))
            .orElseThrow(
                () ->
                    new IllegalStateException(
                        job.label() + ": " + event + " in phase " + now.phase()));
    return switch (event) {
      case SWITCHED, TAKEN_OVER, ABORTED, FAILED -> next.with(untold(job.disk()));
      case FINISHED -> next;
    };
  }

  /** Whoever has the disk now has it with the generation after this host's. */
  private Optional<DiskJob.Untold> untold(DeviceKey disk) {
    return migrations
        .generation(disk)
        .map(known -> known.isHere() ? known.number() : known.number() - 1)
        .filter(number -> number > 0)
        .map(number -> new DiskJob.Untold(number, false));
  }

  private DiskJob newest(DiskJob job) {
    return find(job.id()).orElseThrow(() -> new IllegalStateException("no job " + job.id()));
  }
}

package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All migrations of this host; the one place where a migration changes its phase. Follows {@link
 * Transitions}: the journal is written before anybody sees the new phase.
 */
final class MigrationStore {
  private static final Logger log = LoggerFactory.getLogger(MigrationStore.class);

  private final MigrationJournal journal;
  private final Clock clock;
  private final LongSupplier nanoTime;
  private final long startedNanos;

  /** When each active migration entered its phase, unless that was before this daemon. */
  private final Map<UUID, Long> enteredNanos = new ConcurrentHashMap<>();

  /** Domains whose migration is about to be registered; changed under the lock of this. */
  private final Set<UUID> held = ConcurrentHashMap.newKeySet();

  private record Note(Instant at, String text) {}

  /** Of the migration that changes its phase just now; a lock that nobody keeps while he waits. */
  private final List<Note> notes = new ArrayList<>();

  /** Whose phase is about to be in the journal; null: nobody's. Guarded by {@link #notes}. */
  private UUID changing;

  /**
   * @param clock for the timelines that people read
   * @param nanoTime of a monotonic clock, for ages
   */
  MigrationStore(MigrationJournal journal, Clock clock, LongSupplier nanoTime) {
    this.journal = journal;
    this.clock = clock;
    this.nanoTime = nanoTime;
    this.startedNanos = nanoTime.getAsLong();
  }

  MigrationJournal journal() {
    return journal;
  }

  Optional<Migration> find(UUID id) {
    return journal.migration(id);
  }

  /** Its newest state. */
  Migration get(UUID id) {
    return find(id).orElseThrow(() -> new IllegalStateException("no migration " + id));
  }

  List<Migration> all() {
    return journal.migrations();
  }

  List<Migration> active(Direction direction) {
    return all().stream().filter(m -> m.isActive() && m.direction() == direction).toList();
  }

  /** The migration of a domain that is not over, in one direction; there is at most one. */
  Optional<Migration> active(Direction direction, UUID domain) {
    return active(direction).stream().filter(m -> m.domain().equals(domain)).findFirst();
  }

  Optional<Generation> generation(DeviceKey key) {
    return journal.generation(key);
  }

  /** Whether a disk of the domain was last had by another host than a peer, this one included. */
  boolean isElsewhereThanAt(String peer, UUID domain) {
    return journal.generations(domain).stream().anyMatch(known -> !known.holder().equals(peer));
  }

  /**
   * How long a migration has been in its phase, by the monotonic clock. One that was in it before
   * this daemon started is as old as this daemon: what the wall clock said then is for people only,
   * and how long nobody was there to carry it on must not end it.
   */
  Duration age(Migration migration) {
    return Duration.ofNanos(
        nanoTime.getAsLong() - enteredNanos.getOrDefault(migration.id(), startedNanos));
  }

  void setGenerations(Map<DeviceKey, Generation> generations) throws JournalException {
    journal.put(JournalRecord.of(generations));
  }

  /** What has to hold for a record. */
  @FunctionalInterface
  interface Check {
    void check() throws JobRefusedException;
  }

  /**
   * Writes what needs that no disk of the domain changes hands meanwhile.
   *
   * @throws JobRefusedException when it migrates
   */
  synchronized void putUnlessMigrating(UUID domain, JournalRecord record, Check check)
      throws JournalException, JobRefusedException {
    Optional<Migration> active =
        all().stream().filter(m -> m.isActive() && m.domain().equals(domain)).findFirst();
    if (active.isPresent()) {
      throw new JobRefusedException(
          active.get().label() + " is not over: until then no disk is switched");
    }
    if (held.contains(domain)) {
      throw new JobRefusedException("its guest is about to migrate: no disk is switched now");
    }
    check.check();
    journal.put(record);
  }

  /**
   * A newer generation of a disk that stays here, durable when it returns. A guest that migrates
   * leaves with the one that its migration has.
   *
   * @param known newest generation that a device knows of
   */
  synchronized long claimUnlessMigrating(DeviceKey disk, long known)
      throws JournalException, JobRefusedException {
    long number = Math.max(known, generation(disk).map(Generation::number).orElse(0L)) + 1;
    putUnlessMigrating(
        disk.domain(), JournalRecord.of(Map.of(disk, Generation.here(number))), () -> {});
    return number;
  }

  /** From now on no disk of the domain is switched, until it is released, or while it migrates. */
  synchronized void hold(UUID domain) {
    held.add(domain);
  }

  synchronized void release(UUID domain) {
    held.remove(domain);
  }

  /** Whether its jobs rest: it migrates, or is about to. Waits for no disk. */
  boolean migrates(UUID domain) {
    return held.contains(domain)
        || all().stream().anyMatch(m -> m.isActive() && m.domain().equals(domain));
  }

  /**
   * Registers a migration that leaves this host, with the jobs that travel.
   *
   * @throws MigrationRefusedException when a disk of its domain was switched, and that is not over
   */
  synchronized Migration begin(Migration migration, DiskJobStore jobs, String reason)
      throws JournalException, MigrationRefusedException {
    List<DiskJob> switched = jobs.switchedOf(migration.domain());
    if (!switched.isEmpty()) {
      throw new MigrationRefusedException(
          "%s was switched to %s, and that is not over; see `netchannel jobs` and try again"
              .formatted(switched.get(0).label(), switched.get(0).newSource()));
    }
    return apply(
        migration.with(migration.devices(), jobs.carriedOf(migration.domain(), migration.peer())),
        Event.PREPARED,
        reason);
  }

  /** {@link #apply(Migration, Event, String, Map)} without a change of generations. */
  Migration apply(Migration migration, Event event, String reason) throws JournalException {
    return apply(migration, event, reason, ImmutableMap.of());
  }

  /**
   * Moves a migration to its next phase.
   *
   * @param migration its state, with what the event changes besides the phase
   * @param generations written in the same record: both or none
   * @return the new state
   * @throws JournalException when it could not be made durable and has to be: nothing has changed
   * @throws IllegalStateException for an event that cannot happen in its phase
   */
  Migration apply(
      Migration migration, Event event, String reason, Map<DeviceKey, Generation> generations)
      throws JournalException {
    return apply(migration, event, reason, generations, List.of(), List.of());
  }

  /**
   * Likewise, with what becomes of jobs by it; see {@link DiskJobStore#decided}.
   *
   * @param jobs in their new phases
   * @param left where disks have gone from
   */
  synchronized Migration apply(
      Migration migration,
      Event event,
      String reason,
      Map<DeviceKey, Generation> generations,
      List<DiskJob> jobs,
      List<Moved> left)
      throws JournalException {
    holdNotes(migration.id());
    try {
      return move(migration, event, reason, generations, jobs, left);
    } finally {
      addHeldNotes(migration.id());
    }
  }

  private Migration move(
      Migration migration,
      Event event,
      String reason,
      Map<DeviceKey, Generation> generations,
      List<DiskJob> decided,
      List<Moved> left)
      throws JournalException {
    Phase now = find(migration.id()).map(Migration::phase).orElse(Phase.PREPARE);
    Transitions.To to =
        Transitions.next(migration.direction(), now, event)
            .filter(next -> now == migration.phase())
            .orElseThrow(
                () ->
                    new IllegalStateException(
                        migration.label() + ": " + event + " in phase " + now));
    // What was noted since the caller looked stays.
    Migration moved =
        find(migration.id())
            .map(newest -> newest.with(migration.devices(), migration.jobs()))
            .orElse(migration)
            .moved(to.phase(), clock.instant(), reason);
    // From the very record on that ends it they are this host's, or nobody's here.
    boolean haveCome = moved.direction() == Direction.INCOMING && moved.phase() == Phase.COMMIT;
    List<DiskJob> jobs = haveCome ? moved.jobs() : decided;
    List<Moved> moves = haveCome ? movesOf(moved) : left;
    Migration next =
        moved.isActive() ? moved : moved.with(moved.devices(), List.of()).untold(isToBeTold(moved));
    // Before anybody sees it: a new one must not look as old as this daemon.
    enteredNanos.putIfAbsent(next.id(), nanoTime.getAsLong());
    switch (to.durability()) {
      case DURABLE -> journal.put(JournalRecord.of(next, generations, jobs, moves));
      case PRESUMED -> putPresumed(next, generations, jobs, moves);
      case NONE -> journal.putVolatile(next);
    }
    log.info("{}: {} -> {}: {}", next.label(), now, next.phase(), reason);
    if (next.isActive()) {
      enteredNanos.put(next.id(), nanoTime.getAsLong());
    } else {
      enteredNanos.remove(next.id());
      journal.removeOldManifests();
    }
    return next;
  }

  /** A source that has asked about what was not known here has its answer. */
  private boolean isToBeTold(Migration over) {
    return over.direction() == Direction.INCOMING && find(over.id()).isPresent();
  }

  /** Those that are over and of which their source is still to be told, oldest first. */
  List<Migration> untold() {
    return all().stream().filter(Migration::untold).toList();
  }

  /**
   * The other host knows how it has ended, or is not to be told: for good, if the journal can be
   * written, else until a restart tells it once more.
   */
  synchronized void told(UUID id) {
    holdNotes(id);
    try {
      find(id).filter(Migration::untold).ifPresent(over -> putTold(over.untold(false)));
    } finally {
      addHeldNotes(id);
    }
  }

  private void putTold(Migration over) {
    try {
      journal.put(JournalRecord.of(over, ImmutableMap.of()));
    } catch (JournalException e) {
      log.warn("{}: a restart tells {} once more: {}", over.label(), over.peer(), e.getMessage());
      journal.putVolatile(over);
    }
  }

  /**
   * Adds a note to a migration in whatever phase it is: in memory, and in the journal with its next
   * record. Nothing when it is not known any more. Waits for no disk: it may be called on a thread
   * that a guest's requests need. What is noted while the migration changes its phase is added when
   * that is done.
   */
  void note(UUID id, String text) {
    Note note = new Note(clock.instant(), text);
    synchronized (notes) {
      if (id.equals(changing)) {
        notes.add(note);
      } else {
        add(id, note);
      }
    }
  }

  private void holdNotes(UUID id) {
    synchronized (notes) {
      changing = id;
    }
  }

  private void addHeldNotes(UUID id) {
    synchronized (notes) {
      notes.forEach(note -> add(id, note));
      notes.clear();
      changing = null;
    }
  }

  private void add(UUID id, Note note) {
    find(id)
        .ifPresent(
            migration -> {
              journal.putVolatile(migration.noted(note.at, note.text));
              log.debug("{}: {}", migration.label(), note.text);
            });
  }

  /** Of disks that have come as their copies. */
  private List<Moved> movesOf(Migration migration) {
    return migration.jobs().stream()
        .filter(job -> job.phase() == JobPhase.SWITCHED)
        .map(job -> job.left(clock.instant(), Optional.empty(), Optional.empty()))
        .toList();
  }

  private void putPresumed(
      Migration next,
      Map<DeviceKey, Generation> generations,
      List<DiskJob> jobs,
      List<Moved> moves) {
    try {
      journal.put(JournalRecord.of(next, generations, jobs, moves));
    } catch (JournalException e) {
      log.error(
          "{}: {} is not in the journal, a restart comes to the same: {}",
          next.label(),
          next.phase(),
          e.getMessage());
      journal.putVolatile(next, jobs, moves);
    }
  }
}

package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.protobuf.ByteString;
import io.netchannel.files.UncertainFileException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What survives a restart: every disk's generation and holder, the migrations with their timelines,
 * the manifests of incoming ones, the jobs, and where disks were switched to. Thread-safe; reading
 * and {@link #putVolatile} wait for no disk. Only {@link MigrationStore} and {@link DiskJobStore}
 * change it.
 */
public final class MigrationJournal implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(MigrationJournal.class);

  /**
   * Migrations that are over and still listed; the active ones are kept whatever their number, and
   * so are those of which their source is still to be told.
   */
  static final int KEPT_MIGRATIONS = 100;

  /** Likewise of jobs; one of which somebody is still to be told is kept as well. */
  static final int KEPT_JOBS = 100;

  /**
   * Places that disks were switched away from, of all disks; who names an older one is not told.
   */
  static final int KEPT_MOVED = 1000;

  private static final String MANIFEST = ".manifest";

  private final JournalStorage storage;
  private final FrameLog frames;

  /**
   * Guards what is in memory, and nobody keeps it while he waits for a disk; who writes to the disk
   * has the journal's own lock, and takes this one only inside it.
   */
  private final Object memory = new Object();

  private final Map<UUID, Migration> migrations = new LinkedHashMap<>(); // guarded by memory

  /** As the log has them, without phases that are in memory only; guarded by memory. */
  private final Map<UUID, Migration> written = new LinkedHashMap<>();

  private final Map<DeviceKey, Generation> generations = new LinkedHashMap<>(); // guarded by memory

  private final Map<UUID, DiskJob> jobs = new LinkedHashMap<>(); // guarded by memory

  /** By what was left, the newest last; guarded by memory. */
  private final Map<Place, Moved> moved = new LinkedHashMap<>();

  /** What was a disk once. */
  private record Place(DeviceKey disk, String source) {}

  /**
   * Opens the journal of this host, or begins one.
   *
   * @param directory usually /var/lib/netchannel/journal; made when missing
   * @throws JournalException when it is damaged, another daemon has it, or it cannot be read
   */
  public static MigrationJournal open(Path directory) throws JournalException {
    try {
      return new MigrationJournal(FileJournalStorage.open(directory));
    } catch (IOException e) {
      throw new JournalException(
          "cannot open the journal in " + directory + ": " + e.getMessage(), e);
    }
  }

  MigrationJournal(JournalStorage storage) throws JournalException {
    this.storage = storage;
    this.frames = new FrameLog(storage);
    for (byte[] frame : frames.found()) {
      apply(JournalCodec.decode(frame));
    }
    prune();
    removeOldManifests();
    try {
      renewWhatWasFound();
      makeRoom();
    } catch (JournalException e) {
      // Starting matters more: running guests need their generations. A migration will be refused.
      log.error(e.getMessage());
    }
  }

  private void renewWhatWasFound() {
    try {
      frames.replace(snapshot());
    } catch (JournalException e) {
      if (!(e.getCause() instanceof UncertainFileException)) {
        frames.renewInPlace();
      }
    }
  }

  /** Oldest first. */
  ImmutableList<Migration> migrations() {
    synchronized (memory) {
      return ImmutableList.copyOf(migrations.values());
    }
  }

  Optional<Migration> migration(UUID id) {
    synchronized (memory) {
      return Optional.ofNullable(migrations.get(id));
    }
  }

  Optional<Generation> generation(DeviceKey key) {
    synchronized (memory) {
      return Optional.ofNullable(generations.get(key));
    }
  }

  /** What is known of each disk of a domain. */
  ImmutableList<Generation> generations(UUID domain) {
    synchronized (memory) {
      return generations.entrySet().stream()
          .filter(each -> each.getKey().domain().equals(domain))
          .map(Map.Entry::getValue)
          .collect(ImmutableList.toImmutableList());
    }
  }

  /**
   * Why this host can own no more disks or begin no migration, and what to do; empty when it can.
   */
  Optional<String> problem() {
    return frames.problem();
  }

  /** Oldest first: all that are not over, and the last ones that are. */
  ImmutableList<DiskJob> jobs() {
    synchronized (memory) {
      return ImmutableList.copyOf(jobs.values());
    }
  }

  Optional<DiskJob> job(UUID id) {
    synchronized (memory) {
      return Optional.ofNullable(jobs.get(id));
    }
  }

  /** What a disk was switched away from and is out of date since, the newest last. */
  ImmutableList<Moved> moved(DeviceKey disk) {
    synchronized (memory) {
      return moved.values().stream()
          .filter(each -> each.disk().equals(disk))
          .collect(ImmutableList.toImmutableList());
    }
  }

  /** Durable when it returns; when it throws nothing has changed. */
  synchronized void put(JournalRecord record) throws JournalException {
    frames.append(JournalCodec.encode(record));
    synchronized (memory) {
      apply(record);
      prune();
    }
  }

  /** As {@link #putVolatile(Migration)}. */
  void putVolatile(DiskJob job) {
    synchronized (memory) {
      jobs.put(job.id(), job);
      prune();
    }
  }

  /** As {@link #putVolatile(Migration)}, with the jobs that it decides over. */
  void putVolatile(Migration migration, List<DiskJob> decided, List<Moved> left) {
    synchronized (memory) {
      migrations.put(migration.id(), migration);
      decided.forEach(job -> jobs.put(job.id(), job));
      left.forEach(this::apply);
      prune();
    }
  }

  /** Changes what is in memory only: a restart finds the phase before. */
  void putVolatile(Migration migration) {
    synchronized (memory) {
      migrations.put(migration.id(), migration);
      prune();
    }
  }

  /**
   * Makes sure that a migration which begins now can be written to its end.
   *
   * @throws JournalException when the disk is full
   */
  synchronized void makeRoom() throws JournalException {
    if (frames.isLong()) {
      long before = frames.usedBytes();
      frames.replace(snapshot());
      log.info("journal compacted from {} to {} bytes", before, frames.usedBytes());
    }
    frames.makeRoom();
  }

  /** Keeps the manifest of one disk of an incoming migration, durably. */
  synchronized void putManifest(UUID migration, int disk, ByteString manifest)
      throws JournalException {
    try {
      storage.putFile(manifestName(migration, disk), manifest.toByteArray());
    } catch (IOException e) {
      throw new JournalException(
          "cannot keep a manifest of "
              + manifest.size()
              + " bytes beside "
              + storage.location()
              + ": "
              + e.getMessage(),
          e);
    }
  }

  synchronized ByteString manifest(UUID migration, int disk) throws JournalException {
    try {
      return storage
          .getFile(manifestName(migration, disk))
          .map(ByteString::copyFrom)
          .orElseThrow(
              () ->
                  new JournalException(
                      manifestName(migration, disk) + " is missing beside " + storage.location()));
    } catch (IOException e) {
      throw new JournalException("cannot read a manifest: " + e.getMessage(), e);
    }
  }

  /** Removes the manifests of migrations that are over; what cannot be removed stays till later. */
  synchronized void removeOldManifests() {
    try {
      for (String name : storage.files()) {
        if (!isNeeded(name)) {
          storage.deleteFile(name);
        }
      }
    } catch (IOException e) {
      log.warn("cannot clean up beside {}: {}", storage.location(), e.getMessage());
    }
  }

  @Override
  public synchronized void close() throws JournalException {
    frames.close();
  }

  private boolean isNeeded(String name) {
    return name.endsWith(MANIFEST)
        && migrations().stream().anyMatch(m -> m.isActive() && name.startsWith(m.id().toString()));
  }

  private static String manifestName(UUID migration, int disk) {
    return migration + "-" + disk + MANIFEST;
  }

  private void apply(JournalRecord record) {
    record
        .migration()
        .ifPresent(
            migration -> {
              migrations.put(migration.id(), migration);
              written.put(migration.id(), migration);
            });
    generations.putAll(record.generations());
    record.jobs().forEach(job -> jobs.put(job.id(), job));
    record.moved().forEach(this::apply);
    record
        .forgotten()
        .ifPresent(disk -> moved.keySet().removeIf(place -> place.disk().equals(disk)));
  }

  private void apply(Moved newest) {
    Place left = new Place(newest.disk(), newest.oldSource());
    moved.values().removeIf(newest::isBackTo);
    moved.remove(left); // those that were left last are last
    moved.put(left, newest);
  }

  private void prune() {
    forgetOldest(
        migrations,
        migrations.values().stream()
            .filter(m -> !m.isActive() && !m.untold())
            .map(Migration::id)
            .toList(),
        KEPT_MIGRATIONS);
    written.keySet().retainAll(migrations.keySet());
    forgetRepeated();
    forgetOldest(
        jobs,
        jobs.values().stream()
            .filter(job -> !job.isActive() && job.untold().isEmpty())
            .map(DiskJob::id)
            .toList(),
        KEPT_JOBS);
    forgetOldest(moved, List.copyOf(moved.keySet()), KEPT_MOVED);
  }

  /**
   * A disk that follows its guest is tried again and again: of attempts that have come to the same
   * end the newest is kept, so that they push out nobody else's.
   */
  private void forgetRepeated() {
    Set<List<Object>> ends = new HashSet<>();
    for (DiskJob job : ImmutableList.copyOf(jobs.values()).reverse()) {
      if (job.origin().follows()
          && job.phase() == JobPhase.ABORTED
          && job.untold().isEmpty()
          && !ends.add(ImmutableList.of(job.disk(), job.newSource(), job.reason()))) {
        jobs.remove(job.id());
      }
    }
  }

  private static <K> void forgetOldest(Map<K, ?> all, List<K> over, int kept) {
    over.stream().limit(Math.max(0, over.size() - kept)).forEach(all::remove);
  }

  /** What a restart would find, and no more: a phase in memory only is not made durable by it. */
  private List<byte[]> snapshot() {
    List<byte[]> frames = new ArrayList<>();
    synchronized (memory) {
      generations.forEach(
          (key, generation) -> add(frames, JournalRecord.of(ImmutableMap.of(key, generation))));
      written.values().forEach(m -> add(frames, JournalRecord.of(m, ImmutableMap.of())));
      jobs.values().forEach(job -> add(frames, JournalRecord.of(job, Optional.empty())));
      moved.values().forEach(each -> add(frames, JournalRecord.of(each)));
    }
    return frames;
  }

  private static void add(List<byte[]> frames, JournalRecord record) {
    frames.add(JournalCodec.encode(record));
  }
}

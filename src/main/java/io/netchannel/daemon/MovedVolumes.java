package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.file.FileStat;
import io.netchannel.files.DurableFile;
import io.netchannel.server.Export;
import io.netchannel.server.ExportException;
import io.netchannel.server.ExportLeft;
import io.netchannel.server.ExportStatus;
import io.netchannel.text.TextFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Deletes volumes of this host's pools whose disks have moved away, after a time.
 *
 * <pre>
 *   IN USE --its disk was switched to elsewhere, nobody has it any more--> LEFT, counts
 *     ^                                                                      |
 *     +---its disk, or another one, comes; a person says it may be used------+
 *
 *   LEFT --seen so for long enough---------------------------------> deleted
 *        --its file is open, has another name, is not there--------> LEFT, not counted: anew after that
 *        --its file was changed, or is another one than was made---> LEFT, not counted, for good
 *        --a guest has it by its path------------------------------> not the pool's any more
 * </pre>
 *
 * Never what the pool has not made, what is a disk or is becoming one, what anybody has open. A
 * file that was changed in any way after its disk had left is somebody's: so is one that the kernel
 * has open, of which nobody is told, and one of a guest that is shut down.
 *
 * <p>What counts is how long this daemon has seen it LEFT, by a monotonic clock: that of the wall
 * may be set forward, which would delete it early. The count is saved each hour and goes on after a
 * restart; time without a daemon does not count. So it is deleted late, if at all at another time.
 *
 * <p>That it is deleted now is durable before it is: an export without a file is otherwise one of a
 * file system that is not mounted.
 *
 * <p>Used by one thread at a time, but for {@link #fate}.
 */
final class MovedVolumes {
  private static final Logger log = LoggerFactory.getLogger(MovedVolumes.class);

  /** What is due may as well go a minute later. */
  static final Duration LOOK = Duration.ofMinutes(1);

  /** More often would be a write to the disk for nothing. */
  private static final Duration SAVE = Duration.ofHours(1);

  private static final String SUFFIX = ".moved";

  /**
   * The file system gives times of its own clock, which goes in steps, and the server's are in
   * milliseconds: what the disk wrote last may look later than its end.
   */
  private static final Duration CLOCK_STEP = Duration.ofSeconds(1);

  /**
   * An export whose file a pool of this host has made.
   *
   * @param birth of that file
   */
  record Volume(ExportStatus status, FileStat.Birth birth) {}

  /** Deletes a file, after a last look at it. */
  @FunctionalInterface
  interface Deletion {
    void run() throws IOException;
  }

  /** The device server, as far as this needs it. */
  interface Exports {
    List<Volume> volumes();

    /** That nobody needs it; empty when somebody may. */
    Optional<ExportLeft> left(String name) throws ExportException;

    /**
     * Removes an export and deletes its file. In between nobody gets in; a crash leaves both, or
     * the export without its file.
     *
     * @throws ExportException when it is not the one that was seen, or not left so any more; both
     *     are there then
     * @throws IOException that of the deletion, after which the export is there again
     */
    void deleteVolume(Volume volume, ExportLeft left, Deletion deletion)
        throws ExportException, IOException;
  }

  /**
   * A volume that was left.
   *
   * @param left how: another time begins anew
   * @param changed when its file was changed last, as it was seen first: any other time later on
   *     makes it somebody's, whatever the clock on the wall was set to. Empty until it was there
   * @param deleting its directory, when it may be deleted already
   */
  private record Left(
      ExportLeft left,
      Optional<Instant> changed,
      Duration after,
      Duration seen,
      Optional<FileStat.Birth> deleting,
      Optional<String> problem) {
    Duration rest() {
      Duration rest = after.minus(seen);
      return rest.isNegative() ? Duration.ZERO : rest;
    }

    Left with(Duration nowSeen, Optional<String> nowProblem) {
      return new Left(left, changed, after, nowSeen, deleting, nowProblem);
    }

    Left seenThere(Instant changedAt) {
      return new Left(
          left, changed.or(() -> Optional.of(changedAt)), after, seen, Optional.empty(), problem);
    }

    Left deletedFrom(FileStat.Birth directory) {
      return new Left(left, changed, after, seen, Optional.of(directory), problem);
    }

    /** As it outlives the daemon, but for how long it was seen. */
    String text() {
      return "%s %d %d\n%s\n%s"
          .formatted(
              left.client(),
              left.since().toEpochMilli(),
              left.free().toEpochMilli(),
              changed.map(Instant::toString).orElse(""),
              deleting.map(FileStat.Birth::toString).orElse(""));
    }
  }

  /**
   * What becomes of a volume.
   *
   * @param rest how long until it is deleted, while this daemon runs
   * @param problem why it stays for now, and is counted anew after that
   */
  record Fate(Duration rest, Optional<String> problem) {}

  private final ImmutableMap<String, VolumePool> pools;
  private final Exports exports;
  private final Path directory;
  private final OpenFiles openFiles;
  private final LongSupplier nanoTime;

  /** By export. */
  private final Map<String, Left> left = new ConcurrentHashMap<>();

  /** Of each, what the next daemon begins with. */
  private final Map<String, Left> saved = new HashMap<>();

  private Optional<Long> lookedNanos = Optional.empty();

  /**
   * @param directory where it is kept for how long they were seen
   */
  MovedVolumes(
      ImmutableMap<String, VolumePool> pools,
      Exports exports,
      Path directory,
      OpenFiles openFiles,
      LongSupplier nanoTime) {
    this.pools = pools;
    this.exports = exports;
    this.directory = directory;
    this.openFiles = openFiles;
    this.nanoTime = nanoTime;
  }

  /** Whether there is anything to do, now or ever. */
  boolean isAsked() {
    return pools.values().stream().anyMatch(pool -> pool.deleteMoved().isPresent());
  }

  /** Empty for one that stays. */
  Optional<Fate> fate(String export) {
    return Optional.ofNullable(left.get(export)).map(each -> new Fate(each.rest(), each.problem()));
  }

  /** Once each {@link #LOOK}; may wait for storage. */
  void look() {
    long now = nanoTime.getAsLong();
    Duration passed = Duration.ofNanos(lookedNanos.map(before -> now - before).orElse(0L));
    lookedNanos = Optional.of(now);
    Set<String> gone = new HashSet<>(left.keySet());
    OpenFiles.Users users = once(openFiles);
    for (Volume volume : exports.volumes()) {
      String name = volume.status().export().name();
      gone.remove(name);
      Optional<Path> file = file(volume.status().export());
      Optional<Duration> after = file.flatMap(known -> after(known));
      if (after.isEmpty() || !volume.status().answers()) {
        continue; // it is not to go, or how it is with it is not known now
      }
      try {
        Optional<ExportLeft> seen = exports.left(name);
        if (seen.isEmpty()) {
          forget(name);
        } else {
          look(volume, file.get(), seen.get(), after.get(), passed, users);
        }
      } catch (ExportException e) {
        log.debug("{}", e.getMessage());
      }
    }
    gone.forEach(this::forget);
  }

  /** They are asked for when somebody wants to know, for all at once. */
  private static OpenFiles.Users once(OpenFiles files) {
    AtomicReference<OpenFiles.Users> known = new AtomicReference<>();
    return file -> {
      if (known.get() == null) {
        known.set(files.users());
      }
      return known.get().of(file);
    };
  }

  /** Of a volume where its pool would make it; else empty. */
  private Optional<Path> file(Export export) {
    return pools.values().stream()
        .map(pool -> pool.directory().resolve(export.name()))
        .filter(file -> export.source().equals(VolumePools.source(file)))
        .findFirst();
  }

  private Optional<Duration> after(Path file) {
    return pools.values().stream()
        .filter(pool -> pool.directory().equals(file.getParent()))
        .findFirst()
        .flatMap(VolumePool::deleteMoved);
  }

  private void look(
      Volume volume,
      Path file,
      ExportLeft seen,
      Duration after,
      Duration passed,
      OpenFiles.Users users) {
    String name = volume.status().export().name();
    Optional<Left> known =
        Optional.ofNullable(left.get(name)).filter(each -> each.left().equals(seen));
    Left each = known.orElseGet(() -> found(name, seen, after));
    try {
      Optional<FileStat> stat = FileStat.of(file);
      if (stat.isPresent()) {
        each = each.seenThere(stat.get().changed());
      }
      Optional<String> problem = problem(volume, file, stat, each, users);
      if (problem.isPresent()) {
        stays(name, file, each.with(Duration.ZERO, problem));
        return;
      }
    } catch (IOException e) {
      stays(name, file, each.with(each.seen(), Optional.of(e.getMessage())));
      return;
    }
    if (known.isEmpty()) {
      put(name, each);
      log.info(
          "export {}: its disk was switched to elsewhere; {} is deleted in {} min",
          name,
          file,
          each.rest().toMinutes());
      return;
    }
    boolean isSeenSince = each.problem().isEmpty();
    put(name, each.with(isSeenSince ? each.seen().plus(passed) : each.seen(), Optional.empty()));
    if (left.get(name).rest().isZero()) {
      delete(volume, file, left.get(name));
    }
  }

  private void stays(String name, Path file, Left each) {
    Optional<String> before = Optional.ofNullable(left.get(name)).flatMap(Left::problem);
    if (!before.equals(each.problem())) {
      log.warn(
          "export {}: its disk was switched to elsewhere, and {} is not deleted: {}",
          name,
          file,
          each.problem().orElseThrow());
    }
    put(name, each);
  }

  private void delete(Volume volume, Path file, Left each) {
    String name = volume.status().export().name();
    try {
      exports.deleteVolume(volume, each.left(), () -> delete(volume, file, name, each));
      log.info("export {}: its disk was switched to elsewhere; {} is deleted", name, file);
      forget(name);
    } catch (ExportException | IOException e) {
      stays(name, file, each.with(Duration.ZERO, Optional.of(e.getMessage())));
    }
  }

  /** Nobody gets in any more; but somebody may have used its path since the look before. */
  private void delete(Volume volume, Path file, String name, Left each) throws IOException {
    Optional<FileStat> stat = FileStat.of(file);
    Optional<String> problem = problem(volume, file, stat, each, openFiles.users());
    if (problem.isPresent()) {
      throw new IOException(problem.get());
    }
    if (stat.isPresent()) {
      write(name, each.deletedFrom(directory(file).orElseThrow()));
      DurableFile.delete(file);
    }
  }

  // ---- The file

  /** Why it must not be deleted, or must not be taken for deleted; empty when it may. */
  private static Optional<String> problem(
      Volume volume, Path file, Optional<FileStat> found, Left each, OpenFiles.Users users)
      throws IOException {
    if (found.isEmpty()) {
      return each.deleting().isPresent() && each.deleting().equals(directory(file))
          ? Optional.empty() // a crash came before its export was removed
          : Optional.of("it is not there; mount its file system, or `netchannel unexport` it");
    }
    FileStat stat = found.get();
    if (!stat.isRegular() || !stat.birth().equals(Optional.of(volume.birth()))) {
      return Optional.of(
          "expected the file that the pool has made, found another one; move it away");
    }
    if (stat.links() > 1) {
      return Optional.of("it has %d names; remove the others".formatted(stat.links()));
    }
    Optional<String> user = users.of(file);
    if (user.isPresent()) {
      return Optional.of("it is in use by " + user.get());
    }
    return isChanged(stat.changed(), each)
        ? Optional.of(
            "it was changed on %s, after its disk had left, and may be somebody's; `netchannel unexport` and delete it if it is not"
                .formatted(stat.changed()))
        : Optional.empty();
  }

  private static boolean isChanged(Instant at, Left each) {
    return at.isAfter(each.left().free().plus(CLOCK_STEP))
        || !each.changed().equals(Optional.of(at));
  }

  private static Optional<FileStat.Birth> directory(Path file) throws IOException {
    return FileStat.of(file.getParent().toRealPath()).flatMap(FileStat::birth);
  }

  // ---- What outlives the daemon

  /** Saved when more has changed than the time. */
  private void put(String name, Left each) {
    left.put(name, each);
    Left before = saved.get(name);
    if (before == null
        || !before.text().equals(each.text())
        || each.seen().compareTo(before.seen()) < 0
        || each.seen().minus(before.seen()).compareTo(SAVE) >= 0) {
      try {
        write(name, each);
      } catch (IOException e) {
        log.warn("export {}: how long it was left is not saved: {}", name, e.toString());
      }
    }
  }

  private void write(String name, Left each) throws IOException {
    String text = each.seen().toSeconds() + "\n" + each.text();
    DurableFile.write(
        directory.resolve(name + SUFFIX),
        text.getBytes(StandardCharsets.UTF_8),
        DurableFile.PRIVATE);
    saved.put(name, each);
  }

  /** What a daemon before has saved of it, or one that was not seen before. */
  private Left found(String name, ExportLeft seen, Duration after) {
    Left fresh =
        new Left(seen, Optional.empty(), after, Duration.ZERO, Optional.empty(), Optional.empty());
    try {
      List<String> lines = TextFile.read(directory.resolve(name + SUFFIX)).lines().toList();
      if (lines.size() < 3 || !fresh.text().startsWith(lines.get(1) + "\n")) {
        return fresh;
      }
      return new Left(
          seen,
          lines.get(2).isEmpty() ? Optional.empty() : Optional.of(Instant.parse(lines.get(2))),
          after,
          Duration.ofSeconds(Long.parseLong(lines.get(0))),
          lines.size() > 3 ? Optional.of(FileStat.Birth.parse(lines.get(3))) : Optional.empty(),
          Optional.empty());
    } catch (NoSuchFileException e) {
      return fresh;
    } catch (IOException | IllegalArgumentException | DateTimeException e) {
      log.warn("export {}: counted anew: {}", name, e.toString());
      return fresh;
    }
  }

  private void forget(String name) {
    left.remove(name);
    saved.remove(name);
    try {
      Files.deleteIfExists(directory.resolve(name + SUFFIX));
    } catch (IOException e) {
      log.warn("export {}: {}", name, e.toString());
    }
  }
}

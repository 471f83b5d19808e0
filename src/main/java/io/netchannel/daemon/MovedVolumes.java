package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import io.netchannel.files.DurableFile;
import io.netchannel.server.Export;
import io.netchannel.server.ExportException;
import io.netchannel.server.ExportStatus;
import io.netchannel.server.ExportUse;
import io.netchannel.text.TextFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Deletes volumes of this host's pools whose disks have moved away, after a time.
 *
 * <pre>
 *   IN USE --its disk was switched to elsewhere, nobody has it any more--> LEFT --seen so for long enough, nobody
 *     ^                                                                     |        has its file open--> deleted
 *     +-----its disk, or another one, comes, or a person says that it may be used-----+
 * </pre>
 *
 * Never what the pool has not made, what is a disk or is becoming one, and what anybody has open.
 *
 * <p>What counts is how long this daemon has seen it LEFT, by a monotonic clock: that of the wall
 * may be set forward, which would delete it early. The count is saved each hour and goes on after a
 * restart; time without a daemon does not count. So it is deleted late, if at all at another time.
 *
 * <p>Used by one thread at a time, but for {@link #words}.
 */
final class MovedVolumes {
  private static final Logger log = LoggerFactory.getLogger(MovedVolumes.class);

  /** What is due may as well go a minute later. */
  static final Duration LOOK = Duration.ofMinutes(1);

  /** More often would be a write to the disk for nothing. */
  private static final Duration SAVE = Duration.ofHours(1);

  private static final String SUFFIX = ".moved";

  /** The device server, as far as this needs it. */
  interface Exports {
    /** Of those that a pool of this host was asked to make, as far as they answer. */
    List<ExportStatus> volumes();

    ExportUse use(String name, String client) throws ExportException;

    /**
     * Removes an export and deletes its file. In between nobody gets in; a crash leaves both, or
     * the export without its file.
     *
     * @throws ExportException when somebody uses it; both are there then
     */
    void deleteVolume(String name, Path file) throws ExportException;
  }

  /**
   * A volume that was left.
   *
   * @param moved of which disk, and when: another one begins to count anew
   */
  private static final class Left {
    final String moved;
    final Duration after;
    Duration seen;
    Duration saved;
    Optional<String> problem = Optional.empty();

    Left(String moved, Duration after, Duration seen) {
      this.moved = moved;
      this.after = after;
      this.seen = seen;
      saved = seen;
    }

    Duration rest() {
      Duration rest = after.minus(seen);
      return rest.isNegative() ? Duration.ZERO : rest;
    }
  }

  /**
   * What becomes of a volume.
   *
   * @param rest how long until it is deleted, while this daemon runs
   * @param problem why it was not, although it is due
   */
  record Fate(Duration rest, Optional<String> problem) {}

  private final ImmutableMap<String, VolumePool> pools;
  private final Exports exports;
  private final Path directory;
  private final OpenFiles openFiles;
  private final LongSupplier nanoTime;

  /** By export; guarded by itself. */
  private final Map<String, Left> left = new LinkedHashMap<>();

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
    synchronized (left) {
      return Optional.ofNullable(left.get(export)).map(each -> new Fate(each.rest(), each.problem));
    }
  }

  /** Once each {@link #LOOK}; may wait for storage. */
  void look() {
    long now = nanoTime.getAsLong();
    Duration passed = Duration.ofNanos(lookedNanos.map(before -> now - before).orElse(0L));
    lookedNanos = Optional.of(now);
    for (ExportStatus status : exports.volumes()) {
      Export export = status.export();
      Optional<Path> file = file(export);
      Optional<Duration> after = file.flatMap(known -> after(known));
      if (after.isEmpty() || !status.answers()) {
        continue; // it is not to go, or how it is with it is not known now
      }
      Optional<String> moved = moved(status);
      if (moved.isEmpty()) {
        forget(export.name());
      } else {
        Left each = seen(export, file.get(), moved.get(), after.get(), passed);
        if (each.rest().isZero()) {
          delete(export.name(), file.get(), each);
        }
      }
    }
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

  /** Which disks have left it, and when; empty unless they have, and nobody else is there. */
  private Optional<String> moved(ExportStatus status) {
    boolean isLeft =
        status.clients().isEmpty()
            && !status.moved().isEmpty()
            && status.moved().stream().noneMatch(ExportStatus.Elsewhere::partial)
            && isLeftByLast(status);
    return isLeft
        ? Optional.of(
            status.moved().stream()
                .map(each -> each.client() + " " + each.since().toEpochMilli())
                .collect(Collectors.joining("\n")))
        : Optional.empty();
  }

  /** Whoever came after them may have it as his disk, also while he does not hold it. */
  private boolean isLeftByLast(ExportStatus status) {
    ExportStatus.Elsewhere last = status.moved().get(status.moved().size() - 1);
    try {
      return exports.use(status.export().name(), last.client()) == ExportUse.LEFT;
    } catch (ExportException e) {
      log.debug("{}", e.getMessage());
      return false;
    }
  }

  private Left seen(Export export, Path file, String moved, Duration after, Duration passed) {
    Left known;
    synchronized (left) {
      known = left.get(export.name());
    }
    if (known == null || !known.moved.equals(moved)) {
      Left begun = new Left(moved, after, saved(export.name(), moved));
      log.info(
          "export {}: its disk was switched to elsewhere; {} is deleted in {} min",
          export.name(),
          file,
          begun.rest().toMinutes());
      synchronized (left) {
        left.put(export.name(), begun);
      }
      return begun;
    }
    synchronized (left) {
      known.seen = known.seen.plus(passed);
    }
    if (known.seen.minus(known.saved).compareTo(SAVE) >= 0) {
      save(export.name(), known);
    }
    return known;
  }

  private void delete(String name, Path file, Left each) {
    try {
      checkFile(file);
      exports.deleteVolume(name, file);
      log.info("export {}: its disk was switched to elsewhere; {} is deleted", name, file);
      forget(name);
    } catch (ExportException | IOException e) {
      Optional<String> why = Optional.of(e.getMessage());
      if (!why.equals(each.problem)) {
        log.warn("export {}: {} is not deleted yet: {}", name, file, e.getMessage());
      }
      synchronized (left) {
        each.problem = why;
      }
    }
  }

  /** One that a person has put there in its place is his. */
  private void checkFile(Path file) throws IOException {
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      return; // a crash came before its export was removed
    }
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      throw new IOException("expected a regular file, found something else; move it away");
    }
    Optional<String> user = openFiles.userOf(file);
    if (user.isPresent()) {
      throw new IOException("it is in use by " + user.get());
    }
  }

  private void forget(String name) {
    synchronized (left) {
      left.remove(name);
    }
    try {
      Files.deleteIfExists(directory.resolve(name + SUFFIX));
    } catch (IOException e) {
      log.warn("export {}: {}", name, e.toString());
    }
  }

  // ---- What outlives the daemon

  private void save(String name, Left each) {
    String text = each.seen.toSeconds() + "\n" + each.moved;
    try {
      DurableFile.write(
          directory.resolve(name + SUFFIX),
          text.getBytes(StandardCharsets.UTF_8),
          DurableFile.PRIVATE);
      each.saved = each.seen;
    } catch (IOException e) {
      log.warn("export {}: after a restart its file stays for longer: {}", name, e.toString());
    }
  }

  private Duration saved(String name, String moved) {
    try {
      String text = TextFile.read(directory.resolve(name + SUFFIX));
      int line = text.indexOf('\n');
      return line > 0 && text.substring(line + 1).equals(moved)
          ? Duration.ofSeconds(Long.parseLong(text.substring(0, line)))
          : Duration.ZERO;
    } catch (NoSuchFileException e) {
      return Duration.ZERO;
    } catch (IOException | NumberFormatException e) {
      log.warn("export {}: counted anew: {}", name, e.toString());
      return Duration.ZERO;
    }
  }
}

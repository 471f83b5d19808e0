package io.netchannel.daemon;

import static com.google.common.collect.ImmutableSet.toImmutableSet;

import io.netchannel.device.Inheritance;
import io.netchannel.device.mirror.DifferenceMap;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The maps of this host's jobs: where a disk and its new device may differ. A file for each job, on
 * tmpfs beside the requests in flight, so that the next daemon goes on with it after kill -9.
 *
 * <p>Each boot of the host has a directory of its own. A map says nothing any more once the host
 * has lost power: the new device may lack what was not flushed, also where this directory is on a
 * disk.
 *
 * <p>Where there is no room a map is in memory only: the job goes on, and a restart compares all.
 */
final class DifferenceMaps {
  private static final Logger log = LoggerFactory.getLogger(DifferenceMaps.class);

  private final Path directory;

  /**
   * @param directory of this host
   * @param boot another one after each restart of the host
   */
  DifferenceMaps(Path directory, UUID boot) {
    this.directory = directory.resolve(boot.toString());
  }

  /** A new one, of devices of which nothing is known. */
  DifferenceMap create(UUID job, long sizeBytes) {
    return DifferenceMap.createOrInMemory(file(job), sizeBytes);
  }

  /**
   * The one that a daemon before has left; a new one where that is nothing to rely on.
   *
   * @param unanswered what was under way when it ended
   */
  DifferenceMap find(UUID job, long sizeBytes, List<Inheritance.Change> unanswered) {
    try {
      return DifferenceMap.reopen(file(job), sizeBytes, unanswered);
    } catch (NoSuchFileException e) {
      log.info("{}: nothing is known of what was copied: {}", file(job), e.getMessage());
    } catch (IOException e) {
      log.warn("not relied on: {}", e.getMessage());
    }
    return create(job, sizeBytes);
  }

  /** Nobody goes on with it. */
  void remove(UUID job) {
    try {
      Files.deleteIfExists(file(job));
    } catch (IOException e) {
      log.warn("{}: is left there, to no use: {}", file(job), e.toString());
    }
  }

  /**
   * Removes what daemons that were killed have left of jobs that are over.
   *
   * @param jobs that are not
   */
  void removeOthers(Set<UUID> jobs) {
    Set<String> needed = jobs.stream().map(UUID::toString).collect(toImmutableSet());
    if (!Files.isDirectory(directory)) {
      return;
    }
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
      for (Path file : files) {
        if (!needed.contains(file.getFileName().toString())) {
          Files.deleteIfExists(file);
        }
      }
    } catch (IOException e) {
      log.warn("{}: maps of jobs that are over are left: {}", directory, e.toString());
    }
  }

  private Path file(UUID job) {
    return directory.resolve(job.toString());
  }
}

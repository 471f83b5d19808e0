package io.netchannel.daemon;

import static com.google.common.collect.ImmutableSet.toImmutableSet;

import io.netchannel.device.Inheritance;
import io.netchannel.device.mirror.DifferenceMap;
import io.netchannel.device.mirror.DifferenceMapFiles;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The maps of this host's jobs: where a disk and its new device may differ; beside the requests in
 * flight.
 *
 * <p>Each boot of the host has a directory of its own. A map says nothing any more once the host
 * has lost power: the new device may lack what was not flushed, also where this directory is on a
 * disk.
 */
final class DifferenceMaps {
  private static final Logger log = LoggerFactory.getLogger(DifferenceMaps.class);

  private final DifferenceMapFiles files;

  /**
   * @param directory of this host
   * @param boot another one after each restart of the host
   */
  DifferenceMaps(Path directory, UUID boot) {
    files = new DifferenceMapFiles(directory.resolve(boot.toString()));
  }

  /** A new one, of devices of which nothing is known. */
  DifferenceMap create(UUID job, long sizeBytes) {
    return files.create(job.toString(), sizeBytes);
  }

  /**
   * The one that a daemon before has left; a new one where that is nothing to rely on.
   *
   * @param unanswered what was under way when it ended
   */
  DifferenceMap find(UUID job, long sizeBytes, List<Inheritance.Change> unanswered) {
    try {
      return files.reopen(job.toString(), sizeBytes, unanswered);
    } catch (NoSuchFileException e) {
      log.info("job {}: nothing is known of what was copied: {}", job, e.getMessage());
    } catch (IOException e) {
      log.warn("not relied on: {}", e.getMessage());
    }
    return create(job, sizeBytes);
  }

  /** Nobody goes on with it. */
  void remove(UUID job) {
    files.remove(job.toString());
  }

  /**
   * Removes what daemons that were killed have left of jobs that are over.
   *
   * @param jobs that are not
   */
  void removeOthers(Set<UUID> jobs) {
    files.removeOthers(jobs.stream().map(UUID::toString).collect(toImmutableSet()));
  }
}

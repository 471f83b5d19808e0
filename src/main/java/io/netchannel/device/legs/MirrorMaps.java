package io.netchannel.device.legs;

import io.netchannel.device.Inheritance;
import io.netchannel.device.mirror.DifferenceMap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The maps of what differs between the legs of a host's disks: a file for each disk, on tmpfs. Who
 * has taken it last has it; an earlier life of the disk, which ends when its storage lets it, takes
 * nothing away from that one.
 *
 * <p>Where there is no room a map is in memory only: the guest runs, and a restart compares all.
 *
 * <p>From any thread; the monitor is held for calls of tmpfs, which wait for nothing.
 */
final class MirrorMaps {
  private static final Logger log = LoggerFactory.getLogger(MirrorMaps.class);

  private final Path directory;
  private final Map<String, DifferenceMap> taken = new HashMap<>();

  MirrorMaps(Path directory) {
    this.directory = directory;
  }

  Path file(String user) {
    return directory.resolve(user.replace('/', '-'));
  }

  /** A new one, of legs of which nothing is known. */
  synchronized DifferenceMap create(String user, long sizeBytes) {
    DifferenceMap map = DifferenceMap.createOrInMemory(file(user), sizeBytes);
    taken.put(user, map);
    return map;
  }

  /** As {@link DifferenceMap#reopen}. */
  synchronized DifferenceMap reopen(
      String user, long sizeBytes, List<Inheritance.Change> unanswered) throws IOException {
    DifferenceMap map = DifferenceMap.reopen(file(user), sizeBytes, unanswered);
    taken.put(user, map);
    return map;
  }

  /** Its disk has ended, and nobody goes on with it. Nothing where another one has the file. */
  synchronized void remove(String user, DifferenceMap map) {
    if (taken.remove(user, map)) {
      delete(user);
    }
  }

  /** Its guest has gone while no process had the disk. Nothing where one has it here by now. */
  synchronized void removeLeft(String user) {
    if (!taken.containsKey(user)) {
      delete(user);
    }
  }

  private void delete(String user) {
    try {
      Files.deleteIfExists(file(user));
    } catch (IOException e) {
      log.warn("{}: is left there, to no use: {}", file(user), e.toString());
    }
  }
}

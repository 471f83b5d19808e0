package io.netchannel.device.legs;

import io.netchannel.device.Inheritance;
import io.netchannel.device.mirror.DifferenceMap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The maps of what differs between the legs of a host's disks: a file for each disk, on tmpfs. Who
 * has taken it last has it; an earlier life of the disk, which ends when its storage lets it, takes
 * nothing away from that one.
 *
 * <p>From any thread; the monitor is held for calls of tmpfs, which wait for nothing.
 */
final class MirrorMaps {
  private final Path directory;
  private final Map<String, DifferenceMap> taken = new HashMap<>();

  MirrorMaps(Path directory) {
    this.directory = directory;
  }

  Path file(String user) {
    return directory.resolve(user.replace('/', '-'));
  }

  /** As {@link DifferenceMap#create}. */
  synchronized DifferenceMap create(String user, long sizeBytes) throws IOException {
    DifferenceMap map = DifferenceMap.create(file(user), sizeBytes);
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
  synchronized void remove(String user, DifferenceMap map) throws IOException {
    if (taken.remove(user, map)) {
      Files.deleteIfExists(file(user));
    }
  }
}

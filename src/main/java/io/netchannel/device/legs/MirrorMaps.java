package io.netchannel.device.legs;

import io.netchannel.device.Inheritance;
import io.netchannel.device.mirror.DifferenceMap;
import io.netchannel.device.mirror.DifferenceMapFiles;
import java.io.IOException;
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
  private final DifferenceMapFiles files;
  private final Map<String, DifferenceMap> taken = new HashMap<>();

  MirrorMaps(Path directory) {
    files = new DifferenceMapFiles(directory);
  }

  Path file(String user) {
    return files.file(name(user));
  }

  private static String name(String user) {
    return user.replace('/', '-');
  }

  /** A new one, of legs of which nothing is known. */
  synchronized DifferenceMap create(String user, long sizeBytes) {
    DifferenceMap map = files.create(name(user), sizeBytes);
    taken.put(user, map);
    return map;
  }

  /** As {@link DifferenceMap#reopen}. */
  synchronized DifferenceMap reopen(
      String user, long sizeBytes, List<Inheritance.Change> unanswered) throws IOException {
    DifferenceMap map = files.reopen(name(user), sizeBytes, unanswered);
    taken.put(user, map);
    return map;
  }

  /** Its disk has ended, and nobody goes on with it. Nothing where another one has the file. */
  synchronized void remove(String user, DifferenceMap map) {
    if (taken.remove(user, map)) {
      files.remove(name(user));
    }
  }

  /** Its guest has gone while no process had the disk. Nothing where one has it here by now. */
  synchronized void removeLeft(String user) {
    if (!taken.containsKey(user)) {
      files.remove(name(user));
    }
  }
}

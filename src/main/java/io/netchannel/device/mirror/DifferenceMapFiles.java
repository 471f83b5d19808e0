package io.netchannel.device.mirror;

import io.netchannel.device.Inheritance;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Maps of differences by their names: a file for each in a directory on tmpfs, so that the next
 * daemon goes on with it after kill -9. Where there is no room a map is in memory only: its guest
 * runs, and a restart compares all.
 */
public final class DifferenceMapFiles {
  private static final Logger log = LoggerFactory.getLogger(DifferenceMapFiles.class);

  private final Path directory;

  /**
   * Those in a directory.
   *
   * @param directory need not be there
   */
  public DifferenceMapFiles(Path directory) {
    this.directory = directory;
  }

  /** Where the map with a name is. */
  public Path file(String name) {
    return directory.resolve(name);
  }

  /** A new one, of legs of which nothing is known. */
  public DifferenceMap create(String name, long sizeBytes) {
    return DifferenceMap.createOrInMemory(file(name), sizeBytes);
  }

  /** As {@link DifferenceMap#reopen}. */
  public DifferenceMap reopen(String name, long sizeBytes, List<Inheritance.Change> unanswered)
      throws IOException {
    return DifferenceMap.reopen(file(name), sizeBytes, unanswered);
  }

  /** Nobody goes on with it; whoever has it open keeps it. */
  public void remove(String name) {
    try {
      Files.deleteIfExists(file(name));
    } catch (IOException e) {
      log.warn("{}: is left there, to no use: {}", file(name), e.toString());
    }
  }

  /** Removes those with other names. */
  public void removeOthers(Set<String> names) {
    if (!Files.isDirectory(directory)) {
      return;
    }
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
      for (Path file : files) {
        if (!names.contains(file.getFileName().toString())) {
          Files.deleteIfExists(file);
        }
      }
    } catch (IOException e) {
      log.warn("{}: maps that nobody needs are left: {}", directory, e.toString());
    }
  }
}

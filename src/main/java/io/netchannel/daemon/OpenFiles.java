package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import io.netchannel.text.PathText;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** Which files of this host are in use, as the kernel tells. */
@FunctionalInterface
interface OpenFiles {
  OpenFiles SYSTEM = new OfProc(Path.of("/"));

  /**
   * Those that are open now; waits for the storage of each.
   *
   * @throws IOException when that cannot be known
   */
  Users users() throws IOException;

  /** Who has which files open, in words. */
  @FunctionalInterface
  interface Users {
    /**
     * Empty when nobody does.
     *
     * @throws IOException when the file cannot be examined
     */
    Optional<String> of(Path file) throws IOException;
  }

  /**
   * By the descriptors of all processes, this one's too, and by loop devices; by inode, whatever
   * path was used. What the kernel itself has open, as for LIO, nfsd or nvmet, it does not tell.
   * Stateless.
   *
   * @param root where /proc and /sys are
   */
  record OfProc(Path root) implements OpenFiles {
    @Override
    public Users users() throws IOException {
      Map<Object, String> users = new HashMap<>();
      try (DirectoryStream<Path> processes =
          Files.newDirectoryStream(root.resolve("proc"), "[0-9]*")) {
        for (Path process : processes) {
          addOpen(process, users);
        }
      }
      addLoops(users);
      ImmutableMap<Object, String> found = ImmutableMap.copyOf(users);
      return file -> Optional.ofNullable(found.get(key(file)));
    }

    /** Its file system and inode. */
    private static Object key(Path file) throws IOException {
      return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
    }

    private static void addOpen(Path process, Map<Object, String> users) throws IOException {
      String name = "process " + process.getFileName();
      try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(process.resolve("fd"))) {
        for (Path descriptor : descriptors) {
          add(descriptor, name, users);
        }
      } catch (IOException | DirectoryIteratorException e) {
        if (Files.exists(process)) {
          throw new IOException("who has it open cannot be seen: " + e.getMessage(), e);
        }
        // it has ended meanwhile
      }
    }

    /**
     * One that is closed meanwhile, or is on a file system that shows itself to one user only, as
     * those of FUSE may, is none that is asked for.
     */
    private static void add(Path link, String user, Map<Object, String> users) {
      try {
        users.putIfAbsent(key(link), user);
      } catch (IOException e) {
        // as above
      }
    }

    private void addLoops(Map<Object, String> users) throws IOException {
      Path block = root.resolve("sys/block");
      if (!Files.isDirectory(block)) {
        return;
      }
      try (DirectoryStream<Path> loops = Files.newDirectoryStream(block, "loop*")) {
        for (Path loop : loops) {
          try {
            String backing = Files.readString(loop.resolve("loop/backing_file")).strip();
            add(PathText.parse(backing), "/dev/" + loop.getFileName(), users);
          } catch (NoSuchFileException e) {
            // it has no file
          } catch (IllegalArgumentException e) {
            throw new IOException(
                "what %s has open cannot be seen: %s".formatted(loop, e.getMessage()), e);
          }
        }
      }
    }
  }
}

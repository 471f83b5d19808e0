package io.netchannel.daemon;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Which files of this host are in use, as the kernel tells. */
@FunctionalInterface
interface OpenFiles {
  OpenFiles SYSTEM = new OfProc(Path.of("/"));

  /**
   * Who has a file open, in words; empty when nobody does.
   *
   * @throws IOException when that cannot be known
   */
  Optional<String> userOf(Path file) throws IOException;

  /**
   * By the descriptors of all processes, this one's too, and by loop devices. Stateless.
   *
   * @param root where /proc and /sys are
   */
  record OfProc(Path root) implements OpenFiles {
    @Override
    public Optional<String> userOf(Path file) throws IOException {
      String real = file.toRealPath().toString();
      try (DirectoryStream<Path> processes =
          Files.newDirectoryStream(root.resolve("proc"), "[0-9]*")) {
        for (Path process : processes) {
          if (hasOpen(process, real)) {
            return Optional.of("process " + process.getFileName());
          }
        }
      }
      return loop(real);
    }

    private static boolean hasOpen(Path process, String file) throws IOException {
      try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(process.resolve("fd"))) {
        for (Path descriptor : descriptors) {
          if (leadsTo(descriptor, file)) {
            return true;
          }
        }
        return false;
      } catch (IOException | DirectoryIteratorException e) {
        if (Files.exists(process)) {
          throw new IOException("who has it open cannot be seen: " + e.getMessage(), e);
        }
        return false; // it has ended meanwhile
      }
    }

    private static boolean leadsTo(Path descriptor, String file) {
      try {
        return Files.readSymbolicLink(descriptor).toString().equals(file);
      } catch (IOException e) {
        return false; // closed meanwhile
      }
    }

    private Optional<String> loop(String file) throws IOException {
      Path block = root.resolve("sys/block");
      if (!Files.isDirectory(block)) {
        return Optional.empty();
      }
      try (DirectoryStream<Path> loops = Files.newDirectoryStream(block, "loop*")) {
        for (Path loop : loops) {
          Path backing = loop.resolve("loop/backing_file");
          if (Files.exists(backing) && Files.readString(backing).strip().equals(file)) {
            return Optional.of("/dev/" + loop.getFileName());
          }
        }
        return Optional.empty();
      }
    }
  }
}

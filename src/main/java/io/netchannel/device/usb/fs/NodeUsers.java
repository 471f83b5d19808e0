package io.netchannel.device.usb.fs;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Finds which program has a device's node open, as {@code fuser} does; for root. */
public final class NodeUsers {
  private final Path processes;

  /**
   * Those of a host.
   *
   * @param root "/", or a tree that looks like it
   */
  public NodeUsers(Path root) {
    processes = root.resolve("proc");
  }

  /** One of them, as "qemu-system-x86 (pid 4711)"; empty when none is found. */
  public Optional<String> of(HostUsbDevice device) {
    try (DirectoryStream<Path> all = Files.newDirectoryStream(processes, "[0-9]*")) {
      for (Path each : all) {
        if (has(each, device.node())) {
          return Optional.of("%s (pid %s)".formatted(name(each), each.getFileName()));
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      return Optional.empty(); // it is for people, who can ask fuser
    }
    return Optional.empty();
  }

  /** False also of one that ends meanwhile. */
  private static boolean has(Path process, Path node) {
    try (DirectoryStream<Path> open = Files.newDirectoryStream(process.resolve("fd"))) {
      for (Path each : open) {
        if (Files.readSymbolicLink(each).equals(node)) {
          return true;
        }
      }
      return false;
    } catch (IOException | DirectoryIteratorException e) {
      return false;
    }
  }

  private static String name(Path process) {
    try {
      return Files.readString(process.resolve("comm")).strip();
    } catch (IOException e) {
      return "a program";
    }
  }
}

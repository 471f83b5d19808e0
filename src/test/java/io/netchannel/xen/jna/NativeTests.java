package io.netchannel.xen.jna;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Compiles the C parts of the tests with the Xen headers of this machine. */
final class NativeTests {
  private NativeTests() {}

  static void compile(Path source, Path output, String... options) throws IOException {
    Files.createDirectories(output.getParent());
    List<String> command =
        new ArrayList<>(
            List.of("gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", output.toString()));
    command.add(source.toString());
    command.addAll(List.of(options));
    run(command);
  }

  /** Runs a command to its end. */
  static byte[] run(List<String> command) throws IOException {
    Process process;
    try {
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      throw new AssertionError(
          "cannot run %s: install the Debian packages gcc libc6-dev libxen-dev"
              .formatted(command.get(0)),
          e);
    }
    byte[] output = process.getInputStream().readAllBytes();
    try {
      if (process.waitFor() != 0) {
        throw new AssertionError(
            "%s failed (Debian packages gcc libc6-dev libxen-dev?):%n%s"
                .formatted(String.join(" ", command), new String(output, UTF_8)));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
    return output;
  }
}

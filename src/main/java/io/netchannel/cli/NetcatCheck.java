package io.netchannel.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** Whether {@code nc} is the one that the libvirt hook needs: OpenBSD's, with -U and -N. */
final class NetcatCheck {
  /** Where the hook looks: the search path that systemd gives libvirtd. */
  private static final List<String> DIRECTORIES =
      List.of("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin");

  /** It prints its usage at once; what takes longer waits for something else. */
  private static final int BOUND_SECONDS = 5;

  private final Path root;

  /**
   * A check that has not run yet.
   *
   * @param root "/", or a tree that looks like it
   */
  NetcatCheck(Path root) {
    this.root = root;
  }

  /** What keeps the hook from using it; empty when nothing does. */
  Optional<String> problem() {
    Optional<Path> found =
        DIRECTORIES.stream()
            .map(directory -> root.resolve(directory).resolve("nc"))
            .filter(Files::isExecutable)
            .findFirst();
    if (found.isEmpty()) {
      return Optional.of("nc is missing, and the libvirt hook needs it");
    }
    Path nc = found.get();
    try {
      String usage = usage(nc);
      for (String option : List.of("-U", "-N")) {
        if (!Pattern.compile("(?m)^\\s+" + option + "\\s").matcher(usage).find()) {
          return Optional.of(
              "%s does not know %s, which the libvirt hook needs: it is not OpenBSD's"
                  .formatted(nc, option));
        }
      }
      return Optional.empty();
    } catch (IOException e) {
      return Optional.of("%s cannot be run: %s".formatted(nc, e.getMessage()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.of("the check of %s was interrupted".formatted(nc));
    }
  }

  private static String usage(Path nc) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(nc.toString(), "-h")
            .redirectErrorStream(true)
            .redirectInput(Path.of("/dev/null").toFile())
            .start();
    try {
      if (!process.waitFor(BOUND_SECONDS, TimeUnit.SECONDS)) {
        throw new IOException("\"nc -h\" has not ended after " + BOUND_SECONDS + " s");
      }
      // It has ended, so what it said is there; a child it left could keep the end from coming.
      byte[] said = process.getInputStream().readNBytes(process.getInputStream().available());
      return new String(said, StandardCharsets.UTF_8);
    } finally {
      process.destroyForcibly();
    }
  }
}

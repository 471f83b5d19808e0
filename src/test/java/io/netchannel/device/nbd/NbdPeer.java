package io.netchannel.device.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netchannel.device.DeviceException;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/** A real NBD server of a test's own on a Unix socket; killed with {@link #close}. */
public final class NbdPeer implements AutoCloseable {
  /** Far longer than a server needs on a busy machine; only a broken one reaches it. */
  private static final long START_BOUND_SECONDS = 30;

  private static final long POLL_MILLIS = 5;

  private final Path socket;
  private final List<String> command;
  private Process process;

  private NbdPeer(Path socket, List<String> command) {
    this.socket = socket;
    this.command = command;
  }

  /** Skips the test, which fails the house's test command, where a tool is missing. */
  public static void require(String tool, String debianPackage) {
    boolean found =
        Arrays.stream(System.getenv("PATH").split(":", -1))
            .anyMatch(directory -> Files.isExecutable(Path.of(directory, tool)));
    assumeTrue(found, "no %s here (apt install %s)".formatted(tool, debianPackage));
  }

  /** nbdkit with these arguments: options, filters, a plugin and its parameters. */
  public static NbdPeer nbdkit(Path directory, String... arguments) throws Exception {
    require("nbdkit", "nbdkit");
    Path socket = directory.resolve("nbdkit.sock");
    List<String> command = new ArrayList<>(List.of("nbdkit", "--foreground", "--exit-with-parent"));
    command.addAll(List.of("--unix", socket.toString()));
    command.addAll(List.of(arguments));
    return new NbdPeer(socket, command).start();
  }

  /** qemu-nbd with these arguments; the last is the image, which is raw. */
  public static NbdPeer qemuNbd(Path directory, String... arguments) throws Exception {
    require("qemu-nbd", "qemu-utils");
    Path socket = directory.resolve("qemu.sock");
    List<String> command = new ArrayList<>(List.of("qemu-nbd", "--persistent", "--format=raw"));
    command.addAll(List.of("--shared=0", "--socket=" + socket));
    command.addAll(List.of(arguments));
    return new NbdPeer(socket, command).start();
  }

  /** Starts it, again after {@link #kill}. */
  public NbdPeer start() throws IOException, InterruptedException, DeviceException {
    Files.deleteIfExists(socket); // a killed server leaves it behind
    process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log()).start();
    long endNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_BOUND_SECONDS);
    while (true) {
      try (NbdDevice device = NbdDevice.open(uri(""), true, timing())) {
        assertThat(device.geometry().sizeBytes()).isPositive();
        return this;
      } catch (DeviceException e) {
        if (!process.isAlive() || System.nanoTime() > endNanos) {
          close();
          throw new AssertionError(
              "%s does not serve: %s; it says: %s"
                  .formatted(command, e.getMessage(), Files.readString(log().file().toPath())),
              e);
        }
        Thread.sleep(POLL_MILLIS);
      }
    }
  }

  private Redirect log() {
    return Redirect.to(Path.of(socket + ".log").toFile());
  }

  public static NbdDevice.Timing timing() {
    return new NbdDevice.Timing(System::nanoTime, new Random(1));
  }

  /** With this in front of its query's end, for example {@code &reconnect=1}. */
  public String uri(String more) {
    return "nbd+unix:///?socket=" + socket + more;
  }

  /** SIGKILL. */
  public void kill() throws InterruptedException {
    process.destroyForcibly().waitFor();
  }

  @Override
  public void close() {
    process.destroyForcibly();
    process.onExit().join();
  }
}

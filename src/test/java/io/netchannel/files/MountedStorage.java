package io.netchannel.files;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A small file system of its own, that can be full or read-only. Needs root, as the tests do. */
public final class MountedStorage implements AutoCloseable {
  private static final int CHUNK_BYTES = 4096;

  private final Path point;
  private final Path filler;

  private MountedStorage(Path point) {
    this.point = point;
    this.filler = point.resolve("of-somebody-else");
  }

  /** Mounts a tmpfs at a directory, which is made when it is not there. */
  public static MountedStorage tmpfs(Path point, int sizeBytes) throws IOException {
    Files.createDirectories(point);
    run("mount", "-t", "tmpfs", "-o", "mode=700,size=" + sizeBytes, "none", point.toString());
    return new MountedStorage(point);
  }

  /** Until not another byte fits. */
  public void fill() throws IOException {
    try (OutputStream out = Files.newOutputStream(filler)) {
      while (true) {
        out.write(new byte[CHUNK_BYTES]);
      }
    } catch (IOException e) {
      assertThat(e).hasMessageContaining("No space left on device");
    }
  }

  public void makeRoom() throws IOException {
    Files.delete(filler);
  }

  public void makeReadOnly() throws IOException {
    run("mount", "-o", "remount,ro", point.toString());
  }

  public void makeWritable() throws IOException {
    run("mount", "-o", "remount,rw", point.toString());
  }

  @Override
  public void close() throws IOException {
    run("umount", "-l", point.toString());
  }

  private static void run(String... command) throws IOException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.onExit().join().exitValue())
        .as("%s: %s", String.join(" ", command), said)
        .isZero();
  }
}

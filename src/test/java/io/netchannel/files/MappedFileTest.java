package io.netchannel.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class MappedFileTest {
  private static final int BYTES = 200_000;

  @TempDir Path directory;

  @Test
  void itHasRoomForAllOfItAndKeepsWhatIsThere() throws Exception {
    Path file = directory.resolve("map");
    byte[] before = new byte[100_000];
    Arrays.fill(before, 60_000, 60_010, (byte) 7);
    try (FileChannel sparse =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      var unused = sparse.write(ByteBuffer.wrap(before, 60_000, 10), 60_000);
      unused = sparse.write(ByteBuffer.allocate(1), before.length - 1);
    }
    assertThat(allocated(file)).isLessThan(before.length);
    ByteBuffer memory = map(file);

    assertThat(allocated(file)).isGreaterThanOrEqualTo(BYTES);
    assertThat(Files.readAllBytes(file)).isEqualTo(Arrays.copyOf(before, BYTES));
    memory.put(BYTES - 1, (byte) 9);
    assertThat(Files.readAllBytes(file)[BYTES - 1]).isEqualTo((byte) 9);
  }

  /** A mapped hole that cannot be filled would end the process. */
  @Test
  void aFullFileSystemIsRefusedAndNothingOfItStays() throws Exception {
    Path small = Files.createDirectory(directory.resolve("small"));
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small.toString());
    try {
      Path file = small.resolve("map");
      assertThatThrownBy(() -> map(file))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("room for the 200000 bytes of a test")
          .hasMessageContaining("make room");
      assertThat(file).doesNotExist();

      Files.write(file, new byte[] {5});
      assertThatThrownBy(() -> map(file)).isInstanceOf(IOException.class);
      assertThat(Files.readAllBytes(file)).as("another's").startsWith(5);
    } finally {
      run("umount", "-l", small.toString());
    }
  }

  /** The garbage collector may take days to come to it. */
  @Test
  void theRoomOfOneThatIsRemovedIsThereAtOnce() throws Exception {
    Path small = Files.createDirectory(directory.resolve("small"));
    run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small.toString());
    try {
      ByteBuffer before = map(small.resolve("before"));
      MappedFile.remove(small.resolve("before"));
      assertThat(small.resolve("before")).doesNotExist();
      ByteBuffer next = map(small.resolve("next"));

      next.put(0, (byte) 7);
      assertThat(before.get(BYTES - 1)).as("still mapped").isZero();
      MappedFile.remove(small.resolve("none"));
    } finally {
      run("umount", "-l", small.toString());
    }
  }

  private static ByteBuffer map(Path file) throws IOException {
    try (FileChannel channel =
        FileChannel.open(
            file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      return MappedFile.map(channel, file, BYTES, "a test");
    }
  }

  private static long allocated(Path file) throws Exception {
    return 512 * Long.parseLong(run("stat", "-c", "%b", file.toString()).strip());
  }

  private static String run(String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(said).isZero();
    return said;
  }
}

package io.netchannel.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.files.MemoryFiles.Operation;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class DurableFileTest {
  private static final Path FILE = Path.of("/state/file");
  private static final int RUNS = 200;

  @TempDir private Path directory;

  /** The first choices of neighbouring seeds are the same ones. */
  private static Random random(int seed) {
    return new Random(seed * 0x9e3779b97f4a7c15L);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static Optional<String> read(MemoryFiles disk) throws IOException {
    return disk.read(FILE).map(found -> new String(found, StandardCharsets.US_ASCII));
  }

  private static String mode(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }

  @Test
  void isReplacedAndHasTheModeItIsGiven() throws Exception {
    Path file = directory.resolve("key");
    Files.writeString(file, "for all to read");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw-rw-"));
    Files.writeString(directory.resolve("key.new"), "left by a crash, for all to read");
    DurableFile.write(file, bytes("secret"), DurableFile.PRIVATE);
    assertThat(Files.readString(file)).isEqualTo("secret");
    assertThat(mode(file)).isEqualTo("rw-------");
    assertThat(directory.resolve("key.new")).doesNotExist();
  }

  @Test
  void aDirectoryIsItsOwnersWithItsParents() throws Exception {
    Path made = directory.resolve("a/b");
    DurableFile.makeDirectory(made);
    DurableFile.makeDirectory(made);
    assertThat(mode(made)).isEqualTo("rwx------");
    assertThat(mode(made.getParent())).isEqualTo("rwx------");
  }

  /** Whatever call fails: the old one or the new one, whole, and told which where that is known. */
  @ParameterizedTest
  @EnumSource(names = {"OPEN", "WRITE", "FORCE", "RENAME", "FORCE_DIRECTORY"})
  void aFailureAndAPowerCutLeaveTheOldOneOrTheNewOne(Operation failing) throws Exception {
    boolean certain = failing.compareTo(Operation.RENAME) < 0;
    for (int seed = 0; seed < RUNS; seed++) {
      MemoryFiles disk = new MemoryFiles(random(seed), () -> {});
      DurableFile.write(disk, FILE, bytes("old"), DurableFile.PRIVATE).close();
      disk.breaks(failing);
      assertThatThrownBy(() -> DurableFile.write(disk, FILE, bytes("new"), DurableFile.PRIVATE))
          .as("seed %s", seed)
          .isInstanceOf(certain ? IOException.class : UncertainFileException.class)
          .hasMessageContaining(FILE.toString())
          .hasMessageContaining("Input/output error")
          .hasMessageContaining(certain ? "is as it was" : "the old content or the new");
      disk.isMended();
      disk.cutPower();
      assertThat(read(disk)).as("seed %s", seed).isPresent();
      if (certain) {
        assertThat(read(disk)).as("seed %s", seed).contains("old");
      } else {
        assertThat(read(disk).orElseThrow()).as("seed %s", seed).isIn("old", "new");
      }
    }
  }

  @Test
  void isDurableWhenItReturns() throws Exception {
    for (int seed = 0; seed < RUNS; seed++) {
      MemoryFiles disk = new MemoryFiles(random(seed), () -> {});
      DurableFile.write(disk, FILE, bytes("old"), DurableFile.PRIVATE).close();
      DurableFile.write(disk, FILE, bytes("new"), DurableFile.PRIVATE).close();
      disk.cutPower();
      assertThat(read(disk)).as("seed %s", seed).contains("new");
    }
  }

  @Test
  void whatIsDeletedDoesNotComeBack() throws Exception {
    for (int seed = 0; seed < RUNS; seed++) {
      MemoryFiles disk = new MemoryFiles(random(seed), () -> {});
      DurableFile.write(disk, FILE, bytes("old"), DurableFile.PRIVATE).close();
      DurableFile.delete(disk, FILE);
      DurableFile.delete(disk, FILE);
      disk.cutPower();
      assertThat(read(disk)).as("seed %s", seed).isEmpty();
    }
  }

  @Test
  void aDeleteThatMayNotLastIsTold() throws Exception {
    MemoryFiles disk = new MemoryFiles(new Random(1), () -> {});
    DurableFile.write(disk, FILE, bytes("old"), DurableFile.PRIVATE).close();
    disk.breaks(Operation.FORCE_DIRECTORY);
    assertThatThrownBy(() -> DurableFile.delete(disk, FILE)).isInstanceOf(IOException.class);
  }

  @Test
  void saysWhatIsMissing() {
    Path file = directory.resolve("none/file");
    assertThatThrownBy(() -> DurableFile.write(file, bytes("x"), DurableFile.PRIVATE))
        .hasMessageContaining(file + " cannot be written and is as it was")
        .hasMessageContaining("its directory is not there");
  }
}

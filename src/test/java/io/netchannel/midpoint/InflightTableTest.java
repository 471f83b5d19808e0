package io.netchannel.midpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class InflightTableTest {
  private static final InflightTable.Layout LAYOUT = InflightTable.Layout.of("NCINFLT1", 128);
  private static final MidPointLimits LIMITS = new MidPointLimits(4, 1 << 20, 1);

  @Test
  void aFileIsFoundAgain(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("inflight").resolve("7-51728");
    try (InflightTable table = InflightTable.open(file, LAYOUT, LIMITS)) {
      table.consumed(3, -2);
      assertThat(table.nextSequence()).isEqualTo(1);
    }
    try (InflightTable table = InflightTable.open(file, LAYOUT, LIMITS)) {
      assertThat(table.slots()).isEqualTo(4);
      assertThat(table.requestConsumers()[3]).isEqualTo(-2);
      assertThat(table.recovered()).isEmpty();
      table.remove();
    }
    assertThat(file).doesNotExist();
  }

  @Test
  void aFileOfSomethingElseIsRefused(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("7-51728");
    Files.write(file, List.of("something else entirely"));
    assertThatThrownBy(() -> InflightTable.open(file, LAYOUT, LIMITS))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("expected an in-flight table of version 1")
        .hasMessageContaining("remove the file");
  }

  @Test
  void consumersWrapAround() {
    InflightTable table = InflightTables.inMemory(LAYOUT, LIMITS);
    table.consumed(0, Integer.MAX_VALUE);
    table.take(new TestRequest(1), 1, 1, Integer.MIN_VALUE);
    table.consumed(0, Integer.MAX_VALUE);
    assertThat(table.requestConsumers()[0]).isEqualTo(Integer.MIN_VALUE);
  }

  /**
   * What is mapped there has its room from the start: at a peak the lack of it ends the process.
   */
  @Test
  void aFullFileSystemIsRefusedAtTheStart(@TempDir Path directory) throws Exception {
    Path small = Files.createDirectory(directory.resolve("small"));
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small.toString());
    try {
      Path file = small.resolve("1-51728");
      assertThatThrownBy(
              () -> InflightTable.open(file, LAYOUT, new MidPointLimits(1024, 1 << 20, 1)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("1-51728")
          .hasMessageContaining("make room");
      assertThat(file).doesNotExist();
    } finally {
      run("umount", "-l", small.toString());
    }
  }

  /** As an earlier version has made it. */
  @Test
  void holesAreFilledAndWhatIsThereStays(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("1-51728");
    MidPointLimits limits = new MidPointLimits(1024, 1 << 20, 1);
    int bytes = LAYOUT.fileBytes(limits.maxPending());
    byte[] before;
    try (InflightTable table = InflightTable.open(file, LAYOUT, limits)) {
      table.consumed(1, 7);
      before = Files.readAllBytes(file);
    }
    try (RandomAccessFile holes = new RandomAccessFile(file.toFile(), "rw")) {
      holes.setLength(InflightTable.Layout.HEADER_BYTES);
      holes.setLength(bytes);
    }
    assertThat(allocated(file)).isLessThan(bytes);
    try (InflightTable table = InflightTable.open(file, LAYOUT, limits)) {
      assertThat(table.requestConsumers()[1]).isEqualTo(7);
    }
    assertThat(allocated(file)).isGreaterThanOrEqualTo(bytes);
    assertThat(Files.readAllBytes(file)).isEqualTo(before);
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

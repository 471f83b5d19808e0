package io.netchannel.device.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FileStatTest {
  @TempDir private Path directory;

  private static FileStat of(Path file) throws IOException {
    return FileStat.of(file).orElseThrow();
  }

  @Test
  void isWhatTheSystemSays() throws IOException {
    Path file = Files.createFile(directory.resolve("volume"));
    FileStat stat = of(file);
    assertThat(stat.isRegular()).isTrue();
    assertThat(stat.links()).isEqualTo(1);
    assertThat(stat.birth().orElseThrow().inode()).isEqualTo(Files.getAttribute(file, "unix:ino"));
    FileTime changed = (FileTime) Files.getAttribute(file, "unix:ctime");
    assertThat(stat.changed()).isEqualTo(changed.toInstant());
    assertThat(stat.birth().orElseThrow().at()).isBetween(Instant.EPOCH, changed.toInstant());
    Files.createLink(directory.resolve("link"), file);
    assertThat(of(file).links()).isEqualTo(2);
    assertThat(of(directory).isRegular()).isFalse();
    assertThat(of(Files.createSymbolicLink(directory.resolve("to"), file)).isRegular()).isFalse();
  }

  @Test
  void whatIsNotThereIsNothing() throws IOException {
    Path file = Files.createFile(directory.resolve("volume"));
    assertThat(FileStat.of(directory.resolve("none"))).isEmpty();
    assertThat(FileStat.of(file.resolve("below"))).isEmpty();
    Path loop = directory.resolve("loop");
    Files.createSymbolicLink(loop, loop);
    assertThatThrownBy(() -> FileStat.of(loop.resolve("below")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("cannot be examined");
  }

  /** File systems give an inode that was freed to the next file. */
  @Test
  void aFileIsItselfUntilItIsMadeAnew() throws IOException {
    Path file = Files.createFile(directory.resolve("volume"));
    FileStat.Birth birth = of(file).birth().orElseThrow();
    Files.writeString(file, "x");
    Files.setLastModifiedTime(file, FileTime.from(1, TimeUnit.DAYS));
    Path moved = Files.move(file, directory.resolve("moved"));
    assertThat(of(moved).birth()).contains(birth);
    assertThat(FileStat.Birth.parse(birth.toString())).isEqualTo(birth);
    Files.delete(moved);
    Instant before = birth.at();
    while (!of(Files.createFile(file)).birth().orElseThrow().at().isAfter(before)) {
      Files.delete(file); // its clock goes in steps
    }
    assertThat(of(file).birth().orElseThrow()).isNotEqualTo(birth);
  }

  @Test
  void aBirthThatMeansNothingIsRefused() {
    for (String text : new String[] {"", "7", "x 2026-01-01T00:00:00Z", "7 today", "7 8 9"}) {
      assertThatThrownBy(() -> FileStat.Birth.parse(text))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("expected an inode and a time, found");
    }
  }
}

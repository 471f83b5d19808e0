package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class OpenFilesTest {
  @TempDir private Path directory;

  private static Optional<String> userOf(Path file) throws IOException {
    return OpenFiles.SYSTEM.users().of(file);
  }

  @Test
  void whoHasAFileOpenIsSeenAlsoUnderAnotherName() throws IOException {
    Path file = Files.createFile(directory.resolve("volume"));
    Path link = Files.createSymbolicLink(directory.resolve("link"), file);
    Path other = Files.createLink(directory.resolve("other"), file);
    assertThat(userOf(file)).isEmpty();
    for (Path name : List.of(file, link, other)) {
      try (FileChannel opened = FileChannel.open(name)) {
        assertThat(opened.isOpen()).isTrue();
        assertThat(userOf(file)).contains("process " + ProcessHandle.current().pid());
      }
    }
    assertThat(userOf(file)).isEmpty();
  }

  @Test
  void aLoopDeviceIsAUserUnderWhateverName() throws IOException {
    Path file = Files.createFile(directory.resolve("volume"));
    Path link = Files.createSymbolicLink(directory.resolve("link"), file);
    Files.createDirectories(directory.resolve("proc/1/fd"));
    Files.createDirectories(directory.resolve("sys/block/loop0"));
    Path loop = Files.createDirectories(directory.resolve("sys/block/loop3/loop"));
    OpenFiles files = new OpenFiles.OfProc(directory);
    assertThat(files.users().of(file)).isEmpty();
    Files.writeString(loop.resolve("backing_file"), link + "\n");
    assertThat(files.users().of(file)).contains("/dev/loop3");
  }
}

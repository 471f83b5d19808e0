package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class OpenFilesTest {
  @TempDir private Path directory;

  @Test
  void whoHasAFileOpenIsSeenAlsoThroughALink() throws IOException {
    Path file = Files.createFile(directory.resolve("volume"));
    Path link = Files.createSymbolicLink(directory.resolve("link"), file);
    assertThat(OpenFiles.SYSTEM.userOf(file)).isEmpty();
    try (FileChannel opened = FileChannel.open(link)) {
      assertThat(opened.isOpen()).isTrue();
      assertThat(OpenFiles.SYSTEM.userOf(file))
          .contains("process " + ProcessHandle.current().pid());
    }
    assertThat(OpenFiles.SYSTEM.userOf(file)).isEmpty();
  }

  @Test
  void aLoopDeviceIsAUser() throws IOException {
    Path file = Files.createFile(directory.resolve("volume"));
    Files.createDirectories(directory.resolve("proc/1/fd"));
    Path loop = Files.createDirectories(directory.resolve("sys/block/loop3/loop"));
    OpenFiles files = new OpenFiles.OfProc(directory);
    assertThat(files.userOf(file)).isEmpty();
    Files.writeString(loop.resolve("backing_file"), file.toRealPath() + "\n");
    assertThat(files.userOf(file)).contains("/dev/loop3");
  }
}

package io.netchannel.device.usb.fs;

import static org.assertj.core.api.Assertions.assertThatCode;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
final class NodeWatchTest {
  @TempDir private Path nodes;

  @Test
  void busesAndDevicesThatComeAndGoAreTold() throws Exception {
    Files.createDirectory(nodes.resolve("001"));
    Semaphore told = new Semaphore(0);
    try (NodeWatch watch = NodeWatch.start(nodes)) {
      HotPlug.Registration registration = watch.listen(told::release);
      Files.createFile(nodes.resolve("001/002"));
      told.acquire();
      Files.delete(nodes.resolve("001/002"));
      told.acquire();
      Files.createDirectory(nodes.resolve("003"));
      told.acquire();
      Files.createFile(nodes.resolve("003/004")); // the new bus is watched by now
      told.acquire();
      registration.close();
    }
  }

  @Test
  void whatAListenerThrowsEndsNothing() throws Exception {
    Semaphore told = new Semaphore(0);
    try (NodeWatch watch = NodeWatch.start(nodes)) {
      HotPlug.Registration registration =
          watch.listen(
              () -> {
                told.release();
                throw new IllegalStateException("as a test wants it");
              });
      Files.createDirectory(nodes.resolve("001"));
      told.acquire();
      Files.createDirectory(nodes.resolve("002"));
      told.acquire();
      registration.close();
    }
  }

  @Test
  void aHostWithoutUsbIsWatchedInVain() {
    assertThatCode(() -> NodeWatch.start(nodes.resolve("none")).close()).doesNotThrowAnyException();
  }
}

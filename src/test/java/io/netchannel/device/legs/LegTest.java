package io.netchannel.device.legs;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.util.concurrent.Uninterruptibles;
import io.netchannel.device.Device;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.file.FileDevice;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LegTest {
  /** Its requests' memory is somebody else's after the close. */
  @Test
  void theCloseWaitsForADeviceThatIsBeingGivenUp(@TempDir Path directory) throws Exception {
    Path file = Files.write(directory.resolve("a.raw"), new byte[4096]);
    CountDownLatch givenUp = new CountDownLatch(1);
    CountDownLatch mayEnd = new CountDownLatch(1);
    CompletableFuture<Void> ended = new CompletableFuture<>();
    AtomicBoolean closing = new AtomicBoolean();
    Device slow =
        new ForwardingDevice(FileDevice.open(file.toString(), false)) {
          @Override
          public void close() {
            if (closing.compareAndSet(false, true)) {
              givenUp.countDown();
              Uninterruptibles.awaitUninterruptibly(mayEnd);
              super.close();
              ended.complete(null);
            }
            ended.join();
          }
        };
    Leg leg = new Leg("file:" + file, slow.geometry());
    leg.put(slow);
    Thread givingUp = new Thread(() -> leg.giveUp("it is away"));
    givingUp.start();
    givenUp.await();
    Thread closer = new Thread(leg::close);
    closer.start();
    while (closer.isAlive() && closer.getState() != Thread.State.WAITING) {
      Thread.onSpinWait();
    }

    assertThat(closer.isAlive()).isTrue();
    mayEnd.countDown();
    givingUp.join();
    closer.join();
    assertThat(ended).isCompleted();
  }
}

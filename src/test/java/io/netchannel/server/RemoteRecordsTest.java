package io.netchannel.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.legs.Authority;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.wire.Transport;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a server is told of legs, when it does not answer in time. */
@Timeout(60)
final class RemoteRecordsTest {
  private static final RemoteOptions IMPATIENT =
      new RemoteOptions(
          Duration.ofMillis(50),
          Duration.ofSeconds(3),
          Duration.ofMillis(500),
          Duration.ofSeconds(5),
          Duration.ofMillis(1),
          Duration.ofMillis(20),
          Optional.empty());

  @TempDir private Path directory;

  /** The word goes out on the event loop, as soon as that comes to it. */
  @Test
  void whatMayYetGoOutIsNotCalledUntold() throws Exception {
    CountDownLatch goesOn = new CountDownLatch(1);
    try (ServerHarness server = new ServerHarness(directory, 1);
        Transport transport = new Transport("asker", 1)) {
      server
          .open(server.unixSource(ServerHarness.EXPORT), ServerHarness.as(TwoLegs.USER, 1))
          .close();
      Authority records =
          new RemoteDevices(transport, server.executor, Optional.empty(), IMPATIENT, new Random(7))
              .records(server.unixSource(ServerHarness.EXPORT));
      transport
          .next()
          .execute(
              () -> {
                try {
                  goesOn.await();
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
      try {
        assertThatThrownBy(() -> records.tell(TwoLegs.USER, 1, Optional.empty()))
            .isInstanceOf(Authority.UntoldException.class);
        assertThatThrownBy(() -> records.ask(TwoLegs.USER))
            .as("which changes nothing")
            .isNotInstanceOf(Authority.UntoldException.class);
      } finally {
        goesOn.countDown();
      }
      assertThat(server.exports()).isNotEmpty();
    }
  }
}

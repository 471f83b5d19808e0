package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.file.FileDevice;
import io.netchannel.server.nbd.NbdExport;
import io.netchannel.server.nbd.NbdServer;
import io.netchannel.wire.Transport;
import io.netchannel.xen.Waiting;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code nbd-export} whose device, or the source of whose swap, does not answer any more. */
@Timeout(120)
final class SilentLegTest {
  private static final int SIZE_BYTES = 1 << 20;
  private static final Duration LEG_TIMEOUT = Duration.ofSeconds(1);

  @TempDir private Path directory;
  private final byte[] content = new byte[SIZE_BYTES];
  private final StringWriter told = new StringWriter();

  @BeforeEach
  void make() throws Exception {
    new Random(5).nextBytes(content);
    Files.write(directory.resolve("source"), content);
    Files.write(directory.resolve("target"), new byte[SIZE_BYTES]);
  }

  private Device file(String name) throws Exception {
    return FileDevice.open(directory.resolve(name).toString(), false);
  }

  private boolean isTold(String line) {
    return told.toString().contains("swap: " + line);
  }

  private static CompletableFuture<Outcome> readSector(Device device, ByteBuffer data) {
    return Requests.submit(done -> device.read(SilentDevice.SECTOR, data, done));
  }

  /** The target answers what the source has had from its clients. */
  @Test
  void aSourceThatIsSilentAfterTheSwitchIsGivenUp() throws Exception {
    SilentDevice source = new SilentDevice(file("source"), new CountDownLatch(0));
    try (ServedSwap swap =
        ServedSwap.of(source, file("target"), false, LEG_TIMEOUT, new PrintWriter(told))) {
      ByteBuffer data = ByteBuffer.allocateDirect(SilentDevice.SECTOR);
      CompletableFuture<Outcome> read = readSector(swap, data);
      swap.begin(Duration.ZERO);
      Waiting.until("the switch", () -> isTold("switched"));
      assertThat(read).as("it waits for the source").isNotDone();
      Waiting.until("the end", () -> isTold("done"));
      assertThat(Requests.join(read)).isEqualTo(Outcome.OK);
      byte[] found = new byte[SilentDevice.SECTOR];
      data.get(0, found);
      assertThat(found)
          .isEqualTo(Arrays.copyOfRange(content, SilentDevice.SECTOR, 2 * SilentDevice.SECTOR));
      assertThat(isTold("the source has not answered for 1 s and is closed")).isTrue();
    }
  }

  /** All that was written is durable; what hangs is no reason to fail, nor to wait. */
  @Test
  void aDeviceThatDoesNotCloseKeepsNobodyFromTheEnd() throws Exception {
    CountDownLatch mayClose = new CountDownLatch(1);
    try (SilentDevice device = new SilentDevice(file("source"), mayClose);
        Transport threads = new Transport("nbd", 1);
        NbdServer server =
            new NbdServer(
                List.of(new NbdExport("", "", device, false)), threads, true, System::nanoTime)) {
      ServedUntilTold served = new ServedUntilTold(false, Duration.ofSeconds(3));
      served.opened(device);
      served.listening(server);
      try {
        assertThat(served.end("file:/x")).isEmpty();
        assertThat(mayClose.getCount()).as("it hangs still").isEqualTo(1);
      } finally {
        mayClose.countDown();
      }
    }
  }
}

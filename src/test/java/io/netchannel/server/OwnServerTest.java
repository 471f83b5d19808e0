package io.netchannel.server;

import static io.netchannel.server.ServerHarness.CLIENT;
import static io.netchannel.server.ServerHarness.EXPORT;
import static io.netchannel.server.ServerHarness.as;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.net.HostAndPort;
import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.remote.OwnServer;
import io.netchannel.xen.Waiting;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A client in the server's own process: the same sessions without network. */
@Timeout(180)
final class OwnServerTest {
  private static final String HERE = "this host itself";

  @TempDir private Path directory;
  private ServerHarness host;
  private final long seed = ThreadLocalRandom.current().nextLong();
  private final Switch own = new Switch();

  /** Whether the server's address is this process's. */
  private static final class Switch implements OwnServer {
    private volatile boolean on = true;

    @Override
    public boolean isCalled(HostAndPort server) {
      return false;
    }

    @Override
    public boolean isAt(InetSocketAddress address) {
      return on;
    }
  }

  @BeforeEach
  void start() throws Exception {
    System.out.println("seed " + seed);
    host = new ServerHarness(directory, seed);
  }

  @AfterEach
  void stop() {
    host.close();
  }

  @Test
  void requestsOfEverySizeAndManyAtATime() throws Exception {
    try (Device device = host.openAsOwn(own, as(CLIENT, 1))) {
      assertThat(host.from(EXPORT)).contains(HERE);
      Random random = new Random(seed);
      for (int bytes : new int[] {512, 4096, 16 << 10, (16 << 10) + 512, 1 << 20, 5 << 20}) {
        byte[] data = new byte[bytes];
        random.nextBytes(data);
        assertThat(Requests.write(device, 4096, data)).isEqualTo(Outcome.OK);
        assertThat(Arrays.equals(Requests.read(device, 4096, bytes), data))
            .as("%d", bytes)
            .isTrue();
      }
      new Lanes(device, 400, 4096, 10).start().await();
      new Lanes(device, 12, 1 << 20, 5).start().await();
    }
    assertThat(host.disk.open).as("detached").hasValue(0);
  }

  /** Each time the server is gone in the middle of the load, and what was unanswered is done. */
  @Test
  void theServerIsRestartedUnderLoad() throws Exception {
    Device device = host.openAsOwn(own, as(CLIENT, 1));
    int lanes = 24;
    Lanes load = new Lanes(device, lanes, 4096, 400).start();
    for (int i = 0; i < 5; i++) {
      int begun = host.disk.begun.get();
      Waiting.until("load", () -> host.disk.begun.get() > begun + 200);
      host.stop();
      host.start();
    }
    load.await();
    device.close();
    for (int lane = 0; lane < lanes; lane++) {
      assertThat(host.disk.numberAt(lane * 4096)).isEqualTo(Lanes.number(lane, 400));
    }
  }

  /** As when a name goes from this host to another and back: each connection decides anew. */
  @Test
  void aNameMayMoveBetweenThisHostAndAnother() throws Exception {
    Device device = host.openAsOwn(own, as(CLIENT, 1));
    Lanes load = new Lanes(device, 16, 4096, 300).start();
    for (boolean here : new boolean[] {false, true}) {
      own.on = here;
      host.stop();
      host.start();
      Waiting.until("attached again", () -> host.from(EXPORT).isPresent());
      Optional<String> from = host.from(EXPORT);
      assertThat(from.orElseThrow().equals(HERE)).as("from %s", from).isEqualTo(here);
      int begun = host.disk.begun.get();
      Waiting.until("load", () -> host.disk.begun.get() > begun + 100);
    }
    load.await();
    device.close();
  }

  @Test
  void takeOversBetweenThisHostAndAnother() throws Exception {
    Device here = host.openAsOwn(own, as(CLIENT, 1));
    assertThat(Requests.write(here, 0, new byte[4096])).isEqualTo(Outcome.OK);
    Device there = host.open(host.source(EXPORT), as(CLIENT, 2));
    assertThat(Requests.write(here, 0, new byte[4096])).as("fenced").isEqualTo(Outcome.IO_ERROR);
    assertThat(Requests.write(there, 0, new byte[4096])).isEqualTo(Outcome.OK);
    Device back = host.openAsOwn(own, as(CLIENT, 3));
    assertThat(Requests.write(there, 0, new byte[4096])).as("fenced").isEqualTo(Outcome.IO_ERROR);
    assertThat(Requests.write(back, 0, new byte[4096])).isEqualTo(Outcome.OK);
    back.close();
    there.close();
    here.close();
  }

  /** The end of a daemon: it does not wait for a device that hangs, and nobody else gets in. */
  @Test
  void whoKeepsItsPlaceDoesNotWaitForWhatRuns() throws Exception {
    for (boolean here : new boolean[] {true, false}) {
      own.on = here;
      Device device = host.openAsOwn(own, as(CLIENT, 1));
      host.disk.hold();
      ByteBuffer data = BlockBuffers.allocate(4096).putLong(0, 4711);
      CompletableFuture<Outcome> stuck = Requests.submit(done -> device.write(8192, data, done));
      Waiting.until("at the device", () -> host.disk.held() == 1);
      device.keepPlace();
      device.close();
      assertThat(stuck).as("completed, with an outcome that means nothing").isDone();
      assertThatThrownBy(() -> host.openAsOwn(own, as("other/xvda", 1)))
          .hasMessageContaining("in use by " + CLIENT);
      CompletableFuture<Device> again =
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  return host.openAsOwn(own, as(CLIENT, 1));
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
              },
              host.executor);
      host.disk.release();
      try (Device back = Requests.join(again)) {
        assertThat(host.disk.numberAt(8192)).as("finished before").isEqualTo(4711);
        assertThat(Requests.write(back, 8192, new byte[512])).isEqualTo(Outcome.OK);
      }
    }
  }
}

package io.netchannel.device.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A server that is killed and comes back, under our client. */
@Timeout(300)
final class NbdReconnectTest {
  private static final long SEED = 42;
  private static final int SIZE_BYTES = 8 << 20;
  private static final int RESTARTS = 5;

  @TempDir Path directory;
  private Path image;

  @BeforeEach
  void makeImage() throws Exception {
    image = directory.resolve("disk.raw");
    resize(image, SIZE_BYTES);
  }

  private static void resize(Path path, long sizeBytes) throws Exception {
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(sizeBytes);
    }
  }

  @Test
  void nbdkitIsKilledUnderLoadAndNothingIsLost() throws Exception {
    try (NbdPeer peer =
        NbdPeer.nbdkit(directory, "--filter=delay", "file", image.toString(), "wdelay=1ms")) {
      killUnderLoad(peer);
    }
  }

  @Test
  void qemuNbdIsKilledUnderLoadAndNothingIsLost() throws Exception {
    try (NbdPeer peer = NbdPeer.qemuNbd(directory, image.toString())) {
      killUnderLoad(peer);
    }
  }

  private static void killUnderLoad(NbdPeer peer) throws Exception {
    try (Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      DiskLoad load = new DiskLoad(device, SIZE_BYTES / DiskLoad.BLOCK_BYTES, 64, new Random(SEED));
      for (int i = 0; i < RESTARTS; i++) {
        load.run(1000);
        peer.kill(); // some 64 requests are running
        peer.start();
      }
      load.run(1000);
      load.verify();
    }
  }

  @Test
  void whatIsSubmittedWhileTheServerIsAwayWaits() throws Exception {
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "file", image.toString());
        Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      peer.kill();
      CompletableFuture<Outcome> write =
          Requests.submit(done -> device.write(0, BlockBuffers.allocate(4096), done));
      CompletableFuture<Outcome> flush = Requests.submit(device::flush);
      peer.start();
      assertThat(Requests.join(write)).isEqualTo(Outcome.OK);
      assertThat(Requests.join(flush)).isEqualTo(Outcome.OK);
    }
  }

  /** What a server's crash would take with it, and no later flush would tell of. */
  @Test
  void whatWasAnsweredAndNotFlushedIsCounted() throws Exception {
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "file", image.toString());
        NbdDevice device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      assertThat(device.unflushedWrites()).isZero();
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      assertThat(device.unflushedWrites()).isEqualTo(2);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(device.unflushedWrites()).isZero();
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 0, 4096)).containsOnly(0);
      assertThat(device.unflushedWrites()).isOne();
    }
    String through = "&cache=writethrough";
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "file", image.toString());
        NbdDevice device = NbdDevice.open(peer.uri(through), false, NbdPeer.timing())) {
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      assertThat(device.unflushedWrites()).isZero();
    }
    String[] withoutFua = {
      "eval",
      "get_size=echo 1M",
      "pread=dd if=/dev/zero count=$3 iflag=count_bytes",
      "can_write=exit 0",
      "pwrite=cat >/dev/null",
      "can_flush=exit 0",
      "flush=exit 0",
      "can_fua=echo none",
    };
    try (NbdPeer peer = NbdPeer.nbdkit(directory, withoutFua)) {
      assertThatThrownBy(() -> NbdDevice.open(peer.uri(through), false, NbdPeer.timing()))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("has no FUA");
      NbdDevice.open(peer.uri(through), true, NbdPeer.timing()).close();
    }
  }

  /**
   * A server that answers a request and breaks at the next is not asked as fast as it can break.
   */
  @Test
  void onlyAConnectionThatHeldIsAReasonToComeBackAtOnce() {
    Reconnection reconnection = new Reconnection(new Random(SEED));
    assertThat(reconnection.delayMillis()).isZero();
    long before = 0;
    for (int i = 0; i < 20; i++) {
      reconnection.lost(1, TimeUnit.MILLISECONDS.toNanos(100));
      long delay = reconnection.delayMillis();
      assertThat(delay).isBetween(25L, 2000L);
      assertThat(2 * delay).isGreaterThanOrEqualTo(before);
      before = delay;
    }
    reconnection.lost(0, TimeUnit.HOURS.toNanos(1));
    assertThat(reconnection.delayMillis()).isPositive();
    reconnection.lost(1, TimeUnit.HOURS.toNanos(1));
    assertThat(reconnection.delayMillis()).isZero();
  }

  @Test
  void withABoundRequestsFailWhenItHasPassedUntilTheServerIsBack() throws Exception {
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "file", image.toString());
        Device device = NbdDevice.open(peer.uri("&reconnect=0"), false, NbdPeer.timing())) {
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      peer.kill();
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.IO_ERROR);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.IO_ERROR);
      assertThat(device.problem().orElseThrow()).contains("connection lost");
      peer.start();
      while (Requests.write(device, 0, new byte[4096]) != Outcome.OK) {
        Thread.sleep(5); // it comes back by itself; the bound is the test's
      }
      assertThat(device.problem()).isEmpty();
    }
  }

  @Test
  void aSmallerExportIsNotTakenForTheLostOne() throws Exception {
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "file", image.toString());
        Device device = NbdDevice.open(peer.uri("&reconnect=1"), false, NbdPeer.timing())) {
      peer.kill();
      resize(image, SIZE_BYTES / 2);
      peer.start();
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.IO_ERROR);
    }
  }

  /** What waits is served as if nothing had been; what is new at the end nobody knows of. */
  @Test
  void anExportThatHasGrownIsTakenForTheLostOne() throws Exception {
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "file", image.toString());
        Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      byte[] data = new byte[4096];
      new Random(SEED).nextBytes(data);
      assertThat(Requests.write(device, SIZE_BYTES - 4096, data)).isEqualTo(Outcome.OK);
      peer.kill();
      CompletableFuture<Outcome> write =
          Requests.submit(done -> device.write(0, BlockBuffers.allocate(4096), done));
      resize(image, 2 * SIZE_BYTES);
      peer.start();
      assertThat(Requests.join(write)).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, SIZE_BYTES - 4096, 4096)).isEqualTo(data);
      assertThat(device.geometry().sizeBytes()).isEqualTo(SIZE_BYTES);
      assertThat(Requests.write(device, SIZE_BYTES, data)).isEqualTo(Outcome.IO_ERROR);
    }
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "file", image.toString());
        Device anew = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      assertThat(anew.geometry().sizeBytes()).isEqualTo(2 * SIZE_BYTES);
    }
  }

  @Test
  void closeDoesNotWaitForAServerThatIsAway() throws Exception {
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "file", image.toString())) {
      Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing());
      peer.kill();
      CompletableFuture<Outcome> write =
          Requests.submit(done -> device.write(0, BlockBuffers.allocate(4096), done));
      device.close();
      assertThat(write).isCompletedWithValue(Outcome.IO_ERROR);
    }
  }
}

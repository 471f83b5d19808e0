package io.netchannel.server.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.nbd.DiskLoad;
import io.netchannel.device.nbd.NbdDevice;
import io.netchannel.device.nbd.NbdPeer;
import io.netchannel.device.nbd.NbdProtocol;
import io.netchannel.device.nbd.NbdUri;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Our server with our client, and with a client that looks at each reply. */
@Timeout(120)
class NbdServerTest {
  private static final int SIZE_BYTES = 8 << 20;
  private static final long SEED = 44;

  @TempDir Path directory;
  private Path socket;
  private final MemoryDisk disk = new MemoryDisk(SIZE_BYTES);
  private final NbdExport export = new NbdExport("disk", "of the test", disk, false);
  private ServerOnThreads server;

  @BeforeEach
  void serve() throws Exception {
    socket = directory.resolve("nbd.sock");
    server = ServerOnThreads.of(List.of(export, new NbdExport("safe", "", disk, true)), mayWait());
    server.listen(socket);
  }

  /** The kind of server that is tested: whether each client has a thread of its own. */
  boolean mayWait() {
    return true;
  }

  @AfterEach
  void close() {
    server.close();
  }

  private NbdDevice open(String name, boolean readOnly) throws DeviceException {
    return NbdDevice.open(NbdUri.unix(socket, name).toString(), readOnly, NbdPeer.timing());
  }

  @Test
  void keepsWhatIsWritten() throws Exception {
    try (Device device = open("disk", false)) {
      assertThat(device.geometry()).isEqualTo(disk.geometry());
      DiskLoad load = new DiskLoad(device, 2000, 128, new Random(SEED));
      load.run(20_000);
      load.verify();
    }
  }

  @Test
  void servesOverTcp() throws Exception {
    InetSocketAddress at =
        server.listen(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    NbdUri uri = NbdUri.tcp("localhost", at.getPort(), "disk");
    try (Device device = NbdDevice.open(uri.toString(), false, NbdPeer.timing())) {
      DiskLoad load = new DiskLoad(device, 2000, 32, new Random(SEED));
      load.run(5000);
      load.verify();
    }
  }

  /** Such as the image itself, where somebody mistook the options. */
  @Test
  void aFileIsNotTakenForASocketLeftBehind() throws Exception {
    Path image = directory.resolve("disk.raw");
    Files.writeString(image, "somebody's data");
    assertThatThrownBy(() -> server.listen(image))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("is no socket");
    assertThat(image).hasContent("somebody's data");
  }

  @Test
  void aWriteThroughClientsWritesAreDurableWhenTheyAreAnswered() throws Exception {
    String uri = NbdUri.unix(socket, "disk") + "&cache=writethrough";
    try (Device device = NbdDevice.open(uri, false, NbdPeer.timing())) {
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      assertThat(disk.flushes()).isOne();
    }
    try (Device device = open("disk", false)) {
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      assertThat(disk.flushes()).isOne();
    }
  }

  @Test
  void aReadOnlyExportRefusesWrites() throws Exception {
    assertThatThrownBy(() -> open("safe", false)).hasMessageContaining("exported read-only");
    try (RawClient client = new RawClient(socket).go("safe")) {
      int[] commands = {NbdProtocol.CMD_WRITE, NbdProtocol.CMD_TRIM, NbdProtocol.CMD_WRITE_ZEROES};
      for (int command : commands) {
        client.request(0, command, command, 0, 512);
        if (command == NbdProtocol.CMD_WRITE) {
          client.send(ByteBuffer.allocate(512));
        }
        assertThat(client.answer(command)).isEqualTo(NbdProtocol.EPERM);
      }
    }
  }

  @Test
  void anOldClientChoosesByName() throws Exception {
    for (int flags : new int[] {1, 3}) {
      try (RawClient client = new RawClient(socket).greet(flags)) {
        client.option(
            NbdProtocol.OPT_EXPORT_NAME,
            ByteBuffer.wrap("disk".getBytes(StandardCharsets.US_ASCII)));
        ByteBuffer answer = client.read(flags == 1 ? 134 : 10);
        assertThat(answer.getLong()).isEqualTo(SIZE_BYTES);
        client.request(0, NbdProtocol.CMD_FLUSH, 5, 0, 0);
        assertThat(client.answer(5)).isZero();
      }
    }
  }

  @Test
  void writesWithFuaAreFlushed() throws Exception {
    byte[] data = new byte[1024];
    new Random(SEED).nextBytes(data);
    try (RawClient client = new RawClient(socket).go("disk")) {
      client.request(0, NbdProtocol.CMD_WRITE, 1, 512, 1024).send(ByteBuffer.wrap(data));
      assertThat(client.answer(1)).isZero();
      assertThat(disk.flushes()).isZero();
      client.request(1, NbdProtocol.CMD_WRITE, 2, 2048, 1024).send(ByteBuffer.wrap(data));
      assertThat(client.answer(2)).isZero();
      assertThat(disk.flushes()).isEqualTo(1);
      client.request(1, NbdProtocol.CMD_WRITE_ZEROES, 3, 512, 512);
      assertThat(client.answer(3)).isZero();
      client.request(1, NbdProtocol.CMD_TRIM, 4, 4096, 4096);
      assertThat(client.answer(4)).isZero();
      client.request(0, NbdProtocol.CMD_FLUSH, 5, 0, 0);
      assertThat(client.answer(5)).isZero();
      assertThat(disk.flushes()).isEqualTo(4);
    }
    assertThat(disk.content(512, 512)).containsOnly(0);
    assertThat(disk.content(2048, 1024)).isEqualTo(data);
  }

  /** As QEMU and nbdcopy ask for it. */
  @Test
  void theDeviceMakesTheZeroesWhereItCan() throws Exception {
    try (Device client = open("disk", false)) {
      assertThat(Requests.write(client, 0, ones(SIZE_BYTES))).isEqualTo(Outcome.OK);
      disk.failWrites(Outcome.IO_ERROR); // none of what follows is written
      assertThat(Requests.zero(client, 512, SIZE_BYTES - 1024, true)).isEqualTo(Outcome.OK);
      assertThat(disk.zeroed())
          .containsExactly(
              "512+4194304 hole",
              "%d+%d hole".formatted(512 + (4 << 20), SIZE_BYTES - 1024 - (4 << 20)));
      assertThat(disk.content(0, 512)).containsOnly(1);
      assertThat(disk.content(512, SIZE_BYTES - 1024)).containsOnly(0);
      assertThat(disk.content(SIZE_BYTES - 512, 512)).containsOnly(1);
      assertThat(Requests.zero(client, SIZE_BYTES - 512, 512, false)).isEqualTo(Outcome.OK);
      assertThat(disk.zeroed()).containsExactly(SIZE_BYTES - 512 + "+512");
      assertThat(disk.content(SIZE_BYTES - 512, 512)).containsOnly(0);
      disk.failZeroes(Outcome.NO_SPACE, Outcome.IO_ERROR);
      assertThat(Requests.zero(client, 0, 512, true)).isEqualTo(Outcome.NO_SPACE);
      assertThat(Requests.zero(client, 0, 512, false)).isEqualTo(Outcome.IO_ERROR);
      assertThat(disk.content(0, 512)).containsOnly(1);
    }
  }

  /** As tmpfs, which has holes and no zeros that keep their storage. */
  @Test
  void whatTheDeviceCannotZeroIsWritten() throws Exception {
    disk.failZeroes(Outcome.OK, Outcome.UNSUPPORTED);
    try (Device client = open("disk", false)) {
      assertThat(Requests.write(client, 0, ones(SIZE_BYTES))).isEqualTo(Outcome.OK);
      assertThat(Requests.zero(client, 512, SIZE_BYTES - 1024, false)).isEqualTo(Outcome.OK);
      assertThat(disk.zeroed()).as("asked once").containsExactly("512+4194304");
      assertThat(disk.content(0, 512)).containsOnly(1);
      assertThat(disk.content(512, SIZE_BYTES - 1024)).containsOnly(0);
      assertThat(disk.content(SIZE_BYTES - 512, 512)).containsOnly(1);
      assertThat(Requests.zero(client, 0, 512, true)).isEqualTo(Outcome.OK);
      assertThat(disk.zeroed()).containsExactly("0+512 hole");
    }
  }

  private static byte[] ones(int lengthBytes) {
    byte[] ones = new byte[lengthBytes];
    Arrays.fill(ones, (byte) 1);
    return ones;
  }

  @Test
  void writesZeroesOfAnyLength() throws Exception {
    disk.failZeroes(Outcome.UNSUPPORTED, Outcome.UNSUPPORTED);
    try (RawClient client = new RawClient(socket).go("disk")) {
      client.request(0, NbdProtocol.CMD_WRITE, 1, 0, SIZE_BYTES);
      ByteBuffer ones = ByteBuffer.allocate(SIZE_BYTES);
      for (int i = 0; i < SIZE_BYTES; i++) {
        ones.put((byte) 1);
      }
      assertThat(client.send(ones.flip()).answer(1)).isZero();
      client.request(2, NbdProtocol.CMD_WRITE_ZEROES, 2, 512, SIZE_BYTES - 1024);
      assertThat(client.answer(2)).isZero();
      assertThat(disk.content(0, 512)).containsOnly(1);
      assertThat(disk.content(512, SIZE_BYTES - 1024)).containsOnly(0);
      assertThat(disk.content(SIZE_BYTES - 512, 512)).containsOnly(1);
      disk.failWrites(Outcome.NO_SPACE);
      client.request(0, NbdProtocol.CMD_WRITE_ZEROES, 3, 0, SIZE_BYTES);
      assertThat(client.answer(3)).isEqualTo(NbdProtocol.ENOSPC);
      disk.failWrites(Outcome.UNSUPPORTED);
      client.request(0, NbdProtocol.CMD_WRITE_ZEROES, 4, 0, SIZE_BYTES);
      assertThat(client.answer(4)).isEqualTo(NbdProtocol.ENOTSUP);
      disk.failWrites(Outcome.OK);
      client.request(0, NbdProtocol.CMD_WRITE_ZEROES, 5, 0, SIZE_BYTES);
      assertThat(client.answer(5)).isZero();
    }
  }

  @Test
  void repliesComeAsTheDeviceIsDone() throws Exception {
    try (RawClient client = new RawClient(socket).go("disk")) {
      disk.hold();
      client.request(0, NbdProtocol.CMD_READ, 1, 0, 4096);
      while (disk.held() < 1) {
        Thread.onSpinWait();
      }
      disk.release();
      assertThat(client.answer(1)).isZero();
      client.read(4096);
      client.request(0, NbdProtocol.CMD_READ, 2, 0, 0);
      assertThat(client.answer(2)).isZero();
    }
  }

  @Test
  void aClientThatComesAgainIsNotOvertakenByItsOldRequests() throws Exception {
    disk.hold();
    try (RawClient first = new RawClient(socket).go("disk")) {
      first.request(0, NbdProtocol.CMD_WRITE, 1, 0, 512).send(ByteBuffer.allocate(512));
      while (disk.held() < 1) {
        Thread.onSpinWait();
      }
    }
    while (!export.isEnding()) {
      Thread.onSpinWait();
    }
    AtomicBoolean released = new AtomicBoolean();
    RawClient second = new RawClient(socket).greet(3);
    second.option(NbdProtocol.OPT_GO, RawClient.wish("disk"));
    CompletableFuture<Boolean> releasedBefore =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                assertThat(second.reply().type()).isEqualTo(NbdProtocol.REP_INFO);
                return released.get();
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    // Others are told all the same; the second's answer, did it not wait, would be there by then.
    for (int i = 0; i < 100; i++) {
      try (RawClient other = new RawClient(socket).greet(3)) {
        other.option(NbdProtocol.OPT_INFO, RawClient.wish("disk"));
        assertThat(other.reply().type()).isEqualTo(NbdProtocol.REP_INFO);
      }
    }
    released.set(true);
    disk.release();
    assertThat(Requests.join(releasedBefore)).isTrue();
    second.close();
  }

  @Test
  void closeWaitsForTheDeviceAndLeavesNoSocket() throws Exception {
    NbdDevice device = open("disk", false);
    disk.hold();
    CompletableFuture<Outcome> write =
        Requests.submit(done -> device.write(0, BlockBuffers.allocate(512), done));
    while (disk.held() < 1) {
      Thread.onSpinWait();
    }
    CompletableFuture<Void> closed = CompletableFuture.runAsync(server::close);
    while (Files.exists(socket)) {
      Thread.onSpinWait();
    }
    assertThat(closed).isNotDone();
    disk.release();
    Requests.join(closed);
    device.close(); // its server is away: what is outstanding fails
    assertThat(write).isCompleted();
  }

  @Test
  void aSocketThatIsInUseIsNotTakenAway() throws Exception {
    try (ServerOnThreads other = ServerOnThreads.of(List.of(), mayWait())) {
      assertThatThrownBy(() -> other.listen(socket))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("another process listens there");
    }
    assertThat(socket).exists();
  }
}

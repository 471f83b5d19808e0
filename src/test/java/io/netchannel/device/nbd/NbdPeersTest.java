package io.netchannel.device.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Our client against real servers. */
@Timeout(300)
final class NbdPeersTest {
  private static final long SEED = 41;
  private static final int SIZE_BYTES = 80 << 20;

  @TempDir Path directory;

  enum Kind {
    NBDKIT_MEMORY,
    NBDKIT_FILE,
    QEMU_NBD
  }

  private NbdPeer start(Kind kind, String... options) throws Exception {
    Path image = directory.resolve("disk.raw");
    if (!Files.exists(image)) {
      try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
        file.setLength(SIZE_BYTES);
      }
    }
    List<String> arguments = new ArrayList<>();
    for (String option : options) {
      if (option.startsWith("--")) {
        arguments.add(option);
      }
    }
    switch (kind) {
      case NBDKIT_MEMORY -> arguments.addAll(List.of("memory", String.valueOf(SIZE_BYTES)));
      case NBDKIT_FILE -> arguments.addAll(List.of("file", image.toString()));
      case QEMU_NBD -> arguments.addAll(List.of("--discard=unmap", image.toString()));
    }
    for (String option : options) {
      if (!option.startsWith("--")) {
        arguments.add(option); // a filter's: behind the plugin
      }
    }
    String[] all = arguments.toArray(String[]::new);
    return kind == Kind.QEMU_NBD ? NbdPeer.qemuNbd(directory, all) : NbdPeer.nbdkit(directory, all);
  }

  @ParameterizedTest
  @EnumSource
  void keepsWhatIsWritten(Kind kind) throws Exception {
    try (NbdPeer peer = start(kind);
        Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      assertThat(device.geometry().sizeBytes()).isEqualTo(SIZE_BYTES);
      assertThat(device.geometry().readOnly()).isFalse();
      assertThat(device.geometry().canFlush()).isTrue();
      assertThat(device.geometry().canDiscard()).isTrue();
      DiskLoad load = new DiskLoad(device, 2000, 128, new Random(SEED));
      load.run(5000);
      load.verify();
    }
  }

  @ParameterizedTest
  @EnumSource
  void splitsWhatIsLongerThanAServerTakes(Kind kind) throws Exception {
    int length = NbdProtocol.DEFAULT_MAX_PAYLOAD_BYTES * 2 + 512;
    ByteBuffer data = BlockBuffers.allocate(length);
    Random random = new Random(SEED);
    for (int i = 0; i < length; i += Long.BYTES) {
      data.putLong(i, random.nextLong());
    }
    ByteBuffer back = BlockBuffers.allocate(length);
    try (NbdPeer peer = start(kind);
        Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      assertThat(Requests.await(done -> device.write(512, data, done))).isEqualTo(Outcome.OK);
      assertThat(Requests.await(done -> device.read(512, back, done))).isEqualTo(Outcome.OK);
      assertThat(back).isEqualTo(data);
      assertThat(back.remaining()).isEqualTo(length);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
    }
  }

  @ParameterizedTest
  @EnumSource
  void discards(Kind kind) throws Exception {
    byte[] data = new byte[1 << 20];
    new Random(SEED).nextBytes(data);
    try (NbdPeer peer = start(kind);
        Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      assertThat(Requests.write(device, 1 << 20, data)).isEqualTo(Outcome.OK);
      assertThat(Requests.discard(device, 1 << 20, data.length)).isEqualTo(Outcome.OK);
      // All three make holes: what else a discard may leave, they do not.
      assertThat(Requests.read(device, 1 << 20, data.length)).containsOnly(0);
    }
  }

  @ParameterizedTest
  @EnumSource
  void zeroes(Kind kind) throws Exception {
    byte[] data = new byte[1 << 20];
    new Random(SEED).nextBytes(data);
    try (NbdPeer peer = start(kind);
        NbdDevice device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      assertThat(device.geometry().canZero()).isTrue();
      for (boolean mayDeallocate : new boolean[] {true, false}) {
        assertThat(Requests.write(device, 1 << 20, data)).isEqualTo(Outcome.OK);
        assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
        assertThat(Requests.zero(device, (1 << 20) + 512, 65536, mayDeallocate))
            .isEqualTo(Outcome.OK);
        assertThat(device.unflushedWrites()).as("a crash may take them back").isOne();
        byte[] expected = data.clone();
        Arrays.fill(expected, 512, 512 + 65536, (byte) 0);
        assertThat(Requests.read(device, 1 << 20, data.length)).isEqualTo(expected);
      }
      assertThat(Requests.zeros(device, 0, SIZE_BYTES)).as("nothing is known").isEmpty();
      assertThat(Requests.zero(device, SIZE_BYTES, 512, true)).isEqualTo(Outcome.IO_ERROR);
    }
  }

  /** Whether a hole will do, and that it is durable, is told with each part of what is long. */
  @Test
  void zeroesOnlyAsItWasToldTo() throws Exception {
    Path log = directory.resolve("requests");
    String[] options = {"--filter=log", "null", "4G", "logfile=" + log};
    try (NbdPeer peer = NbdPeer.nbdkit(directory, options)) {
      try (Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
        assertThat(Requests.zero(device, 512, 1 << 30, true)).isEqualTo(Outcome.OK);
      }
      assertThat(zeroes(log)).hasSize(32).allMatch(line -> line.contains("trim=1 fua=0"));
      String through = peer.uri("&cache=writethrough");
      try (Device device = NbdDevice.open(through, false, NbdPeer.timing())) {
        assertThat(Requests.zero(device, 0, 64 << 20, false)).isEqualTo(Outcome.OK);
      }
      assertThat(zeroes(log).subList(32, 34))
          .allMatch(line -> line.contains("trim=0 fua=1"))
          .anyMatch(line -> line.contains("offset=0x2000000 count=0x2000000"));
    }
  }

  private static List<String> zeroes(Path log) throws Exception {
    return Files.readAllLines(log).stream()
        .filter(line -> line.contains(" Zero ") && line.contains("offset="))
        .toList();
  }

  @Test
  void aServerWithoutWriteZeroesIsNotAskedForThem() throws Exception {
    try (FaultyServer server = new FaultyServer(List.of());
        Device device = NbdDevice.open(server.uri(), false, NbdPeer.timing())) {
      assertThat(device.geometry().canZero()).isFalse();
      assertThat(Requests.zero(device, 0, 4096, true)).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
    }
  }

  /** A request has 32 bits for its length: 3 TiB are 3072 of 1 GiB. */
  @Test
  void discardsTerabytes() throws Exception {
    Path log = directory.resolve("requests");
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "--filter=log", "null", "4T", "logfile=" + log);
        Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      assertThat(Requests.discard(device, 512, 3L << 40)).isEqualTo(Outcome.OK);
    }
    long trims =
        Files.readAllLines(log).stream()
            .filter(line -> line.contains(" Trim ") && line.contains("offset="))
            .count();
    assertThat(trims).isEqualTo(3072);
  }

  @ParameterizedTest
  @EnumSource(names = {"NBDKIT_FILE", "QEMU_NBD"})
  void aReadOnlyExportRefusesWrites(Kind kind) throws Exception {
    try (NbdPeer peer = start(kind, "--read-only")) {
      assertThatThrownBy(() -> NbdDevice.open(peer.uri(""), false, NbdPeer.timing()))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("exported read-only");
      try (Device device = NbdDevice.open(peer.uri(""), true, NbdPeer.timing())) {
        assertThat(Requests.read(device, 0, 4096)).containsOnly(0);
        assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.UNSUPPORTED);
        assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
        assertThat(Requests.discard(device, 0, 4096)).isEqualTo(Outcome.UNSUPPORTED);
        assertThat(Requests.zero(device, 0, 4096, true)).isEqualTo(Outcome.UNSUPPORTED);
      }
    }
  }

  @Test
  void aServersErrorsAreTold() throws Exception {
    Path trigger = directory.resolve("fail");
    try (NbdPeer peer =
            start(
                Kind.NBDKIT_MEMORY,
                "--filter=error",
                "error-rate=100%",
                "error=ENOSPC",
                "error-file=" + trigger);
        Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
      Files.createFile(trigger);
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.NO_SPACE);
      Files.delete(trigger);
      assertThat(Requests.write(device, 0, new byte[4096])).isEqualTo(Outcome.OK);
    }
  }

  @Test
  void closeWaitsForWhatRuns() throws Exception {
    CompletableFuture<Outcome> write;
    try (NbdPeer peer = start(Kind.NBDKIT_MEMORY, "--filter=delay", "wdelay=200ms")) {
      Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing());
      write = Requests.submit(done -> device.write(0, BlockBuffers.allocate(4096), done));
      device.close();
      assertThat(write).isCompletedWithValue(Outcome.OK);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.IO_ERROR);
    }
  }

  @Test
  void requestsOutsideTheDeviceFail() throws Exception {
    try (NbdPeer peer = start(Kind.NBDKIT_MEMORY);
        Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      assertThat(Requests.write(device, SIZE_BYTES, new byte[512])).isEqualTo(Outcome.IO_ERROR);
      assertThat(Requests.write(device, 1, new byte[512])).isEqualTo(Outcome.IO_ERROR);
      assertThat(Requests.write(device, 0, new byte[0])).isEqualTo(Outcome.OK);
    }
  }

  @Test
  void anUnknownExportIsNamed() throws Exception {
    try (NbdPeer peer = start(Kind.QEMU_NBD)) {
      String other = peer.uri("").replace(":///?", ":///other?");
      assertThatThrownBy(() -> NbdDevice.open(other, false, NbdPeer.timing()))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("it has no export \"other\"");
    }
  }

  @Test
  void aServerThatIsNotThereIsNamed() {
    assertThatThrownBy(
            () ->
                NbdDevice.open(
                    "nbd+unix:///?socket=" + directory.resolve("none"), false, NbdPeer.timing()))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("expected an NBD server")
        .hasMessageContaining(directory.resolve("none").toString());
  }
}

package io.netchannel.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.nbd.NbdPeer;
import io.netchannel.files.MountedStorage;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * {@code nbd-export --swap-to} with real servers of new devices that have their faults, while QEMU
 * writes; and QEMU compares in the end. The source gets none of what is written after the switch.
 */
@Timeout(300)
final class SwapToolsTest {
  private static final int MIB = 1 << 20;
  private static final int SIZE_BYTES = 2 * MIB;
  private static final int BLOCK_BYTES = 4096;
  private static final long END_BOUND_SECONDS = 60;

  /** By its name in the line that says it is so. */
  private static final String DONE = "swap: done";

  /** Blocks that are data in the source; the client writes to those. The others are holes. */
  private final List<Integer> dataBlocks = new ArrayList<>();

  private final Random random = new Random(20261129);

  /** What {@code nbd-export} has told. */
  private final List<String> told = new CopyOnWriteArrayList<>();

  @TempDir private Path directory;
  private Path source;

  /** What the disk has to be: as the source was, with all that the client wrote. */
  private Path expected;

  private Process export;
  private Thread lines;

  /** In runs of one to sixteen blocks, data and holes by turns. */
  @BeforeEach
  void makeSource() throws Exception {
    NbdPeer.require("qemu-io", "qemu-utils");
    NbdPeer.require("qemu-img", "qemu-utils");
    source = directory.resolve("source.raw");
    expected = directory.resolve("expected.raw");
    byte[] block = new byte[BLOCK_BYTES];
    try (RandomAccessFile file = new RandomAccessFile(source.toFile(), "rw");
        RandomAccessFile copy = new RandomAccessFile(expected.toFile(), "rw")) {
      file.setLength(SIZE_BYTES);
      copy.setLength(SIZE_BYTES);
      boolean data = true;
      for (int next = 0; next < SIZE_BYTES / BLOCK_BYTES; data = !data) {
        int end = Math.min(next + 1 + random.nextInt(16), SIZE_BYTES / BLOCK_BYTES);
        for (; next < end; next++) {
          if (data) {
            dataBlocks.add(next);
            random.nextBytes(block);
            put(file, next, block);
            put(copy, next, block);
          }
        }
      }
    }
  }

  private static void put(RandomAccessFile file, int block, byte[] data) throws IOException {
    file.seek((long) block * BLOCK_BYTES);
    file.write(data);
  }

  @AfterEach
  void kill() throws Exception {
    if (export != null) {
      export.destroyForcibly().waitFor();
      lines.join();
    }
  }

  /** A client that writes, and what it wrote is put down. */
  private final class Client implements AutoCloseable {
    private final QemuIo disk;
    private final RandomAccessFile model = new RandomAccessFile(expected.toFile(), "rw");

    Client(String uri) throws IOException {
      disk = new QemuIo(uri);
    }

    void write() throws IOException {
      int block = dataBlocks.get(random.nextInt(dataBlocks.size()));
      byte value = (byte) (1 + random.nextInt(255));
      disk.write(value, (long) block * BLOCK_BYTES, BLOCK_BYTES);
      byte[] data = new byte[BLOCK_BYTES];
      Arrays.fill(data, value);
      put(model, block, data);
      if (random.nextInt(10) == 0) {
        disk.flush();
      }
    }

    void writeSome() throws IOException {
      for (int i = 0; i < 50; i++) {
        write();
      }
    }

    void writeUntil(String line) throws IOException {
      while (told.stream().noneMatch(each -> each.startsWith(line))) {
        assertThat(export.isAlive()).as("it serves; it has told: %s", told).isTrue();
        write();
      }
    }

    @Override
    public void close() throws IOException {
      disk.close();
      model.close();
    }
  }

  private Client swapTo(String target, String... options) throws Exception {
    List<String> arguments = new ArrayList<>(List.of("-k", directory.resolve("s").toString()));
    arguments.addAll(List.of("--swap-to", target));
    arguments.addAll(List.of(options));
    arguments.add(source.toString());
    Path log = directory.resolve("log");
    export = NbdExportProcess.start(log, arguments);
    var out = export.inputReader(UTF_8);
    String uri = out.readLine();
    assertThat(uri).as(Files.readString(log)).isNotNull();
    lines = new Thread(() -> out.lines().forEach(told::add), "lines");
    lines.start();
    return new Client(uri);
  }

  /** Ends it when the client has written some more, and lets QEMU compare. */
  private void isNow(Client client, String target) throws Exception {
    client.writeUntil(DONE);
    byte[] left = Files.readAllBytes(source);
    client.writeSome();
    client.close();
    export.destroy();
    assertThat(export.waitFor(END_BOUND_SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThat(export.exitValue()).as(Files.readString(directory.resolve("log"))).isZero();
    assertThat(Files.readAllBytes(source)).as("the source since the switch").isEqualTo(left);
    assertThat(left).isNotEqualTo(Files.readAllBytes(expected));
    isAsExpected(target);
  }

  private void isAsExpected(String image) throws Exception {
    assertThat(run("qemu-img", "compare", "-f", "raw", "-F", "raw", expected.toString(), image))
        .contains("Images are identical.");
  }

  private String run(String... command) throws Exception {
    Path output = Files.createTempFile(directory, "tool", ".log");
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      assertThat(process.waitFor(END_BOUND_SECONDS, TimeUnit.SECONDS)).isTrue();
    } finally {
      process.destroyForcibly();
    }
    assertThat(process.exitValue()).as(Files.readString(output)).isZero();
    return Files.readString(output);
  }

  private Path image(String name, long sizeBytes) throws IOException {
    Path image = directory.resolve(name);
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(sizeBytes);
    }
    return image;
  }

  /** Its errors stay the swap's: the client sees none, and it goes on when they are over. */
  @ParameterizedTest
  @ValueSource(strings = {"pwrite", "zero"})
  void aNewDiskThatFailsNowAndThen(String what) throws Exception {
    Path trigger = Files.createFile(directory.resolve("fails"));
    try (NbdPeer peer =
            NbdPeer.nbdkit(
                directory,
                "--filter=error",
                "memory",
                Integer.toString(SIZE_BYTES),
                "error-%s-rate=100%%".formatted(what),
                "error-file=" + trigger);
        Client client = swapTo(peer.uri(""))) {
      client.writeUntil("swap: waits: ");
      Files.delete(trigger);
      isNow(client, peer.uri(""));
    }
  }

  /** What it has lost nobody knows, so that it is never the disk; the client does not notice. */
  @Test
  void aNewDiskThatFailsAFlush() throws Exception {
    List<String> server = eval("flush=echo EIO >&2; exit 1");
    try (NbdPeer peer = NbdPeer.nbdkit(directory, server.toArray(String[]::new));
        Client client = swapTo(peer.uri(""))) {
      client.writeUntil("swap: waits: flushing the target");
      client.writeSome();
    }
    assertThat(told).noneMatch(line -> line.startsWith("swap: switched"));
    isAsExpected(source.toString());
  }

  /** nbdkit with a program for each request: of a disk in memory there is no flush to be slow. */
  private List<String> eval(String flush) throws IOException {
    Path disk = image("eval.raw", SIZE_BYTES);
    return List.of(
        "eval",
        "get_size=echo " + SIZE_BYTES,
        "pread=dd if=%s iflag=skip_bytes,count_bytes skip=$4 count=$3 status=none".formatted(disk),
        "pwrite=dd of=%s oflag=seek_bytes seek=$4 conv=notrunc status=none".formatted(disk),
        "can_write=exit 0",
        "can_flush=exit 0",
        flush);
  }

  @Test
  void aNewDiskThatIsSlow() throws Exception {
    try (NbdPeer peer =
            NbdPeer.nbdkit(
                directory,
                "--filter=delay",
                "memory",
                Integer.toString(SIZE_BYTES),
                "wdelay=20ms",
                "delay-zero=20ms");
        Client client = swapTo(peer.uri(""))) {
      isNow(client, peer.uri(""));
    }
  }

  @Test
  void aNewDiskWhoseFlushIsSlow() throws Exception {
    List<String> server = eval("flush=sleep 1");
    try (NbdPeer peer = NbdPeer.nbdkit(directory, server.toArray(String[]::new));
        Client client = swapTo(peer.uri(""))) {
      isNow(client, peer.uri(""));
    }
  }

  /** It waits for room, and the client writes on; then it goes on by itself. */
  @Test
  void aNewDiskThatHasNoRoomForAWhile() throws Exception {
    try (MountedStorage small = MountedStorage.tmpfs(directory.resolve("small"), 2 * SIZE_BYTES)) {
      Path image = image("small/new.raw", SIZE_BYTES);
      small.fill();
      try (NbdPeer peer = NbdPeer.nbdkit(directory, "file", image.toString());
          Client client = swapTo(peer.uri(""))) {
        client.writeUntil("swap: waits: ");
        assertThat(told).last().asString().contains("no space");
        small.makeRoom();
        isNow(client, peer.uri(""));
      }
    }
  }

  @Test
  void aNewDiskThatIsLarger() throws Exception {
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "memory", Integer.toString(SIZE_BYTES + MIB));
        Client client = swapTo(peer.uri(""))) {
      isNow(client, peer.uri(""));
    }
  }

  /** Also one that was full of something else: what is a hole in the source becomes one there. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aThinDiskStaysThin(boolean isZero) throws Exception {
    Path image = image("thin.raw", SIZE_BYTES);
    if (!isZero) {
      byte[] noise = new byte[SIZE_BYTES];
      random.nextBytes(noise);
      Files.write(image, noise);
    }
    String[] options = isZero ? new String[] {"--dest-is-zero"} : new String[0];
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "file", image.toString());
        Client client = swapTo(peer.uri(""), options)) {
      isNow(client, peer.uri(""));
    }
    assertThat(allocatedBytes(image))
        .as("allocated, of %s in the source", allocatedBytes(source))
        .isLessThanOrEqualTo((long) (1.12 * allocatedBytes(source)));
  }

  private long allocatedBytes(Path file) throws Exception {
    run("sync", file.toString()); // some file systems allocate when they write it out
    return Long.parseLong(run("stat", "--format=%b", file.toString()).strip()) * 512;
  }
}

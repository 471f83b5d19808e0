package io.netchannel.server.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Device;
import io.netchannel.device.Extents;
import io.netchannel.device.Requests;
import io.netchannel.device.file.FileDevice;
import io.netchannel.device.nbd.NbdDevice;
import io.netchannel.device.nbd.NbdPeer;
import io.netchannel.device.nbd.NbdUri;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Our server with the real clients: libnbd's tools, QEMU's, fio. */
@Timeout(300)
final class NbdToolsTest {
  private static final int SIZE_BYTES = 64 << 20;
  private static final int WRITTEN_BYTES = 20 << 20;
  private static final long SEED = 45;

  /** Far longer than any of these takes; only one that hangs reaches it. */
  private static final long TOOL_BOUND_SECONDS = 120;

  @TempDir Path directory;
  private Path image;
  private Path socket;
  private Device device;
  private ServerOnThreads server;

  @BeforeEach
  void serve() throws Exception {
    image = directory.resolve("disk.raw");
    socket = directory.resolve("nbd.sock");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(SIZE_BYTES);
    }
    serve(false, false);
  }

  private void serve(boolean readOnly, boolean direct) throws Exception {
    end();
    device = FileDevice.open(image.toString(), readOnly, 16, direct, System::nanoTime);
    NbdExport export = new NbdExport("", "a disk of the test", device, readOnly);
    server = ServerOnThreads.of(List.of(export), true);
    server.listen(socket);
  }

  @AfterEach
  void end() {
    if (server != null) {
      server.close();
      device.close();
    }
  }

  private String uri() {
    return NbdUri.unix(socket, "").toString();
  }

  /** What the tool printed; it must succeed. */
  private String run(String... command) throws Exception {
    return run(0, command);
  }

  private String run(int expectedStatus, String... command) throws Exception {
    Path output = Files.createTempFile(directory, "tool", ".log");
    Process process =
        new ProcessBuilder(command)
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      boolean ended = process.waitFor(TOOL_BOUND_SECONDS, TimeUnit.SECONDS);
      assertThat(ended).as("%s ends", String.join(" ", command)).isTrue();
    } finally {
      process.destroyForcibly();
    }
    String text = Files.readString(output);
    assertThat(process.exitValue())
        .as("%s: %s", String.join(" ", command), text)
        .isEqualTo(expectedStatus);
    return text;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void nbdcopyBringsInAndOutWhatItWasGiven(boolean direct) throws Exception {
    NbdPeer.require("nbdcopy", "libnbd-bin");
    serve(false, direct);
    Path in = directory.resolve("in.raw");
    byte[] content = new byte[SIZE_BYTES];
    byte[] random = new byte[WRITTEN_BYTES];
    new Random(SEED).nextBytes(random);
    System.arraycopy(random, 0, content, 10 << 20, WRITTEN_BYTES); // zeroes before and behind
    Files.write(in, content);
    run("nbdcopy", "--flush", in.toString(), uri());
    assertThat(Files.mismatch(in, image)).isEqualTo(-1);
    Path out = directory.resolve("out.raw");
    run("nbdcopy", uri(), out.toString());
    assertThat(Files.mismatch(in, out)).isEqualTo(-1);
  }

  /** Of an export's name, which is any text, the URI that is printed names the export. */
  @Test
  void nbdinfoAndOurClientTakeTheUriOfAnyName() throws Exception {
    NbdPeer.require("nbdinfo", "libnbd-bin");
    for (String name : List.of("a b/\u00fc?&#%", "/abs/name", "..", "+", "x".repeat(300))) {
      end();
      device = FileDevice.open(image.toString(), false, 16, false, System::nanoTime);
      server =
          ServerOnThreads.of(
              List.of(
                  new NbdExport(name, "the right one", device, false),
                  new NbdExport("other", "", device, false)),
              true);
      server.listen(socket);
      String uri = NbdUri.unix(socket, name).toString();
      assertThat(run("nbdinfo", uri)).as(uri).contains("description: the right one");
      NbdDevice.open(uri, false, NbdPeer.timing()).close();
    }
  }

  @Test
  void nbdinfoSeesWhatWeServe() throws Exception {
    NbdPeer.require("nbdinfo", "libnbd-bin");
    assertThat(run("nbdinfo", uri()))
        .contains("newstyle-fixed without TLS")
        .contains("description: a disk of the test")
        .contains("export-size: " + SIZE_BYTES)
        .contains("is_read_only: false")
        .contains("can_flush: true")
        .contains("can_fua: true")
        .contains("can_multi_conn: true")
        .contains("can_trim: true")
        .contains("can_zero: true")
        .contains("block_size_minimum: 512")
        .contains("block_size_preferred: 4096")
        .contains("block_size_maximum: 33554432");
    assertThat(run("nbdinfo", "--list", uri())).contains("export=\"\":");
    run(0, "nbdinfo", "--can", "multi-conn", uri());
    serve(true, false);
    assertThat(run("nbdinfo", uri()))
        .contains("is_read_only: true")
        .contains("can_trim: false")
        .contains("can_zero: false");
  }

  @Test
  void qemuIoFindsItsPatterns() throws Exception {
    NbdPeer.require("qemu-io", "qemu-utils");
    List<String> command = new ArrayList<>(List.of("qemu-io", "-f", "raw"));
    for (String each :
        List.of(
            "write -P 0x11 0 1M",
            "write -P 0x22 -f 1M 64k", // FUA
            "write -z 1028k 8k",
            "discard 512k 64k",
            "write -P 0x33 12345 777", // not aligned: QEMU reads first
            "flush",
            "read -P 0x11 16k 496k",
            "read -P 0x00 512k 64k", // a file's discard makes a hole
            "read -P 0x22 1M 4k",
            "read -P 0x00 1028k 8k",
            "read -P 0x22 1036k 52k",
            "read -P 0x33 12345 777",
            "aio_write -P 0x44 2M 4M",
            "aio_write -P 0x55 8M 30M",
            "aio_flush",
            "read -P 0x44 2M 4M",
            "read -P 0x55 8M 30M")) {
      command.add("-c");
      command.add(each);
    }
    command.add(uri());
    String said = run(command.toArray(String[]::new));
    assertThat(said).doesNotContain("failed").doesNotContain("verification");
  }

  /** A client's zeroes are holes in the file, and none where it wants none. */
  @Test
  void qemuIosZeroesTakeNoRoom() throws Exception {
    NbdPeer.require("qemu-io", "qemu-utils");
    List<String> command = new ArrayList<>(List.of("qemu-io", "-f", "raw", "-d", "unmap"));
    for (String each :
        List.of(
            "write -P 0x11 0 32M",
            "write -zu 4M 16M", // a hole will do
            "write -z 24M 4M",
            "flush",
            "read -P 0x11 0 4M",
            "read -P 0x00 4M 16M",
            "read -P 0x11 20M 4M",
            "read -P 0x00 24M 4M",
            "read -P 0x11 28M 4M")) {
      command.add("-c");
      command.add(each);
    }
    command.add(uri());
    String said = run(command.toArray(String[]::new));
    assertThat(said).doesNotContain("failed").doesNotContain("verification");
    assertThat(Requests.zeros(device, 0, 24 << 20))
        .containsExactly(new Extents.Run(4 << 20, 16 << 20));
    assertThat(Requests.zeros(device, 28 << 20, 4 << 20)).isEmpty();
  }

  @Test
  void qemuIoMayNotWriteToAReadOnlyExport() throws Exception {
    NbdPeer.require("qemu-io", "qemu-utils");
    serve(true, false);
    assertThat(run(1, "qemu-io", "-f", "raw", "-c", "write 0 4k", uri()))
        .contains("Permission denied");
    run("qemu-io", "-r", "-f", "raw", "-c", "read -P 0 0 4k", uri());
  }

  @ParameterizedTest
  @CsvSource({"false, unix", "true, unix", "false, tcp", "true, tcp"})
  void fioVerifiesWhatItWrites(boolean direct, String transport) throws Exception {
    NbdPeer.require("fio", "fio");
    serve(false, direct);
    InetSocketAddress at =
        server.listen(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    String uri =
        transport.equals("unix")
            ? "nbd+unix:///?socket=" + socket
            : "nbd://127.0.0.1:" + at.getPort() + "/";
    run(
        "fio",
        "--name=verify",
        "--ioengine=nbd",
        "--uri=" + uri,
        "--rw=randwrite",
        "--bsrange=4k-128k",
        "--blockalign=4k",
        "--iodepth=32",
        "--size=48M",
        "--fsync=64",
        "--verify=crc32c",
        "--verify_fatal=1",
        "--randseed=" + SEED);
  }
}

package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableSet;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.nbd.NbdDevice;
import io.netchannel.device.nbd.NbdPeer;
import io.netchannel.server.Export;
import io.netchannel.server.ExportServer;
import io.netchannel.server.ExportStatus;
import io.netchannel.server.ServerLimits;
import io.netchannel.server.ServerParts;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TestCertificateAuthority;
import io.netchannel.tls.TlsFiles;
import io.netchannel.wire.Transport;
import io.netchannel.xen.Waiting;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The command as a process of its own, as it is used. */
@Timeout(120)
final class NbdExportCommandTest {
  private static final int SIZE_BYTES = 1 << 20;
  private static final long END_BOUND_SECONDS = 60;

  @TempDir Path directory;
  private Path image;
  private Process process;

  @BeforeEach
  void makeImage() throws IOException {
    image = directory.resolve("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(SIZE_BYTES);
    }
  }

  @AfterEach
  void kill() throws InterruptedException {
    if (process != null) {
      process.destroyForcibly().waitFor();
    }
  }

  /** The URI that it prints. */
  private String start(String... arguments) throws IOException {
    Path log = launch(arguments);
    String uri = process.inputReader(StandardCharsets.UTF_8).readLine();
    assertThat(uri).as(Files.readString(log)).isNotNull();
    return uri;
  }

  /** What it says on the way. */
  private Path launch(String... arguments) throws IOException {
    Path log = directory.resolve("log");
    process = NbdExportProcess.start(log, List.of(arguments));
    return log;
  }

  @Test
  void servesOnASocketUntilItIsTold() throws Exception {
    Path socket = directory.resolve("a b.sock");
    String uri = start("--socket", socket.toString(), "--export-name", "disk 1", image.toString());
    assertThat(uri)
        .isEqualTo("nbd+unix:///disk%201?socket=" + socket.toString().replace(" ", "%20"));
    byte[] data = new byte[4096];
    new Random(1).nextBytes(data);
    try (Device device = NbdDevice.open(uri, false, NbdPeer.timing())) {
      assertThat(Requests.write(device, 8192, data)).isEqualTo(Outcome.OK);
    }
    process.destroy();
    assertThat(process.waitFor(END_BOUND_SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).isZero();
    assertThat(socket).doesNotExist();
    assertThat(Arrays.copyOfRange(Files.readAllBytes(image), 8192, 8192 + 4096)).isEqualTo(data);
  }

  /**
   * Its client goes on writing; in the end the target has all, and nothing new is in the source.
   */
  @Test
  void swapsTheDeviceUnderItsClient() throws Exception {
    Path target = directory.resolve("target.raw");
    try (RandomAccessFile file = new RandomAccessFile(target.toFile(), "rw")) {
      file.setLength(SIZE_BYTES + 4096);
    }
    String uri =
        start(
            "-k",
            directory.resolve("s").toString(),
            "--swap-to",
            target.toString(),
            "--swap-after",
            "1",
            image.toString());
    List<String> told = Collections.synchronizedList(new ArrayList<>());
    BufferedReader lines = process.inputReader(StandardCharsets.UTF_8);
    Thread reader = new Thread(() -> lines.lines().forEach(told::add), "lines");
    reader.start();
    Random random = new Random(3);
    byte[] expected = new byte[SIZE_BYTES];
    try (Device device = NbdDevice.open(uri, false, NbdPeer.timing())) {
      int after = 0;
      while (after < 50) {
        int offset = random.nextInt(SIZE_BYTES / 4096) * 4096;
        byte[] data = new byte[4096];
        random.nextBytes(data);
        assertThat(Requests.write(device, offset, data)).isEqualTo(Outcome.OK);
        System.arraycopy(data, 0, expected, offset, data.length);
        after += told.contains("swap: done") ? 1 : 0;
        assertThat(Requests.read(device, offset, 4096)).isEqualTo(data);
      }
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
    }
    assertThat(told)
        .containsExactly("swap: copying", "swap: in sync", "swap: switched", "swap: done");
    process.destroy();
    assertThat(process.waitFor(END_BOUND_SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).isZero();
    reader.join();
    assertThat(Arrays.copyOf(Files.readAllBytes(target), SIZE_BYTES)).isEqualTo(expected);
    assertThat(Files.readAllBytes(image)).isNotEqualTo(expected);
  }

  @Test
  void refusesToSwapToWhatDoesNotFit() throws Exception {
    Path target = directory.resolve("target.raw");
    try (RandomAccessFile file = new RandomAccessFile(target.toFile(), "rw")) {
      file.setLength(SIZE_BYTES - 512);
    }
    Path link = Files.createSymbolicLink(directory.resolve("link"), image);
    for (Path same : List.of(image, link)) {
      assertThat(run("--swap-to", same.toString(), "file+cache:" + image))
          .contains("expected another device than SOURCE, found the same one");
    }
    assertThat(run("--swap-to", target.toString(), image.toString()))
        .contains("expected a target of at least 1048576 bytes, found 1048064");
  }

  @Test
  void saysWhenTheLastFlushFails() throws Exception {
    start("-k", directory.resolve("s").toString(), "error:flush=1!file:" + image);
    process.destroy();
    assertThat(process.waitFor(END_BOUND_SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).isEqualTo(Main.FAILURE);
    assertThat(directory.resolve("log"))
        .content()
        .contains("error: the last flush failed: what was written last may be lost");
  }

  @Test
  void servesOnAPortReadOnly() throws Exception {
    String uri = start("--port", "0", "--read-only", "--cache=none", "file:" + image);
    assertThat(uri).matches("nbd://127\\.0\\.0\\.1:\\d+/");
    try (Device device = NbdDevice.open(uri, true, NbdPeer.timing())) {
      assertThat(device.geometry().sizeBytes()).isEqualTo(SIZE_BYTES);
      assertThat(Requests.read(device, 0, 4096)).containsOnly(0);
    }
  }

  /** Filters, and a server of another's server. */
  @Test
  void servesWhatAnotherServes() throws Exception {
    try (NbdPeer peer = NbdPeer.nbdkit(directory, "memory", "1M")) {
      Path socket = directory.resolve("ours.sock");
      String uri = start("-k", socket.toString(), "delay:read=1ms!" + peer.uri(""));
      try (Device device = NbdDevice.open(uri, false, NbdPeer.timing())) {
        byte[] data = {1, 2, 3, 4};
        assertThat(Requests.write(device, 0, Arrays.copyOf(data, 512))).isEqualTo(Outcome.OK);
        assertThat(Requests.read(device, 0, 512)).startsWith(1, 2, 3, 4, 0);
      }
    }
  }

  /** A device server's export, over TLS with the certificates that --config names, and locally. */
  @Test
  void servesWhatADeviceServerServes() throws Exception {
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    Path ca = directory.resolve("ca");
    Path host = directory.resolve("hosta");
    authority.init(ca);
    authority.host(ca, host, "hosta", "127.0.0.1");
    TlsFiles files = TlsFiles.libvirt(host);
    Path config = directory.resolve("netchannel.toml");
    Files.writeString(
        config,
        "[tls]\nca = \"%s\"\ncertificate = \"%s\"\nkey = \"%s\"\n"
            .formatted(files.authority(), files.clientCertificate(), files.clientKey()));
    Path socket = directory.resolve("exports.sock");
    ExecutorService executor = Executors.newCachedThreadPool();
    try (Transport transport = new Transport("server", 1);
        DeviceOpener devices = new DeviceOpener();
        ExportServer server =
            new ExportServer(
                directory.resolve("exports"),
                transport,
                new ServerParts(
                    devices,
                    executor,
                    Clock.systemUTC(),
                    new UUID(1, 1),
                    ServerLimits.DEFAULT,
                    new BufferBudget(64 << 20)))) {
      server.add(new Export("vol7", "file:" + image, false, ImmutableSet.of("hosta")));
      int port =
          server.listen(
              new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), new HostTls(files));
      server.listen(socket);
      for (String source :
          List.of(
              "netchannel://127.0.0.1:" + port + "/vol7",
              "netchannel+unix:///vol7?socket=" + socket)) {
        String uri =
            start(
                "-k",
                directory.resolve("nbd.sock").toString(),
                "--config",
                config.toString(),
                source);
        byte[] data = new byte[4096];
        new Random(source.hashCode()).nextBytes(data);
        try (Device device = NbdDevice.open(uri, false, NbdPeer.timing())) {
          assertThat(Requests.write(device, 4096, data)).isEqualTo(Outcome.OK);
          assertThat(Requests.read(device, 4096, 4096)).isEqualTo(data);
        }
        process.destroy();
        assertThat(process.waitFor(END_BOUND_SECONDS, TimeUnit.SECONDS)).isTrue();
        // It has given the export free: the next one gets in.
        assertThat(clients(server)).isEmpty();
        assertThat(Arrays.copyOfRange(Files.readAllBytes(image), 4096, 8192)).isEqualTo(data);
      }
    } finally {
      executor.shutdownNow();
    }
  }

  /** Its name at the server is nobody else's: a place that it left behind would stay taken. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void givesItsPlaceBackWhenItIsToldToEndBeforeItServes(boolean opening) throws Exception {
    Path socket = directory.resolve("exports.sock");
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch told = new CountDownLatch(opening ? 1 : 0);
    ExecutorService executor = Executors.newCachedThreadPool();
    try (Transport transport = new Transport("server", 1);
        DeviceOpener files = new DeviceOpener();
        ExportServer server =
            new ExportServer(
                directory.resolve("exports"),
                transport,
                new ServerParts(
                    (source, options) -> {
                      asked.countDown();
                      await(told);
                      return files.open(source, options);
                    },
                    executor,
                    Clock.systemUTC(),
                    new UUID(1, 1),
                    ServerLimits.DEFAULT,
                    new BufferBudget(64 << 20)))) {
      server.add(new Export("vol7", "file:" + image, false, ImmutableSet.of()));
      server.listen(socket);
      Path log =
          launch(
              "-k",
              directory.resolve("nbd.sock").toString(),
              "-c",
              directory.resolve("none.toml").toString(),
              "netchannel+unix:///vol7?socket=" + socket);
      assertThat(asked.await(END_BOUND_SECONDS, TimeUnit.SECONDS)).isTrue();
      if (!opening) {
        Waiting.until("attached", () -> !clients(server).isEmpty());
      }
      process.destroy();
      told.countDown();
      assertThat(process.waitFor(END_BOUND_SECONDS, TimeUnit.SECONDS)).isTrue();
      assertThat(process.exitValue()).as(Files.readString(log)).isZero();
      assertThat(server.exports(new CompletableFuture<>()).get(0).clients()).isEmpty();
    } finally {
      executor.shutdownNow();
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static List<ExportStatus.Client> clients(ExportServer server) {
    return server.exports(new CompletableFuture<>()).get(0).clients();
  }

  @Test
  void saysWhatIsWrong() {
    assertThat(
            run(
                "-k",
                directory.resolve("s").toString(),
                "-c",
                directory.resolve("none.toml").toString(),
                "netchannel+unix:///x?socket=/no/such/socket"))
        .contains("netchannel+unix:///x?socket=/no/such/socket");
    assertThat(run("--socket", directory.resolve("s").toString(), "/no/such/file"))
        .contains("/no/such/file does not exist");
    assertThat(run("--socket", directory.resolve("no/such/s").toString(), image.toString()))
        .contains("cannot listen on " + directory.resolve("no/such/s"));
    assertThat(run("--socket", "/s", "--port", "1", image.toString())).contains("exclusive");
    assertThat(run("--port", "65536", image.toString())).contains("expected a port of 0 to 65535");
    assertThat(run("-x", "x".repeat(4097), image.toString())).contains("at most 4096 bytes");
    assertThat(run("-k", directory.resolve("s".repeat(120)).toString(), image.toString()))
        .contains("cannot listen on ")
        .contains("s".repeat(120));
  }

  /** Which of the files it is, and what is wrong with it. */
  @Test
  void namesTheKeyThatCannotBeUsed() throws Exception {
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    Path ca = directory.resolve("ca");
    authority.init(ca);
    authority.host(ca, directory.resolve("hosta"), "hosta");
    TlsFiles files = TlsFiles.libvirt(directory.resolve("hosta"));
    Path key = directory.resolve("encrypted.pem");
    Files.writeString(
        key, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n");
    Path config = directory.resolve("netchannel.toml");
    Files.writeString(
        config,
        "[tls]\nca = \"%s\"\ncertificate = \"%s\"\nkey = \"%s\"\n"
            .formatted(files.authority(), files.clientCertificate(), key));
    assertThat(run("-c", config.toString(), "netchannel://127.0.0.1:1/vol7"))
        .contains("expected certificates of this host, found none")
        .contains(key.toString());
  }

  private static String run(String... arguments) {
    List<String> all = new ArrayList<>(List.of("nbd-export"));
    all.addAll(Arrays.asList(arguments));
    StringWriter err = new StringWriter();
    int status =
        NetchannelCommand.run(
            new PrintWriter(new StringWriter()), new PrintWriter(err), all.toArray(String[]::new));
    assertThat(status).isEqualTo(Main.FAILURE);
    return err.toString();
  }
}

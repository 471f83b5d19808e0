package io.netchannel.server;

import static io.netchannel.server.ServerHarness.CLIENT;
import static io.netchannel.server.ServerHarness.EXPORT;
import static io.netchannel.server.ServerHarness.QUICK;
import static io.netchannel.server.ServerHarness.as;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.xen.Waiting;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The client's device against the real server, over TLS and the Unix socket. */
@Timeout(180)
final class RemoteDeviceTest {
  @TempDir private Path directory;
  private ServerHarness host;
  private final long seed = ThreadLocalRandom.current().nextLong();

  @BeforeEach
  void start() throws Exception {
    System.out.println("seed " + seed);
    host = new ServerHarness(directory, seed);
  }

  @AfterEach
  void stop() {
    host.close();
  }

  private String source(boolean unix) {
    return unix ? host.unixSource(EXPORT) : host.source(EXPORT);
  }

  // ---- requests

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void requestsOfEverySize(boolean unix) throws Exception {
    try (Device device = host.open(source(unix), as(CLIENT, 1))) {
      assertThat(device.geometry())
          .isEqualTo(
              new DeviceGeometry(RecordingDisk.SIZE_BYTES, 512, 4096, false, true, true, 512));
      Random random = new Random(seed);
      // The last two are longer than a frame.
      for (int bytes :
          new int[] {512, 4096, 16 << 10, (16 << 10) + 512, 1 << 20, 3 << 20, 5 << 20}) {
        byte[] data = new byte[bytes];
        random.nextBytes(data);
        assertThat(Requests.write(device, 4096, data)).isEqualTo(Outcome.OK);
        assertThat(Arrays.equals(Requests.read(device, 4096, bytes), data))
            .as("%d", bytes)
            .isTrue();
      }
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(host.disk.flushes).hasValue(1);
      assertThat(Requests.discard(device, 4096, 8192)).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 4096, 8192)).containsOnly(0);
      assertThat(Requests.write(device, RecordingDisk.SIZE_BYTES, new byte[512]))
          .as("outside")
          .isEqualTo(Outcome.IO_ERROR);
      assertThat(Requests.write(device, 0, new byte[512])).as("still there").isEqualTo(Outcome.OK);
    }
    assertThat(host.disk.open).as("detached").hasValue(0);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void manyAtATime(boolean unix) throws Exception {
    try (Device device = host.open(source(unix), as(CLIENT, 1))) {
      new Lanes(device, 400, 4096, 10).start().await();
      new Lanes(device, 16, 1 << 20, 5).start().await();
    }
  }

  @Test
  void afterCloseEverythingFails() throws Exception {
    Device device = host.open(host.source(EXPORT), as(CLIENT, 1));
    device.close();
    device.close();
    assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.IO_ERROR);
  }

  // ---- connections that break

  /** Over TLS: cut in the middle of handshakes, headers and payloads. */
  @Test
  void exactlyOnceOverAConnectionThatIsCut() throws Exception {
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, seed)) {
      Device device = openThrough(proxy);
      int lanes = 24;
      int writes = 60;
      new Lanes(device, lanes, 4096, writes).start().await();
      new Lanes(device, 4, 64 << 10, 8).start().await();
      proxy.heal();
      device.close();
      assertThat(proxy.cuts.get()).as("cuts, seed %d", seed).isGreaterThan(10);
      assertThat(host.disk.writes).hasSize(lanes * writes);
      for (int lane = 4; lane < lanes; lane++) {
        for (int write = 1; write <= writes; write++) {
          assertThat(host.disk.writes)
              .as("seed %d", seed)
              .containsEntry(Lanes.number(lane, write), 1);
        }
      }
    }
  }

  private Device openThrough(CuttingProxy proxy) throws Exception {
    String source = ServerHarness.source(EXPORT, proxy.port());
    for (int attempt = 0; ; attempt++) {
      try {
        return host.open(source, as(CLIENT, 1));
      } catch (DeviceException e) {
        // A handshake that was cut is an error of TLS; opening does not try that again.
        if (attempt == 20) {
          throw e;
        }
      }
    }
  }

  @Test
  void aServerThatRestartsUnderLoadIsAPause() throws Exception {
    try (Device device = host.open(host.source(EXPORT), as(CLIENT, 1))) {
      Lanes load = new Lanes(device, 32, 4096, 200).start();
      for (int i = 0; i < 5; i++) {
        int before = host.disk.begun.get();
        Waiting.until("load", () -> host.disk.begun.get() > before + 300 || allWritten(32, 200));
        host.stop();
        host.start();
      }
      load.await();
      for (int lane = 0; lane < 32; lane++) {
        assertThat(host.disk.numberAt(lane * 4096)).isEqualTo(Lanes.number(lane, 200));
      }
    }
  }

  private boolean allWritten(int lanes, int writes) {
    return host.disk.writes.size() == lanes * writes;
  }

  @Test
  void whatTheServersHostForgotIsNeverCalledDurable() throws Exception {
    Device device = host.open(host.source(EXPORT), as(CLIENT, 1));
    assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
    assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
    restartWithoutMemory();
    assertThat(Requests.flush(device)).as("nothing was lost").isEqualTo(Outcome.OK);
    assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
    restartWithoutMemory();
    assertThat(Requests.read(device, 0, 512)).hasSize(512);
    assertThat(Requests.flush(device)).isEqualTo(Outcome.IO_ERROR);
    assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
    assertThat(Requests.flush(device)).as("for good").isEqualTo(Outcome.IO_ERROR);
    device.close();
    try (Device anew = host.open(host.source(EXPORT), as(CLIENT, 1))) {
      assertThat(Requests.flush(anew)).isEqualTo(Outcome.OK);
    }
  }

  private void restartWithoutMemory() throws Exception {
    host.stop();
    host.loseStorage();
    host.start();
  }

  @Test
  void givesUpAfterItsBoundAndComesBack() throws Exception {
    Device device =
        host.open(
            "hosta",
            host.source(EXPORT),
            as(CLIENT, 1),
            QUICK.withGiveUp(Optional.of(Duration.ofMillis(300))));
    host.stop();
    assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.IO_ERROR);
    host.start();
    Waiting.until("back", () -> Requests.write(device, 0, new byte[512]) == Outcome.OK);
    device.close();
  }

  @Test
  void waitsForTheServerWithoutABound() throws Exception {
    Device device = host.open(host.source(EXPORT), as(CLIENT, 1));
    host.stop();
    CompletableFuture<Outcome> write =
        Requests.submit(done -> device.write(0, ByteBuffer.allocateDirect(512), done));
    CompletableFuture<Outcome> read =
        Requests.submit(done -> device.read(0, ByteBuffer.allocateDirect(512), done));
    host.start();
    assertThat(Requests.join(write)).isEqualTo(Outcome.OK);
    assertThat(Requests.join(read)).isEqualTo(Outcome.OK);
    host.stop();
    CompletableFuture<Outcome> never =
        Requests.submit(done -> device.write(0, ByteBuffer.allocateDirect(512), done));
    device.close();
    assertThat(never).as("close completes what is left").isCompletedWithValue(Outcome.IO_ERROR);
    host.start();
  }

  // ---- generations

  @Test
  void theOldClientIsShutOutForEver() throws Exception {
    Device old = host.open(host.source(EXPORT), as(CLIENT, 1));
    assertThat(Requests.write(old, 0, block(1))).isEqualTo(Outcome.OK);
    try (Device newer = host.open("hostb", host.source(EXPORT), as(CLIENT, 2))) {
      assertThat(Requests.write(newer, 0, block(2))).isEqualTo(Outcome.OK);
      for (int i = 0; i < 50; i++) {
        assertThat(Requests.write(old, 0, block(3))).isEqualTo(Outcome.IO_ERROR);
      }
      assertThatThrownBy(() -> host.open(host.source(EXPORT), as(CLIENT, 1)))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("generation 1 of " + CLIENT + " is over");
      assertThat(Requests.read(newer, 0, 512)[7]).isEqualTo((byte) 2);
      assertThat(host.disk.writes).doesNotContainKey(3L);

      // The migration failed after all, and the source goes on.
      old.useGeneration(3);
      assertThat(Requests.write(old, 0, block(4))).isEqualTo(Outcome.OK);
      assertThat(Requests.write(newer, 0, block(5))).isEqualTo(Outcome.IO_ERROR);
    }
    assertThat(Requests.read(old, 0, 512)[7]).isEqualTo((byte) 4);
    old.close();
  }

  /** Both write as fast as they can while the generation changes hands again and again. */
  @Test
  void aTakeOverUnderLoadLeavesNothingOfTheOldGeneration() throws Exception {
    Device old = host.open(host.source(EXPORT), as(CLIENT, 1));
    for (int generation = 2; generation < 8; generation++) {
      Device before = old;
      for (int i = 0; i < 200; i++) {
        int number = generation * 1000 + i;
        before.write(i * 512L, buffer(number), outcome -> {});
      }
      Device newer =
          host.open(
              generation % 2 == 0 ? "hostb" : "hosta", host.source(EXPORT), as(CLIENT, generation));
      int since = host.disk.writes.size();
      for (int i = 0; i < 200; i++) {
        assertThat(Requests.read(newer, i * 512L, 512)).hasSize(512);
      }
      assertThat(host.disk.writes).as("written after ATTACHED").hasSize(since);
      old.close();
      old = newer;
    }
    old.close();
  }

  private static byte[] block(int number) {
    byte[] block = new byte[512];
    block[7] = (byte) number;
    return block;
  }

  private static ByteBuffer buffer(int number) {
    return ByteBuffer.allocateDirect(512).putLong(0, number);
  }

  // ---- who gets in

  @Test
  void saysWhyItCannotBeOpened() throws Exception {
    cannotOpen(
        "stranger", host.source(EXPORT), "is not for a client with a certificate for", "stranger");
    cannotOpen("hostb", host.source("iso"), "it allows hosta");
    cannotOpen("hosta", host.source("nobody"), "it allows nobody");
    cannotOpen("hosta", host.source("nothing"), "no export named nothing");
    cannotOpen("hosta", host.source("iso"), "iso is read-only");
    cannotOpen("hosta", host.source("broken"), "missing does not exist");
    cannotOpen("hosta", host.source("no/name"), "an export's name");
    cannotOpen("hosta", "netchannel:vol7", "netchannel://host[:port]/name");
    cannotOpen("hosta", "netchannel+unix:///vol7", "netchannel+unix:///name?socket=PATH");
    try (Device device = host.open(host.source(EXPORT), as("other/xvda", 4))) {
      cannotOpen("hosta", host.source(EXPORT), "in use by other/xvda, generation 4");
      assertThat(device.geometry().readOnly()).isFalse();
    }
    host.open(host.source(EXPORT), as(CLIENT, 1)).close();
  }

  @Test
  void aServerOfAnotherAuthorityIsNotTrustedInWords() throws Exception {
    Path elsewhere = Files.createDirectory(directory.resolve("elsewhere"));
    try (ServerHarness foreign = new ServerHarness(elsewhere, seed);
        DeviceOpener opener = foreign.opener("hosta", QUICK)) {
      String expected =
          host.source(EXPORT)
              + ", certificate of CN=hostb, is not trusted: expected one signed by "
              + elsewhere;
      assertThatThrownBy(() -> opener.open(host.source(EXPORT), as(CLIENT, 1)))
          .isInstanceOf(DeviceException.class)
          .hasMessageStartingWith(expected);
      assertThatThrownBy(() -> opener.probe(host.source(EXPORT), false))
          .isInstanceOf(DeviceException.class)
          .hasMessageStartingWith(expected);
    }
  }

  @Test
  void aClientOfAnotherAuthorityIsToldThatItIsNotTrusted() throws Exception {
    Path elsewhere = Files.createDirectory(directory.resolve("elsewhere"));
    try (ServerHarness foreign = new ServerHarness(elsewhere, seed);
        DeviceOpener opener = foreign.opener(foreign.tls("hosta", host), QUICK)) {
      String expected =
          host.source(EXPORT)
              + ": the other end does not trust this host's certificate (TLS: unknown_ca)";
      assertThatThrownBy(() -> opener.open(host.source(EXPORT), as(CLIENT, 1)))
          .isInstanceOf(DeviceException.class)
          .hasMessageStartingWith(expected);
      assertThatThrownBy(() -> opener.probe(host.source(EXPORT), false))
          .isInstanceOf(DeviceException.class)
          .hasMessageStartingWith(expected);
    }
  }

  private void cannotOpen(String as, String source, String... why) {
    assertThatThrownBy(() -> host.open(as, source, as(CLIENT, 1)))
        .isInstanceOf(DeviceException.class)
        .message()
        .contains(why);
  }

  @Test
  void aLookDisturbsNobody() throws Exception {
    try (Device device = host.open(host.source(EXPORT), as(CLIENT, 1));
        DeviceOpener opener = host.opener("hostb", QUICK)) {
      assertThat(opener.probe(host.source(EXPORT), false)).isEqualTo(device.geometry());
      assertThat(Requests.write(device, 0, block(1))).isEqualTo(Outcome.OK);
      assertThatThrownBy(() -> opener.probe(host.source("iso"), true))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("it allows hosta");
    }
  }

  @Test
  void aReadOnlyDisk() throws Exception {
    OpenOptions reader = OpenOptions.of(true, new OpenOptions.User("a/xvda", 1));
    OpenOptions another = OpenOptions.of(true, new OpenOptions.User("b/xvda", 1));
    try (Device one = host.open(host.source("iso"), reader);
        Device two = host.open(host.source("iso"), another)) {
      assertThat(one.geometry().readOnly()).isTrue();
      assertThat(Requests.read(one, 0, 512)).isEqualTo(Requests.read(two, 0, 512));
      assertThat(Requests.write(one, 0, block(1))).isEqualTo(Outcome.UNSUPPORTED);
    }
    OpenOptions wantsLess = OpenOptions.of(true, new OpenOptions.User(CLIENT, 1));
    try (Device device = host.open(host.source(EXPORT), wantsLess)) {
      assertThat(device.geometry().readOnly()).isTrue();
      assertThat(Requests.write(device, 0, block(1))).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(Requests.discard(device, 0, 512)).isEqualTo(Outcome.UNSUPPORTED);
    }
    assertThat(host.disk.writes).isEmpty();
  }
}

package io.netchannel.server;

import static io.netchannel.server.ServerHarness.CLIENT;
import static io.netchannel.server.ServerHarness.EXPORT;
import static io.netchannel.server.ServerHarness.QUICK;
import static io.netchannel.server.ServerHarness.as;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Custody;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import io.netchannel.device.Requests;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.wire.Attached;
import io.netchannel.wire.AttachedDisk;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Refusal;
import io.netchannel.xen.Waiting;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
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
              new DeviceGeometry(
                  RecordingDisk.SIZE_BYTES, 512, 4096, false, true, true, 512, true));
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

  private Device openThrough(CuttingProxy proxy) {
    return patiently(ServerHarness.source(EXPORT, proxy.port()), as(CLIENT, 1));
  }

  private Device patiently(String source, OpenOptions options) {
    for (int attempt = 0; ; attempt++) {
      try {
        return host.open(source, options);
      } catch (DeviceException e) {
        // A handshake that was cut is an error of TLS; opening does not try that again.
        if (attempt == 20) {
          throw new AssertionError(e);
        }
      } catch (Exception e) {
        throw new AssertionError(e);
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

  /** The server's device keeps refusing to flush as long as it is open, which a restart ends. */
  @Test
  void aFlushThatFailedStaysFailedWhenTheServerOpensTheDeviceAnew() throws Exception {
    Device device = host.open(host.source(EXPORT), as(CLIENT, 1));
    assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
    host.disk.flushOutcome = Outcome.IO_ERROR;
    assertThat(Requests.flush(device)).isEqualTo(Outcome.IO_ERROR);
    host.disk.flushOutcome = Outcome.OK;
    host.stop();
    host.start();
    assertThat(Requests.flush(device)).isEqualTo(Outcome.IO_ERROR);
    device.close();
    try (Device anew = host.open(host.source(EXPORT), as(CLIENT, 1))) {
      assertThat(Requests.flush(anew)).isEqualTo(Outcome.OK);
    }
  }

  /**
   * Its own ATTACH over a connection that it had given up may reach the server after the one over
   * the connection that it uses now.
   */
  @Test
  void onceReplacedItComesAgainTwiceReplacedItIsBroken() throws Exception {
    Device device = host.open(host.source(EXPORT), as(CLIENT, 1));
    RawClient late = host.raw();
    late.attach(1);
    assertThat(Requests.write(device, 0, block(1))).isEqualTo(Outcome.OK);
    late.expectRefusal(Refusal.REPLACED);
    host.raw().attach(1);
    assertThat(Requests.write(device, 0, block(2))).isEqualTo(Outcome.IO_ERROR);
    device.close();
    assertThat(host.disk.numberAt(0)).isEqualTo(1);
  }

  @Test
  void saysWhatAnOpenWaitedForInVain() throws Exception {
    RawClient old = host.raw();
    old.attach(1);
    host.disk.hold();
    old.write(0, 1, 0, 100);
    Waiting.until("it is at the device", () -> host.disk.held() == 1);
    RemoteOptions impatient = opensFor(Duration.ofSeconds(2));
    assertThatThrownBy(() -> host.open("hosta", host.unixSource(EXPORT), as(CLIENT, 2), impatient))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("its device has not finished what it was given before");
    host.disk.release();
    host.open(host.source(EXPORT), as(CLIENT, 2)).close();
  }

  /** It is not the device that ends, but the connection. */
  @Test
  void aServerThatBreaksTheProtocolIsAskedAgain() throws Exception {
    Path socket = directory.resolve("fake.sock");
    List<SocketChannel> clients = new CopyOnWriteArrayList<>();
    Device device;
    try (ServerSocketChannel fake = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      fake.bind(UnixDomainSocketAddress.of(socket));
      host.executor.execute(() -> detachEverybody(fake, clients));
      device = host.open("netchannel+unix:///vol7?socket=" + socket, as(CLIENT, 1));
      Waiting.until("it has come again", () -> clients.size() > 2);
    }
    for (SocketChannel client : clients) {
      client.close();
    }
    device.close();
  }

  private static void detachEverybody(ServerSocketChannel fake, List<SocketChannel> clients) {
    Attached attached =
        new Attached(
            new AttachedDisk(
                new UUID(1, 1),
                new UUID(1, 1),
                new AttachedDisk.Geometry(1 << 20, 512, 512, false, true, false, 0, false)),
            new Attached.Window(4, 1 << 20),
            1,
            ImmutableList.of());
    try {
      while (true) {
        SocketChannel client = fake.accept();
        clients.add(client);
        ByteBuf out = Unpooled.buffer();
        Preamble.OURS.encode(out);
        new FrameHeader().control(FrameType.ATTACHED, attached.encodedBytes()).encode(out);
        attached.encode(out);
        new FrameHeader().control(FrameType.DETACHED, 0).encode(out);
        client.write(out.nioBuffer());
      }
    } catch (IOException e) {
      // The test is over.
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
    Waiting.until("it says why", () -> device.problem().orElse("").contains("refused"));
    host.start();
    assertThat(Requests.join(write)).isEqualTo(Outcome.OK);
    assertThat(Requests.join(read)).isEqualTo(Outcome.OK);
    assertThat(device.problem()).isEmpty();
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

  /**
   * The source of a migration that failed after all has been cut off meanwhile, and the destination
   * had a request in the slot of one of its own.
   */
  @Test
  void afterAReclaimNothingIsTakenForARequestOfAnotherGeneration() throws Exception {
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, seed)) {
      proxy.heal();
      Device old = host.open(ServerHarness.source(EXPORT, proxy.port()), as(CLIENT, 1));
      host.disk.hold();
      CompletableFuture<Outcome> write = Requests.submit(done -> old.write(0, buffer(1), done));
      Waiting.until("it is at the device", () -> host.disk.held() == 1);
      proxy.block(true);
      host.executor.execute(host.disk::release);
      Device newer = host.open("hostb", host.source(EXPORT), as(CLIENT, 2));
      host.disk.flushOutcome = Outcome.IO_ERROR;
      assertThat(Requests.flush(newer)).isEqualTo(Outcome.IO_ERROR);
      old.useGeneration(3);
      proxy.block(false);
      assertThat(Requests.join(write)).isEqualTo(Outcome.OK);
      old.close();
      newer.close();
    }
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

  // ---- what one generation leaves to the next

  @Test
  void theNextGenerationLearnsWhatBecameOfWhatWasLeft() throws Exception {
    Device old = host.open(host.source(EXPORT), as(CLIENT, 1));
    List<CompletableFuture<Outcome>> left = heldWrites(old);
    Custody custody = old.custody().orElseThrow().join();
    assertThat(custody.writes()).hasSize(40);
    assertThat(left).noneMatch(CompletableFuture::isDone);
    Inheritance inheritance = inheritance(custody);
    CompletableFuture<Device> opening =
        CompletableFuture.supplyAsync(() -> inheriting(2, inheritance), host.executor);
    // It is refused before the next one is let in, which waits for the disk.
    for (CompletableFuture<Outcome> write : left) {
      assertThat(Requests.join(write)).isEqualTo(Outcome.IO_ERROR);
    }
    assertThat(opening).isNotDone();
    host.disk.release();
    Device newer = opening.join();
    for (RequestName write : inheritance.writes()) {
      assertThat(newer.inherited(write)).contains(Outcome.OK);
    }
    new Lanes(newer, 64, 4096, 10).start().await();
    newer.close();
    old.close();
    for (long number = 1; number <= 40; number++) {
      assertThat(host.disk.writes).containsEntry(number, 1);
    }
  }

  /** Cut again and again, so that its questions are asked more than once. */
  @Test
  void whatWasLeftIsAskedForUntilItIsKnown() throws Exception {
    Device old = host.open(host.source(EXPORT), as(CLIENT, 1));
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, seed)) {
      for (int generation = 2; generation < 8; generation++) {
        host.disk.hold();
        int before = host.disk.begun.get();
        for (int i = 0; i < 40; i++) {
          int number = generation * 1000 + i;
          Device user = old;
          long offset = i * 512L;
          var unused = Requests.submit(done -> user.write(offset, buffer(number), done));
        }
        Waiting.until("at the device", () -> host.disk.begun.get() == before + 40);
        Inheritance inheritance = inheritance(old.custody().orElseThrow().join());
        String source = ServerHarness.source(EXPORT, proxy.port());
        int next = generation;
        CompletableFuture<Device> opening =
            CompletableFuture.supplyAsync(
                () -> patiently(source, inheriting(next, Optional.of(inheritance))), host.executor);
        host.disk.release();
        Device newer = opening.join();
        assertThat(inheritance.writes()).hasSize(40);
        assertThat(inheritance.writes())
            .as("seed %d", seed)
            .allMatch(write -> newer.inherited(write).isPresent());
        for (int i = 0; i < 40; i++) {
          assertThat(host.disk.writes).containsEntry(generation * 1000L + i, 1);
        }
        old.close();
        old = newer;
      }
      proxy.heal();
      old.close();
    }
  }

  /** It hears of some of it, is cut, and comes again before the next one does. */
  @Test
  void whatWasLeftIsKeptThoughWhoLeftItHearsOfIt() throws Exception {
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, seed)) {
      proxy.heal();
      Device old = host.open(ServerHarness.source(EXPORT, proxy.port()), as(CLIENT, 1));
      List<CompletableFuture<Outcome>> left = heldWrites(old);
      Inheritance inheritance = inheritance(old.custody().orElseThrow().join());
      host.disk.release(20);
      Waiting.until("heard", () -> left.stream().filter(CompletableFuture::isDone).count() == 20);
      String before = host.from(EXPORT).orElseThrow();
      proxy.cutNow();
      Waiting.until(
          "attached again", () -> host.from(EXPORT).filter(a -> !a.equals(before)).isPresent());
      CompletableFuture<Device> opening = opening(host.source(EXPORT), inheritance);
      host.disk.release();
      allAreKnown(opening.get(30, TimeUnit.SECONDS), inheritance);
      old.close();
    }
  }

  /** Part of it is told to one that is cut then, and is replaced before all is told. */
  @Test
  void whatWasToldToOneThatIsNeverOpenIsToldToTheNext() throws Exception {
    Device old = host.open(host.source(EXPORT), as(CLIENT, 1));
    Inheritance inheritance = holdWrites(old);
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, seed)) {
      proxy.heal();
      CompletableFuture<Device> first = opening(host.source(EXPORT), inheritance);
      Waiting.until("taken over", () -> host.exports().toString().contains("generation=2"));
      CompletableFuture<Device> second =
          opening(ServerHarness.source(EXPORT, proxy.port()), inheritance);
      Waiting.until("attached", () -> host.from(EXPORT).isPresent());
      assertThat(first).failsWithin(Duration.ofSeconds(30));
      host.disk.release(20);
      Waiting.until("answered", () -> host.disk.writes.size() == 20 && running() == 20);
      String before = host.from(EXPORT).orElseThrow();
      proxy.cutNow();
      Waiting.until(
          "attached again", () -> host.from(EXPORT).filter(a -> !a.equals(before)).isPresent());
      CompletableFuture<Device> third = opening(host.source(EXPORT), inheritance);
      assertThat(second).failsWithin(Duration.ofSeconds(30));
      host.disk.release();
      allAreKnown(third.get(30, TimeUnit.SECONDS), inheritance);
    }
    old.close();
  }

  @Test
  void whoGivesUpToOpenWhatItTakesOverLeavesItToTheNext() throws Exception {
    Device old = host.open(host.source(EXPORT), as(CLIENT, 1));
    Inheritance inheritance = holdWrites(old);
    CompletableFuture<Device> first = opening(host.source(EXPORT), inheritance);
    Waiting.until("taken over", () -> host.exports().toString().contains("generation=2"));
    CompletableFuture<Device> second =
        opening(host.source(EXPORT), inheritance, opensFor(Duration.ofSeconds(3)));
    assertThat(first).failsWithin(Duration.ofSeconds(30));
    assertThat(second).as("does not wait for what runs").failsWithin(Duration.ofSeconds(30));
    host.disk.release();
    allAreKnown(opening(host.source(EXPORT), inheritance).get(30, TimeUnit.SECONDS), inheritance);
    old.close();
  }

  private Inheritance holdWrites(Device device) {
    var unused = heldWrites(device);
    return inheritance(device.custody().orElseThrow().join());
  }

  /** 40 that are at the device. */
  private List<CompletableFuture<Outcome>> heldWrites(Device device) {
    host.disk.hold();
    List<CompletableFuture<Outcome>> writes = new ArrayList<>();
    for (int i = 1; i <= 40; i++) {
      int number = i;
      writes.add(Requests.submit(done -> device.write(number * 512L, buffer(number), done)));
    }
    Waiting.until("at the device", () -> host.disk.begun.get() == 40);
    return writes;
  }

  private CompletableFuture<Device> opening(String source, Inheritance inheritance) {
    return opening(source, inheritance, QUICK);
  }

  private CompletableFuture<Device> opening(
      String source, Inheritance inheritance, RemoteOptions options) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return host.open("hosta", source, inheriting(2, Optional.of(inheritance)), options);
          } catch (Exception e) {
            throw new CompletionException(e);
          }
        },
        host.executor);
  }

  private void allAreKnown(Device newer, Inheritance inheritance) {
    assertThat(inheritance.writes()).hasSize(40);
    for (RequestName write : inheritance.writes()) {
      assertThat(newer.inherited(write)).contains(Outcome.OK);
    }
    assertThat(host.disk.writes)
        .hasSize(40)
        .allSatisfy((number, times) -> assertThat(times).isOne());
    newer.close();
  }

  private int running() {
    return host.exports().stream()
        .filter(each -> each.export().name().equals(EXPORT))
        .flatMap(each -> each.clients().stream())
        .mapToInt(ExportStatus.Client::running)
        .sum();
  }

  @Test
  void aServerThatForgotKnowsNothingOfIt() throws Exception {
    Device old = host.open(host.source(EXPORT), as(CLIENT, 1));
    host.disk.hold();
    CompletableFuture<Outcome> write = Requests.submit(done -> old.write(0, buffer(1), done));
    Waiting.until("at the device", () -> host.disk.begun.get() == 1);
    Inheritance inheritance = inheritance(old.custody().orElseThrow().join());
    old.relinquish();
    host.disk.release();
    host.stop();
    assertThat(Requests.join(write)).isIn(Outcome.OK, Outcome.IO_ERROR);
    host.start();
    try (Device newer = inheriting(2, inheritance)) {
      assertThat(newer.inherited(inheritance.writes().get(0))).isEmpty();
      assertThat(Requests.write(newer, 0, block(2))).isEqualTo(Outcome.OK);
    }
    old.close();
  }

  @Test
  void writesThatWereNotFlushedAreTheNextGenerationsToLose() throws Exception {
    Device old = host.open(host.source(EXPORT), as(CLIENT, 1));
    assertThat(Requests.write(old, 0, block(1))).isEqualTo(Outcome.OK);
    Inheritance unflushed = inheritance(old.custody().orElseThrow().join());
    assertThat(unflushed.storage().orElseThrow().unflushed()).isTrue();
    restartWithoutMemory();
    Device newer = inheriting(2, unflushed);
    assertThat(Requests.flush(newer)).isEqualTo(Outcome.IO_ERROR);
    Device third = inheriting(3, inheritance(newer.custody().orElseThrow().join()));
    assertThat(Requests.flush(third)).as("lost is lost").isEqualTo(Outcome.IO_ERROR);
    for (Device device : List.of(old, newer, third)) {
      device.close();
    }
  }

  /** Before anybody flushes: a copy of another disk is not to be believed then. */
  @Test
  void whoHasLostWritesSaysSoByItself() throws Exception {
    try (Device device = host.open(host.source(EXPORT), as(CLIENT, 1))) {
      assertThat(Requests.write(device, 0, block(1))).isEqualTo(Outcome.OK);
      assertThat(device.hasLostWrites()).isFalse();
      restartWithoutMemory();
      assertThat(Requests.write(device, 0, block(2))).isEqualTo(Outcome.OK);
      assertThat(device.hasLostWrites()).isTrue();
    }
  }

  @Test
  void flushedWritesCannotBeLost() throws Exception {
    Device old = host.open(host.source(EXPORT), as(CLIENT, 1));
    assertThat(Requests.write(old, 0, block(1))).isEqualTo(Outcome.OK);
    assertThat(Requests.flush(old)).isEqualTo(Outcome.OK);
    Inheritance flushed = inheritance(old.custody().orElseThrow().join());
    restartWithoutMemory();
    try (Device newer = inheriting(2, flushed)) {
      assertThat(Requests.flush(newer)).isEqualTo(Outcome.OK);
    }
    old.close();
  }

  /** The client's process and the server's host end in the same time. */
  @Test
  void whoWasKilledLearnsFromTheServerThatItsWritesMayBeLost() throws Exception {
    Device killed = host.open(host.source(EXPORT), as(CLIENT, 1));
    assertThat(Requests.write(killed, 0, block(1))).isEqualTo(Outcome.OK);
    kill(killed);
    restartWithoutMemory();
    try (Device again = inheriting(1, Inheritance.UNTOLD)) {
      assertThat(Requests.flush(again)).isEqualTo(Outcome.IO_ERROR);
    }
    // Detached: who comes now knows what it finds.
    try (Device anew = inheriting(1, Inheritance.UNTOLD)) {
      assertThat(Requests.flush(anew)).isEqualTo(Outcome.OK);
    }
  }

  @Test
  void whoWasKilledAndIsBackWhileTheHostStaysUpLosesNothing() throws Exception {
    Device killed = host.open(host.source(EXPORT), as(CLIENT, 1));
    assertThat(Requests.write(killed, 0, block(1))).isEqualTo(Outcome.OK);
    kill(killed);
    host.stop();
    host.start();
    Device again = inheriting(1, Inheritance.UNTOLD);
    // It flushes what the killed one may have left, so that is not lost with the host later on.
    Waiting.until("flushed", () -> host.disk.flushes.get() == 1 && host.allAnswered(EXPORT));
    assertThat(Requests.read(again, 0, 512)).isEqualTo(block(1));
    restartWithoutMemory();
    assertThat(Requests.flush(again)).isEqualTo(Outcome.OK);
    // It was told of the new storage, had nothing to lose, and is killed: there is no loss in that.
    kill(again);
    try (Device last = inheriting(1, Inheritance.UNTOLD)) {
      assertThat(Requests.flush(last)).isEqualTo(Outcome.OK);
    }
  }

  /** The server has answered its ATTACH, and the answer never arrived. */
  @Test
  void anAttachedThatNobodyHasSeenHidesNoLoss() throws Exception {
    Device killed = host.open(host.source(EXPORT), as(CLIENT, 1));
    assertThat(Requests.write(killed, 0, block(1))).isEqualTo(Outcome.OK);
    kill(killed);
    restartWithoutMemory();
    try (RawClient unheard = host.raw()) {
      unheard.attach(1);
    }
    try (Device again = inheriting(1, Inheritance.UNTOLD)) {
      assertThat(Requests.flush(again)).isEqualTo(Outcome.IO_ERROR);
    }
  }

  /** It knew, and so did its guest perhaps; who goes on for it must know too, each time. */
  @Test
  void whoIsKilledAfterALossIsToldOfItAgain() throws Exception {
    Device client = host.open(host.source(EXPORT), as(CLIENT, 1));
    assertThat(Requests.write(client, 0, block(1))).isEqualTo(Outcome.OK);
    restartWithoutMemory();
    for (int life = 0; life < 3; life++) {
      assertThat(Requests.write(client, 0, block(2))).isEqualTo(Outcome.OK);
      if (life > 0) {
        assertThat(Requests.flush(client)).isEqualTo(Outcome.IO_ERROR);
      }
      kill(client);
      client = inheriting(1, Inheritance.UNTOLD);
    }
    assertThat(Requests.flush(client)).isEqualTo(Outcome.IO_ERROR);
    client.close();
  }

  /** The device is opened anew by the server that comes next, and knows nothing of it. */
  @Test
  void aFlushThatFailedIsToldToWhoComesAfterARestartOfBoth() throws Exception {
    Device client = host.open(host.source(EXPORT), as(CLIENT, 1));
    assertThat(Requests.write(client, 0, block(1))).isEqualTo(Outcome.OK);
    host.disk.flushOutcome = Outcome.IO_ERROR;
    assertThat(Requests.flush(client)).isEqualTo(Outcome.IO_ERROR);
    host.disk.flushOutcome = Outcome.OK;
    kill(client);
    host.stop();
    host.start();
    try (Device again = inheriting(1, Inheritance.UNTOLD)) {
      assertThat(Requests.flush(again)).isEqualTo(Outcome.IO_ERROR);
    }
  }

  /** As its server sees it. */
  private static void kill(Device device) {
    device.keepPlace();
    device.close();
  }

  /** Its server is away, and what it has sent is the next generation's. */
  @Test
  void whatIsRelinquishedIsNotWaitedFor() throws Exception {
    Device old = host.open(host.source(EXPORT), as(CLIENT, 1));
    host.stop();
    CompletableFuture<Outcome> write = Requests.submit(done -> old.write(0, buffer(1), done));
    old.relinquish();
    assertThat(Requests.join(write)).isEqualTo(Outcome.IO_ERROR);
    old.close();
    host.start();
  }

  private static RemoteOptions opensFor(Duration bound) {
    return new RemoteOptions(
        bound,
        QUICK.connect(),
        QUICK.ping(),
        QUICK.silence(),
        QUICK.firstDelay(),
        QUICK.longestDelay(),
        Optional.empty());
  }

  private static Inheritance inheritance(Custody custody) {
    return new Inheritance(custody.storage(), custody.writes().values().asList());
  }

  private static OpenOptions inheriting(long generation, Optional<Inheritance> inheritance) {
    return OpenOptions.of(false, new OpenOptions.User(CLIENT, generation, inheritance));
  }

  private Device inheriting(long generation, Inheritance inheritance) {
    return patiently(host.source(EXPORT), inheriting(generation, Optional.of(inheritance)));
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

  /** What people have to change is not asked for again and again. */
  @Test
  void whatItsServerDoesNotExportToItIsRefusedForGood() throws Exception {
    isRefused("hosta", "nothing", true);
    isRefused("stranger", EXPORT, true);
    isRefused("hosta", "iso", true);
    isRefused("hosta", "broken", false);
    try (Device device = host.open(host.source(EXPORT), as("other/xvda", 4))) {
      isRefused("hosta", EXPORT, false);
      assertThat(device.isGivenFree()).isFalse();
    }
    try (DeviceOpener opener = host.opener("hosta", QUICK)) {
      assertThatThrownBy(() -> opener.newestGeneration(host.source("nothing"), CLIENT, true))
          .matches(refused -> ((DeviceException) refused).isLasting());
    }
  }

  private void isRefused(String client, String export, boolean forGood) {
    assertThatThrownBy(() -> host.open(client, host.source(export), as(CLIENT, 1)))
        .isInstanceOf(DeviceException.class)
        .matches(refused -> ((DeviceException) refused).isLasting() == forGood);
  }

  @Test
  void saysWhetherItsPlaceIsFree() throws Exception {
    Device device = host.open(host.source(EXPORT), as(CLIENT, 1));
    device.close();
    assertThat(device.isGivenFree()).isTrue();
    Device kept = host.open(host.source(EXPORT), as(CLIENT, 1));
    kept.keepPlace();
    kept.close();
    assertThat(kept.isGivenFree()).isFalse();
    Device lost = host.open(host.source(EXPORT), as(CLIENT, 1));
    host.stop();
    Waiting.until("it is away", () -> lost.problem().isPresent());
    lost.close();
    assertThat(lost.isGivenFree()).isFalse();
    host.start();
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

  /** Whoever reaches the port may make as many connections as there may be. */
  @Test
  void aStrangerGetsNoMemory() throws Exception {
    SSLContext anybody = SSLContext.getInstance("TLS");
    anybody.init(null, new TrustManager[] {TrustsAll.INSTANCE}, null);
    try (Socket socket =
        anybody.getSocketFactory().createSocket(InetAddress.getLoopbackAddress(), host.port())) {
      ByteBuf out = Unpooled.buffer();
      Preamble.OURS.encode(out);
      new FrameHeader().control(FrameType.ATTACH, 100_000).encode(out);
      out.readBytes(socket.getOutputStream(), out.readableBytes());
      String answer =
          new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
      assertThat(answer).contains("expected a client certificate");
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

package io.netchannel.server;

import static io.netchannel.server.ServerHarness.CLIENT;
import static io.netchannel.server.ServerHarness.EXPORT;
import static io.netchannel.server.ServerHarness.as;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.Extents;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attach.Unanswered;
import io.netchannel.wire.Attached;
import io.netchannel.wire.Attached.Fate;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.Status;
import io.netchannel.xen.Waiting;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Zeros and what is known of them, at a device elsewhere: as a write without data. */
@Timeout(180)
final class RemoteZeroTest {
  private static final int PAGE_BYTES = 4096;

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

  private Device open() throws Exception {
    return host.open(host.source(EXPORT), as(CLIENT, 1));
  }

  private static byte[] ones(int lengthBytes) {
    byte[] ones = new byte[lengthBytes];
    Arrays.fill(ones, (byte) 1);
    return ones;
  }

  // ---- the device

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void zeroesAsItIsTold(boolean unix) throws Exception {
    String source = unix ? host.unixSource(EXPORT) : host.source(EXPORT);
    try (Device device = host.open(source, as(CLIENT, 1))) {
      assertThat(device.geometry().canZero()).isTrue();
      // More than a frame can carry, without any data.
      int length = 5 << 20;
      assertThat(Requests.write(device, 0, ones(length))).isEqualTo(Outcome.OK);
      assertThat(Requests.zero(device, 512, length - 1024, true)).isEqualTo(Outcome.OK);
      assertThat(host.disk.mayHaveHole).isTrue();
      byte[] expected = new byte[length];
      Arrays.fill(expected, 0, 512, (byte) 1);
      Arrays.fill(expected, length - 512, length, (byte) 1);
      assertThat(Arrays.equals(Requests.read(device, 0, length), expected)).isTrue();
      assertThat(Requests.zero(device, 0, 512, false)).isEqualTo(Outcome.OK);
      assertThat(host.disk.mayHaveHole).isFalse();
      assertThat(Requests.read(device, 0, 512)).containsOnly(0);
      assertThat(host.disk.zeroed).isEqualTo(Map.of(512L, 1, 0L, 1));
      assertThat(Requests.zero(device, 0, 0, true)).isEqualTo(Outcome.OK);
      assertThat(Requests.zero(device, RecordingDisk.SIZE_BYTES, 512, true))
          .as("outside")
          .isEqualTo(Outcome.IO_ERROR);
      host.disk.zeroOutcome = Outcome.UNSUPPORTED;
      assertThat(Requests.zero(device, 0, 512, false)).isEqualTo(Outcome.UNSUPPORTED);
      host.disk.zeroOutcome = Outcome.NO_SPACE;
      assertThat(Requests.zero(device, 0, 512, false)).isEqualTo(Outcome.NO_SPACE);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void tellsZerosOfABoundedNumber(boolean unix) throws Exception {
    String source = unix ? host.unixSource(EXPORT) : host.source(EXPORT);
    try (Device device = host.open(source, as(CLIENT, 1))) {
      int size = RecordingDisk.SIZE_BYTES;
      assertThat(Requests.zeros(device, 0, size)).containsExactly(new Extents.Run(0, size));
      int pages = 2 * Extents.MAX_RUNS + 2;
      for (int page = 0; page < pages; page += 2) {
        assertThat(Requests.write(device, (long) page * PAGE_BYTES, ones(512)))
            .isEqualTo(Outcome.OK);
      }
      List<Extents.Run> told = Requests.zeros(device, 0, size);
      assertThat(told).hasSize(Extents.MAX_RUNS).doesNotHaveDuplicates();
      assertThat(told.get(0)).isEqualTo(new Extents.Run(PAGE_BYTES, PAGE_BYTES));
      long next = told.get(told.size() - 1).endBytes();
      assertThat(Requests.zeros(device, next, size - next))
          .containsExactly(new Extents.Run(next + PAGE_BYTES, size - next - PAGE_BYTES));
      assertThat(Requests.zeros(device, 0, PAGE_BYTES)).as("all data").isEmpty();
      assertThat(Requests.zeros(device, 0, 0)).isEmpty();
      assertThat(Requests.zeros(device, size, 512)).as("outside").isEmpty();
    }
  }

  /** Over TLS: cut in the middle of headers and answers. */
  @Test
  void exactlyOnceOverAConnectionThatIsCut() throws Exception {
    int zeros = 1500;
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, seed)) {
      proxy.heal();
      Device device = host.open(ServerHarness.source(EXPORT, proxy.port()), as(CLIENT, 1));
      List<CompletableFuture<Outcome>> done = new ArrayList<>();
      List<CompletableFuture<Extents>> told = new ArrayList<>();
      for (int i = 0; i < zeros; i++) {
        long offset = i * 512L;
        done.add(Requests.submit(end -> device.zero(offset, 512, true, end)));
        told.add(device.extents(0, 1 << 16));
        if (i % 50 == 0) {
          int submitted = i;
          Waiting.until("on their way", () -> host.disk.begun.get() > submitted);
          proxy.cutNow();
        }
      }
      for (CompletableFuture<Outcome> each : done) {
        assertThat(Requests.join(each)).as("seed %d", seed).isEqualTo(Outcome.OK);
      }
      for (CompletableFuture<Extents> each : told) {
        assertThat(Requests.join(each).zeros()).containsExactly(new Extents.Run(0, 1 << 16));
      }
      assertThat(proxy.cuts.get()).isGreaterThan(10);
      device.close();
    }
    assertThat(host.disk.zeroed).as("seed %d", seed).hasSize(zeros);
    assertThat(host.disk.zeroed.values()).as("seed %d", seed).containsOnly(1);
  }

  /** They are as a write in the memory of the server's host. */
  @Test
  void zerosThatTheServersHostForgotAreNeverCalledDurable() throws Exception {
    Device device = open();
    assertThat(Requests.zero(device, 0, 512, true)).isEqualTo(Outcome.OK);
    host.stop();
    host.loseStorage();
    host.start();
    assertThat(Requests.flush(device)).isEqualTo(Outcome.IO_ERROR);
    device.close();
  }

  @Test
  void whoMayNotWriteMayNotZero() throws Exception {
    OpenOptions reader = OpenOptions.of(true, new OpenOptions.User(CLIENT, 1));
    try (Device device = host.open(host.source(EXPORT), reader)) {
      assertThat(device.geometry().canZero()).isFalse();
      assertThat(Requests.zero(device, 0, 512, true)).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(Requests.zeros(device, 0, 512)).hasSize(1);
    }
    try (RawClient client = host.raw()) {
      client.ask(Attach.session(EXPORT, CLIENT, 2, true, ImmutableList.of()));
      assertThat(client.expect(FrameType.ATTACHED).attached().disk().geometry().canZero())
          .isFalse();
      client.zero(0, 1, 0, 512, true);
      assertThat(client.expect(FrameType.REPLY).status()).isEqualTo(3); // UNSUPPORTED
    }
    assertThat(host.disk.zeroed).isEmpty();
  }

  @Test
  void whatAnotherGenerationTakesOverIsNeitherZeroNorKnown() throws Exception {
    Device old = open();
    host.disk.hold();
    CompletableFuture<Outcome> zero = Requests.submit(done -> old.zero(0, 512, true, done));
    CompletableFuture<Extents> extents = old.extents(0, 512);
    Waiting.until("at the device", () -> host.disk.begun.get() == 2);
    assertThat(old.custody().orElseThrow().join().writes()).as("a zero is left, too").hasSize(1);
    CompletableFuture<Device> opening =
        CompletableFuture.supplyAsync(this::openNewer, host.executor);
    // It is refused before the next one is let in, which waits for the disk.
    assertThat(Requests.join(zero)).isEqualTo(Outcome.IO_ERROR);
    assertThat(Requests.join(extents)).isEqualTo(Extents.ALL_DATA);
    assertThat(opening).isNotDone();
    host.disk.release();
    try (Device newer = opening.join()) {
      assertThat(Requests.zero(old, 512, 512, true)).isEqualTo(Outcome.IO_ERROR);
      assertThat(Requests.zero(newer, 1024, 512, true)).isEqualTo(Outcome.OK);
    }
    assertThat(host.disk.zeroed).isEqualTo(Map.of(0L, 1, 1024L, 1));
    old.close();
  }

  private Device openNewer() {
    try {
      return host.open("hostb", host.source(EXPORT), as(CLIENT, 2));
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  // ---- its session

  @Test
  void aZeroIsKeptAsAWriteIs() throws Exception {
    RawClient before = host.raw();
    before.attach(1);
    before.zero(0, 1, 0, 512, true);
    before.expect(FrameType.REPLY);
    host.disk.hold();
    before.zero(1, 2, 512, 512, false);
    before.request(FrameType.EXTENTS, 2, 3, 0, 512);
    Waiting.until("both are at the device", () -> host.disk.held() == 2);
    RawClient again = host.raw();
    again.ask(1, new Unanswered(0, 1), new Unanswered(1, 2));
    before.expectRefusal(Refusal.REPLACED);
    again.control(FrameType.PING);
    assertThat(again.next().type()).as("EXTENTS is waited for").isEqualTo(FrameType.PONG);
    host.disk.release();
    List<Fate> fates = again.expect(FrameType.ATTACHED).attached().fates();
    assertThat(fates.get(0)).isEqualTo(Fate.done(Status.OK));
    if (fates.get(1).equals(Fate.RUNNING)) {
      assertThat(again.expect(FrameType.REPLY).sequence()).isEqualTo(2);
    } else {
      assertThat(fates.get(1)).isEqualTo(Fate.done(Status.OK));
    }
    assertThat(host.disk.zeroed).isEqualTo(Map.of(0L, 1, 512L, 1));
  }

  @Test
  void aTakeOverWaitsForAZero() throws Exception {
    RawClient old = host.raw();
    old.attach(1);
    host.disk.hold();
    old.zero(1, 2, 512, 512, true);
    Waiting.until("it is at the device", () -> host.disk.held() == 1);
    RawClient newer = host.raw().ask(2, new Unanswered(1, 2));
    old.expectRefusal(Refusal.STALE);
    newer.control(FrameType.PING);
    assertThat(newer.next().type()).as("not attached yet").isEqualTo(FrameType.PONG);
    host.disk.release();
    assertThat(newer.expect(FrameType.ATTACHED).attached().fates())
        .containsExactly(Fate.done(Status.OK));
  }

  /** What is asked for counts until it is answered, and not as long as the answer is. */
  @Test
  void extentsCountInTheWindow() throws Exception {
    RawClient client = host.raw();
    int window = client.attach(1).window().bytes();
    int requests = window / PAGE_BYTES + 10;
    for (int i = 1; i <= requests; i++) {
      client.request(FrameType.EXTENTS, 0, i, 0, 512);
      assertThat(client.expect(FrameType.REPLY).payload().readableBytes()).isEqualTo(16);
    }
    host.disk.hold();
    for (int i = 0; i < window >> 20; i++) {
      client.request(FrameType.READ, i, requests + 1 + i, 0, 1 << 20);
    }
    client.request(FrameType.EXTENTS, 100, requests + 100, 0, 512);
    assertThat(client.expectRefusal(Refusal.PROTOCOL).text()).contains("bytes outstanding");
    host.disk.release();
  }

  // ---- peers of version 1

  @Test
  void anOlderClientIsToldOfNoZeros() throws Exception {
    RawClient old = host.raw().ofVersionOne();
    Attached attached = old.attach(1);
    assertThat(attached.disk().geometry().canZero()).isFalse();
    assertThat(attached.disk().geometry().canDiscard()).isTrue();
    old.write(0, 1, 0, 101);
    old.expect(FrameType.REPLY);
    old.zero(1, 2, 0, 512, true);
    assertThat(old.expectRefusal(Refusal.PROTOCOL).text())
        .contains("expected a type of frame from 1 to 12");
    assertThat(host.raw().attach(1).disk().geometry().canZero()).isTrue();
  }

  @Test
  void anOlderServerIsNotAskedForZeros() throws Exception {
    try (VersionedServer server = new VersionedServer(directory.resolve("old.sock"), 1);
        Device device = host.open(server.source(), as(CLIENT, 1))) {
      assertThat(device.geometry().canZero()).isFalse();
      assertThat(Requests.zero(device, 0, 512, true)).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(device.extents(0, 1 << 20).join()).isEqualTo(Extents.ALL_DATA);
      assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
      assertThat(server.arrived).containsExactly("WRITE");
      // Updated while it is used: nobody hears of what it can do now, and all goes on.
      server.becomes(2);
      assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
      assertThat(device.geometry().canZero()).isFalse();
      assertThat(server.arrived).contains("WRITE").doesNotContain("ZERO");
    }
  }

  /** As when an update of the server is taken back. */
  @Test
  void whatAServerThatComesBackOlderHasNotIsNotSentToIt() throws Exception {
    try (VersionedServer server = new VersionedServer(directory.resolve("old.sock"), 2);
        Device device = host.open(server.source(), as(CLIENT, 1))) {
      assertThat(device.geometry().canZero()).isTrue();
      CompletableFuture<Outcome> zero = Requests.submit(done -> device.zero(0, 512, true, done));
      CompletableFuture<Extents> extents = device.extents(0, 1 << 20);
      Waiting.until("both are there", () -> server.arrived.size() == 2);
      assertThat(server.arrived).containsExactly("ZERO", "EXTENTS");
      server.arrived.clear();
      server.becomes(1);
      assertThat(Requests.join(zero)).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(Requests.join(extents)).isEqualTo(Extents.ALL_DATA);
      ByteBuffer data = BlockBuffers.allocate(512);
      assertThat(Requests.await(done -> device.write(0, data, done))).isEqualTo(Outcome.OK);
      assertThat(Requests.zero(device, 0, 512, true)).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(Requests.zeros(device, 0, 512)).isEmpty();
      assertThat(server.arrived).containsExactly("WRITE");
    }
  }
}

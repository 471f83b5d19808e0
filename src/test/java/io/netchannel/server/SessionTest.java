package io.netchannel.server;

import static io.netchannel.server.ServerHarness.CLIENT;
import static io.netchannel.server.ServerHarness.EXPORT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attach.Unanswered;
import io.netchannel.wire.Attached;
import io.netchannel.wire.Attached.Fate;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.Status;
import io.netchannel.xen.Waiting;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the server does for whom, frame by frame. */
@Timeout(120)
final class SessionTest {
  @TempDir private Path directory;
  private ServerHarness host;

  @BeforeEach
  void start() throws Exception {
    host = new ServerHarness(directory, 1);
  }

  @AfterEach
  void stop() {
    host.close();
  }

  // ---- before a connection is attached

  /** A client whose name nobody else has, as a tool's, that is ended while the storage is slow. */
  @Test
  void aDiskIsNotGivenAsAUsbDevice() throws Exception {
    Attach wrong =
        Attach.session(ServerHarness.EXPORT, ServerHarness.CLIENT, 1, false, ImmutableList.of())
            .asUsb();
    try (RawClient client = host.raw()) {
      assertThat(client.ask(wrong).expectRefusal(Refusal.UNKNOWN_EXPORT).text())
          .isEqualTo("export vol7 is a disk here, and not a USB device");
    }
  }

  @Test
  void whoGoesBeforeItIsAttachedHoldsNothing() throws Exception {
    host.disk.lateOpens = new CountDownLatch(1);
    RawClient gone = host.raw().ask(1);
    Waiting.until("the device is being opened", () -> host.disk.opening.get() == 1);
    gone.leave();
    host.disk.lateOpens.countDown();
    Waiting.until(
        "nobody holds it",
        () -> host.exports().stream().allMatch(export -> export.clients().isEmpty()));
    assertThat(host.disk.open).as("and the device is closed").hasValue(0);
    host.raw()
        .ask(Attach.session(EXPORT, "other/xvda", 1, false, ImmutableList.of()))
        .expect(FrameType.ATTACHED);
  }

  /** It was its own before: its guest has what it wrote there, and comes again. */
  @Test
  void whoHeldItBeforeHoldsItAlsoWhenItGoesBeforeItIsAttachedAgain() throws Exception {
    host.raw().attach(1);
    host.stop();
    host.start();
    host.disk.lateOpens = new CountDownLatch(1);
    RawClient gone = host.raw().ask(2);
    Waiting.until("the device is being opened", () -> host.disk.opening.get() == 1);
    gone.leave();
    host.disk.lateOpens.countDown();
    host.raw()
        .ask(Attach.session(EXPORT, "other/xvda", 1, false, ImmutableList.of()))
        .expectRefusal(Refusal.IN_USE);
    assertThat(host.raw().attach(2).generation()).isEqualTo(2);
  }

  /** It may be in the cache only, and then a power cut brings a client back that was fenced. */
  @Test
  void whatAServerBeforeHasStoredLetsNobodyInBeforeItIsDurable() throws Exception {
    host.raw().attach(1);
    host.stop();
    host.start();
    Path inTheWay = directory.resolve("exports").resolve(EXPORT + ".generations.new");
    Path kept = Files.createDirectories(inTheWay.resolve("kept"));
    assertThat(host.raw().ask(1).expectRefusal(Refusal.UNAVAILABLE).text())
        .contains("its generation cannot be stored");
    Files.delete(kept);
    host.raw().attach(1);
    Files.createDirectories(kept);
    host.raw().attach(1); // it is durable by now
  }

  /** What to do is said with it. */
  @Test
  void whoHasEndedIsNamedWithTheWayToTakeTheExportFromIt() throws Exception {
    RawClient killed = host.raw();
    killed.attach(1);
    killed.leave();
    Waiting.until("it is gone", () -> host.from(EXPORT).isEmpty());
    String words =
        host.raw()
            .ask(Attach.session(EXPORT, "other/xvda", 1, false, ImmutableList.of()))
            .expectRefusal(Refusal.IN_USE)
            .text();
    assertThat(words)
        .contains("in use by " + CLIENT)
        .endsWith("`netchannel release-export " + EXPORT + " " + CLIENT + "`");
  }

  // ---- after a lost connection

  @Test
  void tellsWhatIsDoneRunningAndUnknown() throws Exception {
    RawClient before = host.raw();
    before.attach(1);
    before.write(0, 1, 0, 101);
    before.expect(FrameType.REPLY);
    host.disk.hold();
    before.write(1, 2, 512, 102);
    before.write(2, 3, 1024, 103);
    Waiting.until("both are at the device", () -> host.disk.held() == 2);
    before.close();

    RawClient again = host.raw();
    again.ask(1, new Unanswered(0, 1), new Unanswered(1, 2), new Unanswered(5, 9));
    host.disk.hold();
    // Sequence 3 is not listed: its client does not care, and it is waited for.
    RawClient probe = host.raw().ask(Attach.probe(EXPORT, CLIENT, false));
    probe.expect(FrameType.ATTACHED);
    again.control(FrameType.PING);
    assertThat(again.next().type()).as("ATTACHED waits, PING does not").isEqualTo(FrameType.PONG);
    host.disk.release();
    Attached attached = again.expect(FrameType.ATTACHED).attached();
    assertThat(attached.fates().get(0)).isEqualTo(Fate.done(Status.OK));
    assertThat(attached.fates().get(2)).isEqualTo(Fate.UNKNOWN);
    if (attached.fates().get(1).equals(Fate.RUNNING)) {
      assertThat(again.expect(FrameType.REPLY).sequence()).isEqualTo(2);
    } else {
      assertThat(attached.fates().get(1)).isEqualTo(Fate.done(Status.OK));
    }
    assertThat(host.disk.writes).containsValue(1).hasSize(3).doesNotContainValue(2);
  }

  @Test
  void runningIsAnsweredOnTheNewConnection() throws Exception {
    RawClient before = host.raw();
    before.attach(1);
    host.disk.hold();
    before.write(1, 2, 512, 102);
    Waiting.until("it is at the device", () -> host.disk.held() == 1);

    RawClient again = host.raw();
    assertThat(again.attach(1, new Unanswered(1, 2)).fates()).containsExactly(Fate.RUNNING);
    before.expectRefusal(Refusal.REPLACED);
    host.disk.release();
    RawClient.Frame reply = again.expect(FrameType.REPLY);
    assertThat(reply.sequence()).isEqualTo(2);
    assertThat(reply.slot()).isEqualTo(1);
  }

  @Test
  void aResultIsKeptUntilTheSlotIsUsedAgain() throws Exception {
    RawClient before = host.raw();
    before.attach(1);
    before.write(0, 1, 0, 101);
    before.expect(FrameType.REPLY);
    before.write(0, 2, 0, 102);
    before.expect(FrameType.REPLY);
    before.close();

    Attached attached = host.raw().attach(1, new Unanswered(0, 1), new Unanswered(0, 2));
    assertThat(attached.fates()).containsExactly(Fate.UNKNOWN, Fate.done(Status.OK));
  }

  /**
   * Else the window would grow with each lost connection, as long as the device does not answer.
   */
  @Test
  void whatRunsCountsInTheWindowOfTheNextConnection() throws Exception {
    host.disk.hold();
    RawClient before = host.raw();
    before.attach(1);
    Unanswered[] all = new Unanswered[16];
    for (int i = 0; i < all.length; i++) {
      before.write(i, i + 1, 0, 100 + i, 1 << 20);
      all[i] = new Unanswered(i, i + 1);
    }
    Waiting.until("the window is full", () -> host.disk.held() == all.length);
    RawClient again = host.raw();
    assertThat(again.attach(1, all).fates()).containsOnly(Fate.RUNNING);
    again.request(FrameType.READ, 20, 100, 0, 512);
    assertThat(again.expectRefusal(Refusal.PROTOCOL).text()).contains("bytes outstanding");
    host.disk.release();
  }

  // ---- generations

  @Test
  void aTakeOverWaitsForWhatRunsAndTellsItsResults() throws Exception {
    RawClient old = host.raw();
    old.attach(1);
    host.disk.hold();
    old.write(1, 2, 512, 102);
    Waiting.until("it is at the device", () -> host.disk.held() == 1);

    RawClient newer = host.raw().ask(2, new Unanswered(1, 2));
    assertThat(old.expectRefusal(Refusal.STALE).sequence()).as("newest").isEqualTo(2);
    newer.control(FrameType.PING);
    assertThat(newer.next().type()).as("not attached yet").isEqualTo(FrameType.PONG);
    host.disk.release();
    assertThat(newer.expect(FrameType.ATTACHED).attached().fates())
        .containsExactly(Fate.done(Status.OK));
  }

  @Test
  void theOldGenerationIsRefusedEveryTimeAndDataStays() throws Exception {
    RawClient old = host.raw();
    old.attach(1);
    RawClient newer = host.raw();
    newer.attach(2);
    newer.write(0, 1, 0, 200);
    newer.expect(FrameType.REPLY);

    old.expectRefusal(Refusal.STALE);
    for (int i = 0; i < 20; i++) {
      RawClient tries = host.raw().ask(1);
      try {
        tries.write(0, 10 + i, 0, 100);
      } catch (IOException closed) {
        assertThat(closed).hasMessageContaining("Broken pipe");
      }
      // What it writes without waiting for ATTACHED breaks the protocol, should it be seen first.
      RawClient.Frame refused = tries.expect(FrameType.REFUSED);
      assertThat(refused.refusal()).isIn(Refusal.STALE, Refusal.PROTOCOL);
      assertThat(tries.next()).isNull();
      host.raw().ask(1).expectRefusal(Refusal.STALE);
    }
    assertThat(host.disk.numberAt(0)).isEqualTo(200);
    assertThat(host.disk.writes).doesNotContainKey(100L);
    newer.write(1, 2, 0, 201);
    newer.expect(FrameType.REPLY);
  }

  @Test
  void generationsSurviveTheServer() throws Exception {
    host.raw().attach(5);
    host.stop();
    host.start();
    assertThat(host.raw().ask(4).expectRefusal(Refusal.STALE).sequence()).isEqualTo(5);
    assertThat(host.raw().attach(5, new Unanswered(0, 7)).fates())
        .as("no memory of requests")
        .containsExactly(Fate.UNKNOWN);
    host.raw().ask(other(1)).expectRefusal(Refusal.IN_USE);
  }

  private static Attach other(long generation) {
    return Attach.session(EXPORT, "other/xvda", generation, false, ImmutableList.of());
  }

  @Test
  void oneClientAtATime() throws Exception {
    RawClient first = host.raw();
    first.attach(3);
    assertThat(host.raw().ask(other(9)).expectRefusal(Refusal.IN_USE).text())
        .contains("in use by " + CLIENT + ", generation 3, since ");
    first.control(FrameType.DETACH);
    first.expect(FrameType.DETACHED);
    RawClient second = host.raw();
    second.ask(other(9)).expect(FrameType.ATTACHED);
    assertThat(host.raw().ask(2).expectRefusal(Refusal.STALE).sequence()).isEqualTo(3);
    host.raw().ask(3).expectRefusal(Refusal.IN_USE);
    second.close();
    assertThat(host.raw().ask(3).expectRefusal(Refusal.IN_USE).text())
        .contains("in use by other/xvda");
    host.server().release(EXPORT, "other/xvda");
    host.raw().attach(3);
  }

  /** Its host was not gone after all, and has the guest that somebody runs elsewhere now. */
  @Test
  void whoWasReleasedStaysOut() throws Exception {
    RawClient lost = host.raw();
    lost.attach(5);
    host.disk.hold();
    lost.write(0, 1, 0, 100);
    Waiting.until("it is at the device", () -> host.disk.held() == 1);
    host.executor.execute(host.disk::release);
    host.server().release(EXPORT, CLIENT);
    assertThat(host.disk.writes).as("waited for").containsKey(100L);
    RawClient.Frame last = lost.next();
    if (last.type() == FrameType.REPLY) { // it was done just before
      last = lost.next();
    }
    assertThat(last.refusal()).isEqualTo(Refusal.STALE);
    host.raw().ask(other(1)).expect(FrameType.ATTACHED);
    assertThat(host.raw().ask(5).expectRefusal(Refusal.STALE).sequence()).isEqualTo(6);
    host.server().release(EXPORT, "other/xvda");
    host.raw().ask(5).expectRefusal(Refusal.STALE);
    host.raw().attach(7);
    assertThatThrownBy(() -> host.server().release(EXPORT, "othr/xvda"))
        .isInstanceOf(ExportException.class)
        .hasMessageContaining("has no client othr/xvda");
  }

  @Test
  void aProbeDisturbsNobody() throws Exception {
    RawClient user = host.raw();
    user.attach(3);
    Attached seen =
        host.raw().ask(Attach.probe(EXPORT, CLIENT, false)).expect(FrameType.ATTACHED).attached();
    assertThat(seen.generation()).isEqualTo(3);
    assertThat(seen.disk().geometry().sizeBytes()).isEqualTo(RecordingDisk.SIZE_BYTES);
    assertThat(seen.window()).isEqualTo(Attached.Window.NONE);
    user.write(0, 1, 0, 1);
    user.expect(FrameType.REPLY);
  }

  @Test
  void theDeviceIsOpenWhileSomebodyHasIt() throws Exception {
    host.raw().ask(Attach.probe(EXPORT, CLIENT, false)).expect(FrameType.ATTACHED);
    Waiting.until("closed after a look", () -> host.disk.open.get() == 0);
    RawClient user = host.raw();
    user.attach(1);
    assertThat(host.disk.open).hasValue(1);
    user.control(FrameType.DETACH);
    user.expect(FrameType.DETACHED);
    assertThat(host.disk.open).hasValue(0);
  }

  // ---- exports

  @Test
  void aReadOnlyExportHasManyReadersAndNoWriter() throws Exception {
    Attach writer = Attach.session("iso", "a/xvda", 1, false, ImmutableList.of());
    assertThat(host.raw().ask(writer).expectRefusal(Refusal.READ_ONLY).text())
        .contains("iso is read-only", "readonly=\"yes\"");
    for (String client : new String[] {"a/xvda", "b/xvda"}) {
      RawClient reader = host.raw();
      reader.ask(Attach.session("iso", client, 1, true, ImmutableList.of()));
      Attached attached = reader.expect(FrameType.ATTACHED).attached();
      assertThat(attached.disk().geometry().readOnly()).isTrue();
      assertThat(attached.disk().geometry().canDiscard()).isFalse();
      reader.request(FrameType.READ, 0, 1, 0, 512);
      assertThat(reader.expect(FrameType.REPLY).payload().readableBytes()).isEqualTo(512);
      reader.write(0, 2, 0, 5);
      assertThat(reader.expect(FrameType.REPLY).status()).as("UNSUPPORTED").isEqualTo(3);
    }
    assertThat(host.disk.writes).isEmpty();
  }

  @Test
  void saysWhyItRefuses() throws Exception {
    Attach unknown = Attach.session("nothing", CLIENT, 1, false, ImmutableList.of());
    assertThat(host.raw().ask(unknown).expectRefusal(Refusal.UNKNOWN_EXPORT).text())
        .contains("no export named nothing");
    Attach broken = Attach.session("broken", CLIENT, 1, false, ImmutableList.of());
    assertThat(host.raw().ask(broken).expectRefusal(Refusal.UNAVAILABLE).text())
        .contains("missing does not exist");
    assertThatThrownBy(() -> host.server().remove("nothing", false))
        .isInstanceOf(ExportException.class)
        .hasMessageContaining("no export named nothing");
  }

  @Test
  void anExportInUseIsRemovedByForceOnly() throws Exception {
    RawClient user = host.raw();
    user.attach(1);
    assertThatThrownBy(() -> host.server().remove(EXPORT, false))
        .isInstanceOf(ExportException.class)
        .hasMessageContaining("in use by " + CLIENT);
    ExportStatus status =
        host.exports().stream()
            .filter(each -> each.export().name().equals(EXPORT))
            .findAny()
            .orElseThrow();
    assertThat(status.clients()).hasSize(1);
    assertThat(status.clients().get(0).address()).isPresent();
    host.server().remove(EXPORT, true);
    user.expectRefusal(Refusal.UNAVAILABLE);
    host.raw().ask(1).expectRefusal(Refusal.UNKNOWN_EXPORT);
  }

  /** Its guest waits, and does not write to what has got the name meanwhile. */
  @Test
  void whoHoldsAnExportIsNotGivenAnotherDeviceByItsName() throws Exception {
    RawClient user = host.raw();
    user.attach(1);
    host.server().remove(EXPORT, true);
    user.expectRefusal(Refusal.UNAVAILABLE);
    host.server().add(new Export(EXPORT, "another", false, ImmutableSet.of("hosta")));
    for (long generation : new long[] {1, 2}) {
      assertThat(host.raw().ask(generation).expectRefusal(Refusal.UNAVAILABLE).text())
          .contains("was memory when " + CLIENT + " began to use it, and is another now")
          .contains("netchannel release-export " + EXPORT + " " + CLIENT);
    }

    host.server().remove(EXPORT, true);
    host.server().add(new Export(EXPORT, "memory", false, ImmutableSet.of("hosta")));
    host.raw().attach(1);

    host.server().remove(EXPORT, true);
    host.server().add(new Export(EXPORT, "another", false, ImmutableSet.of("hosta")));
    host.server().release(EXPORT, CLIENT);
    host.raw().attach(3);
  }

  @Test
  void oneServerPerDirectory() {
    assertThatThrownBy(host::start)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("another device server uses");
  }

  // ---- hostile clients

  private interface Mischief {
    void of(RawClient client) throws Exception;
  }

  private void isRefused(Mischief mischief, String why) throws Exception {
    RawClient client = host.raw();
    client.attach(1);
    mischief.of(client);
    RawClient.Frame frame = client.next();
    while (frame != null && frame.type() == FrameType.REPLY) {
      frame = client.next();
    }
    assertThat(frame).isNotNull();
    assertThat(frame.refusal()).isEqualTo(Refusal.PROTOCOL);
    assertThat(frame.text()).contains(why);
    assertThat(client.next()).isNull();
  }

  @Test
  void breaksOfTheProtocolEndTheConnection() throws Exception {
    isRefused(
        client -> {
          client.write(0, 5, 0, 1);
          client.write(1, 4, 512, 2);
        },
        "a sequence above 5");
    isRefused(
        client -> {
          host.disk.hold();
          client.write(0, 5, 0, 1);
          client.write(0, 6, 512, 2);
        },
        "a free slot, found sequence 5");
    host.disk.release();
    isRefused(client -> client.request(FrameType.READ, 256, 1, 0, 512), "a slot below 256");
    isRefused(client -> client.request(FrameType.READ, 0, 1, 100, 512), "blocks of 512");
    isRefused(client -> client.request(FrameType.READ, 0, 1, 0, 513), "blocks of 512");
    isRefused(
        client -> client.request(FrameType.READ, 0, 1, RecordingDisk.SIZE_BYTES, 512),
        "within " + RecordingDisk.SIZE_BYTES);
    isRefused(client -> client.ask(1), "type of frame");
    isRefused(client -> client.control(FrameType.DETACHED), "no DETACHED");
    isRefused(
        client -> {
          host.disk.hold();
          for (int i = 0; i < 17; i++) {
            client.request(FrameType.READ, i, i + 1, 0, 1 << 20);
          }
        },
        "bytes outstanding");
    host.disk.release();
    RawClient early = host.raw().preamble();
    early.request(FrameType.READ, 0, 1, 0, 512);
    early.expectRefusal(Refusal.PROTOCOL);
    RawClient stranger = host.raw();
    stranger.send(Unpooled.copiedBuffer("GET / HTTP/1.1\r\n\r\n", StandardCharsets.US_ASCII));
    assertThat(stranger.next()).as("closed without a word").isNull();
    RawClient future = host.raw();
    var out = Unpooled.buffer();
    new Preamble(3, 4, 1 << 20).encode(out);
    future.send(out);
    assertThat(future.next()).as("no common version").isNull();
    host.raw().attach(1);
  }

  /** It sends requests and reads no replies: no more are taken, and others are served. */
  @Test
  void aSlowClientHoldsBoundedMemory() throws Exception {
    int large = 16;
    RawClient slow = host.raw();
    slow.attach(1);
    // Or its first replies, which it does not read, would keep the rest from being read.
    host.disk.hold();
    for (int i = 0; i < large; i++) {
      slow.request(FrameType.READ, i, i + 1, 0, 1 << 20);
    }
    Waiting.until("the window is full", () -> host.disk.begun.get() == large);
    host.disk.release();
    Waiting.until("the replies are on their way", () -> host.allAnswered(EXPORT));
    int all = ServerLimits.DEFAULT.slots();
    for (int i = large; i < all; i++) {
      slow.request(FrameType.READ, i, i + 1, 0, 64 << 10);
    }
    RawClient other = host.raw();
    other.ask(Attach.session("iso", "b/xvda", 1, true, ImmutableList.of()));
    other.expect(FrameType.ATTACHED);
    int others = 200;
    for (int i = 1; i <= others; i++) {
      other.request(FrameType.READ, 0, i, 0, 4096);
      other.expect(FrameType.REPLY);
    }
    assertThat(host.disk.begun.get() - others)
        .as("requests taken from who does not read")
        .isEqualTo(large);
    for (int i = 0; i < all; i++) {
      slow.expect(FrameType.REPLY);
    }
  }

  /**
   * Three clients with room for one request among them: each is answered, and who waits is not
   * taken to be silent, nor refused.
   */
  @Test
  void atTheBudgetClientsWaitAndTakeTurns(@TempDir Path other) throws Exception {
    try (ServerHarness small = new ServerHarness(other, 1, ServerLimits.DEFAULT, 1 << 20)) {
      small.disk.hold();
      List<RawClient> clients = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        RawClient client = small.raw();
        client.ask(Attach.session("iso", i + "/xvda", 1, true, ImmutableList.of()));
        client.expect(FrameType.ATTACHED);
        for (int slot = 0; slot < 3; slot++) {
          client.request(FrameType.READ, slot, slot + 1, 0, 1 << 20);
        }
        clients.add(client);
      }
      Waiting.until("the first is at the device", () -> small.disk.begun.get() == 1);
      small.disk.release();
      // At the same time: who does not read its replies keeps their memory.
      CompletableFuture.allOf(
              clients.stream()
                  .map(client -> CompletableFuture.runAsync(() -> takeReplies(client, 3)))
                  .toArray(CompletableFuture[]::new))
          .join();
      assertThat(small.disk.begun.get()).isEqualTo(9);
    }
  }

  private static void takeReplies(RawClient client, int count) {
    int replies = 0;
    while (replies < count) {
      RawClient.Frame frame;
      try {
        frame = client.next();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
      if (frame.type() != FrameType.PONG) { // the server tells who waits that it is there
        assertThat(frame.type()).isEqualTo(FrameType.REPLY);
        assertThat(frame.payload().readableBytes()).isEqualTo(1 << 20);
        replies++;
      }
    }
  }
}

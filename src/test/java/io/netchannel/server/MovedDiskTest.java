package io.netchannel.server;

import static io.netchannel.server.ServerHarness.CLIENT;
import static io.netchannel.server.ServerHarness.EXPORT;
import static io.netchannel.server.ServerHarness.READ_ONLY_EXPORT;
import static io.netchannel.server.ServerHarness.as;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.legs.Authority;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.wire.Attach;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Moved;
import io.netchannel.wire.Refusal;
import io.netchannel.xen.Waiting;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An export that a guest's disk was switched away from starts no guest without a word. */
@Timeout(180)
final class MovedDiskTest {
  private static final String TO = "file:/dev/vg1/web1";
  private static final long BOUND_SECONDS = 60;

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

  private Device open(long generation) throws Exception {
    return host.open(host.source(EXPORT), as(CLIENT, generation));
  }

  private Device openAnew(long generation) throws Exception {
    return host.open(
        host.source(EXPORT), OpenOptions.anew(new OpenOptions.User(CLIENT, generation)));
  }

  private static void done(CompletableFuture<Void> noted) throws Exception {
    noted.get(BOUND_SECONDS, TimeUnit.SECONDS);
  }

  private static void fails(CompletableFuture<Void> noted, String... why) {
    assertThatThrownBy(() -> noted.orTimeout(BOUND_SECONDS, TimeUnit.SECONDS).join())
        .isInstanceOf(CompletionException.class)
        .hasCauseInstanceOf(DeviceException.class)
        .hasMessageContainingAll(why);
  }

  /** Where it went and when, and the way out. */
  private void isRefusedAsMoved(long generation) {
    assertThatThrownBy(() -> open(generation))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("refuses: the disk of %s was switched to %s on ", CLIENT, TO)
        .hasMessageContaining("export vol7 is out of date since")
        .hasMessageContaining("`netchannel release-export vol7 %s --moved`", CLIENT);
  }

  private void isRefusedAsPartial(long generation) {
    assertThatThrownBy(() -> open(generation))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("export vol7 is a part of a copy of the disk of " + CLIENT)
        .hasMessageContaining("not completed")
        .hasMessageContaining("--moved`");
  }

  private void restart() throws Exception {
    host.stop();
    host.start();
  }

  private ImmutableList<ExportStatus.Elsewhere> moved() {
    return host.exports().stream()
        .filter(each -> each.export().name().equals(EXPORT))
        .findAny()
        .orElseThrow()
        .moved();
  }

  // ---- a leg

  private static final MirrorRecord OF_TWO =
      new MirrorRecord(
          new UUID(7, 7),
          5L << 20,
          false,
          8L << 20,
          ImmutableList.of("A", "B"),
          ImmutableList.of("A", "B"));

  private Authority authority() throws Exception {
    return host.records(EXPORT);
  }

  /** It was one of two legs, the disk went elsewhere, and came back to this one alone. */
  @Test
  void aCopyOverALegIsTheDiskByItself() throws Exception {
    open(1).close();
    authority().tell(CLIENT, 1, Optional.of(OF_TWO));
    Device anew = openAnew(2);
    assertThat(authority().ask(CLIENT).record()).as("a part of a copy is no disk").contains(OF_TWO);
    done(anew.arrived());
    assertThat(authority().ask(CLIENT).record()).isEmpty();
    anew.close();
    open(3).close();
  }

  /** Both legs say that the disk is there: they are legs as before. */
  @Test
  void aLegThatWasLeftAndIsTheDiskAgainStaysALeg() throws Exception {
    Device leg =
        host.open(
            host.source(EXPORT), OpenOptions.of(false, new OpenOptions.User(CLIENT, 1)).asLeg());
    authority().tell(CLIENT, 1, Optional.of(OF_TWO));
    done(leg.moved(TO));
    done(leg.arrived());
    leg.close();
    assertThat(authority().ask(CLIENT).record()).contains(OF_TWO);
    assertThatThrownBy(() -> open(2)).hasMessageContaining("is one of two legs");
  }

  // ---- the way there

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whoStartsFromThereAgainIsToldWhereTheDiskIs(boolean restarted) throws Exception {
    Instant before = Instant.now();
    Device old = open(1);
    done(old.moved(TO));
    assertThat(Requests.write(old, 0, new byte[512])).as("it goes on").isEqualTo(Outcome.OK);
    old.close();
    assertThat(host.from(EXPORT)).as("given free").isEmpty();
    if (restarted) {
      restart();
    }
    isRefusedAsMoved(2);
    isRefusedAsMoved(9);
    assertThat(moved()).hasSize(1);
    ExportStatus.Elsewhere told = moved().get(0);
    assertThat(told.client()).isEqualTo(CLIENT);
    assertThat(told.to()).contains(TO);
    assertThat(told.partial()).isFalse();
    assertThat(told.since()).isBetween(before.minusMillis(1), Instant.now());
    // Its disk it is not, and anybody else's it may be.
    host.open(host.source(EXPORT), as("other/xvda", 1)).close();
    isRefusedAsMoved(3);
  }

  /** As a daemon that is restarted in between has to, before it can give the export free. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theGenerationThatHasLeftMayEndWhatItHas(boolean serverToo) throws Exception {
    Device killed = open(1);
    done(killed.moved(TO));
    killed.keepPlace();
    killed.close();
    isRefusedAsMoved(2);
    if (serverToo) {
      restart();
    }
    Device again = open(1);
    done(again.moved(TO));
    again.close();
    host.open(host.source(EXPORT), as("other/xvda", 1)).close();
    open(1).close(); // killed after it had given it free, and before it knew
    isRefusedAsMoved(2);
  }

  @Test
  void toldTwiceIsTheSameAsOnce() throws Exception {
    try (Device old = open(1)) {
      done(old.moved(TO));
      Instant first = moved().get(0).since();
      CompletableFuture<Void> one = old.moved(TO);
      done(old.moved(TO));
      assertThat(one).isCompleted();
      assertThat(moved().get(0).since()).isEqualTo(first);
      done(old.moved("nbd://hostc/web1"));
      assertThat(moved().get(0).to()).contains("nbd://hostc/web1");
    }
  }

  /** The server lets no newer generation in, and so nobody could give the export free. */
  @Test
  void whoHasLeftStaysWithItsGeneration() throws Exception {
    Device old = open(1);
    done(old.moved(TO));
    old.useGeneration(5);
    assertThat(Requests.write(old, 0, new byte[512])).isEqualTo(Outcome.OK);
    assertThat(old.problem()).isEmpty();
    old.close();
    host.open(host.source(EXPORT), as("other/xvda", 1)).close();
  }

  @Test
  void waitsForAServerThatIsAway() throws Exception {
    Device old = open(1);
    host.stop();
    CompletableFuture<Void> noted = old.moved(TO);
    Waiting.until("it is away", () -> old.problem().isPresent());
    assertThat(noted).isNotDone();
    host.start();
    done(noted);
    old.close();
    isRefusedAsMoved(2);
  }

  @Test
  void isToldAgainOverAConnectionThatIsCut() throws Exception {
    int rounds = 200;
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, seed)) {
      proxy.heal();
      Device old = host.open(ServerHarness.source(EXPORT, proxy.port()), as(CLIENT, 1));
      List<CompletableFuture<Void>> told = new ArrayList<>();
      for (int i = 0; i < rounds; i++) {
        told.add(old.moved(TO + i));
        if (i % 20 == 0) {
          proxy.cutNow();
        }
      }
      for (CompletableFuture<Void> each : told) {
        done(each);
      }
      assertThat(moved().get(0).to()).as("the last").contains(TO + (rounds - 1));
      old.close();
    }
  }

  @Test
  void failsWhenItIsClosedBeforeItIsNoted() throws Exception {
    Device old = open(1);
    host.stop();
    CompletableFuture<Void> noted = old.moved(TO);
    Waiting.until("it is away", () -> old.problem().isPresent());
    old.close();
    fails(noted, "it may not have noted where the disk is");
    fails(old.moved(TO), "it may not have noted");
    host.start();
  }

  @Test
  void whoIsFencedCannotSayWhereTheDiskIs() throws Exception {
    Device old = open(1);
    Device newer = host.open("hostb", host.source(EXPORT), as(CLIENT, 2));
    Waiting.until("it is fenced", () -> old.problem().isPresent());
    fails(old.moved(TO), "generation 2");
    assertThat(moved()).isEmpty();
    newer.close();
    old.close();
    open(3).close();
  }

  /** It goes on as it is, and can be told again. */
  @Test
  void aStateDirectoryThatIsFullIsToldAndChangesNothing() throws Exception {
    Device old = open(1);
    Path inTheWay = directory.resolve("exports").resolve(EXPORT + ".generations.new");
    Path kept = Files.createDirectories(inTheWay.resolve("kept"));
    fails(
        old.moved(TO),
        "it has not noted where the disk is: ",
        "vol7.generations cannot be written and is as it was");
    assertThat(moved()).isEmpty();
    assertThat(Requests.write(old, 0, new byte[512])).isEqualTo(Outcome.OK);
    assertThat(old.problem()).isEmpty();
    Files.delete(kept);
    restartKeeping(old);
    open(2).close();
    old.close();

    Device again = open(3);
    done(again.moved(TO));
    again.close();
    isRefusedAsMoved(4);
  }

  /** What another start of the server finds is what it has said. */
  private void restartKeeping(Device old) throws Exception {
    restart();
    assertThat(Requests.write(old, 0, new byte[512])).isEqualTo(Outcome.OK);
  }

  @Test
  void aReadOnlyDiskMayHaveMovedToo() throws Exception {
    OpenOptions reader = OpenOptions.of(true, new OpenOptions.User(CLIENT, 1));
    Device old = host.open(host.source(READ_ONLY_EXPORT), reader);
    done(old.moved(TO));
    old.close();
    OpenOptions next = OpenOptions.of(true, new OpenOptions.User(CLIENT, 2));
    assertThatThrownBy(() -> host.open(host.source(READ_ONLY_EXPORT), next))
        .hasMessageContaining("was switched to " + TO);
    OpenOptions other = OpenOptions.of(true, new OpenOptions.User("other/xvda", 1));
    host.open(host.source(READ_ONLY_EXPORT), other).close();
  }

  /** Or a terminal would show what a source does, and a refusal would be cut before its end. */
  @Test
  void anyPlaceCanBeTold() throws Exception {
    Device old = open(1);
    done(old.moved("file:/" + "\u00e4\u001b[2J".repeat(2000)));
    old.close();
    assertThatThrownBy(() -> open(2))
        .hasMessageContaining("file:/\u00e4?[2J")
        .hasMessageEndingWith("--moved` at its server");
  }

  // ---- the way back

  /** The copy takes the old content away, so it must not take the refusal away. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aCopyOverItIsNotTheDiskBeforeItIsComplete(boolean restarted) throws Exception {
    Device left = open(1);
    done(left.moved(TO));
    left.close();
    Device follower = openAnew(2);
    assertThat(Requests.write(follower, 0, new byte[512])).isEqualTo(Outcome.OK);
    assertThat(moved()).extracting(ExportStatus.Elsewhere::partial).containsExactly(true);
    follower.keepPlace();
    follower.close(); // its daemon is killed, or its host
    if (restarted) {
      restart();
    }
    isRefusedAsPartial(3);
    assertThatThrownBy(() -> open(3)).hasMessageContaining("the disk is " + TO);
    Device again = openAnew(2);
    again.useGeneration(4);
    assertThat(Requests.write(again, 0, new byte[512])).isEqualTo(Outcome.OK);
    isRefusedAsPartial(5);
    done(again.arrived());
    assertThat(moved()).isEmpty();
    done(again.arrived());
    again.close();
    if (restarted) {
      restart();
    }
    open(5).close();
  }

  /** A definition may name the target of a copy that failed. */
  @Test
  void aCopyThatWasGivenUpIsNoDiskEither() throws Exception {
    Device follower = openAnew(1);
    follower.close();
    isRefusedAsPartial(2);
    assertThatThrownBy(() -> open(2)).hasMessageNotContaining("the disk is ");
    assertThat(moved()).extracting(ExportStatus.Elsewhere::to).containsExactly(Optional.empty());
    Device again = openAnew(2);
    Instant begun = moved().get(0).since();
    host.stop();
    host.start();
    assertThat(Requests.write(again, 0, new byte[512])).isEqualTo(Outcome.OK);
    assertThat(moved().get(0).since()).isEqualTo(begun);
    done(again.arrived());
    again.useGeneration(3);
    assertThat(Requests.write(again, 0, new byte[512])).isEqualTo(Outcome.OK);
    assertThat(moved()).as("a disk now, whatever its generation").isEmpty();
    done(again.moved(TO));
    again.close();
    isRefusedAsMoved(4);
  }

  /** Its place was kept, as its daemon was killed before it could say that the disk has left. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aCopyOverItByTheGenerationThatHoldsItIsNotTheDiskEither(boolean restarted) throws Exception {
    Device killed = open(1);
    killed.keepPlace();
    killed.close();
    Device follower = openAnew(1);
    assertThat(moved()).extracting(ExportStatus.Elsewhere::partial).containsExactly(true);
    follower.keepPlace();
    follower.close();
    if (restarted) {
      restart();
    }
    isRefusedAsPartial(2);
    Device again = openAnew(1);
    done(again.arrived());
    again.close();
    open(2).close();
  }

  /** The answer may be lost, and who comes again has not heard that its disk is here. */
  @Test
  void whoComesAgainAfterItHasArrivedHasArrived() throws Exception {
    RawClient follower = host.raw();
    follower.ask(anew(1)).expect(FrameType.ATTACHED);
    host.raw().ask(1).expect(FrameType.ATTACHED);
    assertThat(moved()).as("before the server has heard of it").hasSize(1);
    RawClient told = host.raw();
    told.ask(1).expect(FrameType.ATTACHED);
    note(told, FrameType.ARRIVED, 1, "");
    told.expect(FrameType.NOTED);
    host.raw().ask(1).expect(FrameType.ATTACHED);
    assertThat(moved()).isEmpty();
  }

  /** Or the server would take the disk for a part of a copy from then on. */
  @Test
  void whoHasSaidThatItHasArrivedDoesNotComeAnew() throws Exception {
    try (VersionedServer server = new VersionedServer(directory.resolve("deaf.sock"), 2);
        Device device =
            host.open(server.source(), OpenOptions.anew(new OpenOptions.User(CLIENT, 1)))) {
      server.swallowsNotes = true;
      CompletableFuture<Void> noted = device.arrived();
      Waiting.until("it has said so", () -> server.arrived.contains("ARRIVED"));
      server.becomes(2);
      Waiting.until("it says so again", () -> server.arrived.size() == 3);
      assertThat(server.arrived).containsExactly("ANEW", "ARRIVED", "ARRIVED");
      device.useGeneration(2); // which is let in as a copy only, should nothing be noted
      Waiting.until("and again", () -> server.arrived.size() == 5);
      assertThat(server.arrived.subList(3, 5)).containsExactly("ANEW", "ARRIVED");
      server.swallowsNotes = false;
      server.becomes(2);
      done(noted);
      assertThat(server.arrived.subList(5, 6)).containsExactly("ARRIVED");
    }
  }

  private static Attach anew(long generation) {
    return Attach.session(EXPORT, CLIENT, generation, false, ImmutableList.of()).asAnew();
  }

  // ---- by a person

  @Test
  void aPersonMayUseItAsItIs() throws Exception {
    assertThatThrownBy(() -> host.server().forgetMoved(EXPORT, CLIENT))
        .isInstanceOf(ExportException.class)
        .hasMessageContaining("was not switched away from export vol7");
    Device old = open(1);
    assertThatThrownBy(() -> host.server().forgetMoved(EXPORT, CLIENT))
        .hasMessageContaining("was not switched away");
    done(old.moved(TO));
    assertThatThrownBy(() -> host.server().forgetMoved(EXPORT, CLIENT))
        .isInstanceOf(ExportException.class)
        .hasMessageContaining("in use by " + CLIENT)
        .hasMessageEndingWith("`netchannel release-export vol7 " + CLIENT + "`");
    host.server().release(EXPORT, CLIENT);
    old.close();
    isRefusedAsMoved(3); // taken from its holder, which says nothing of what is on it
    host.server().forgetMoved(EXPORT, CLIENT);
    assertThat(moved()).isEmpty();
    restart();
    open(3).close();
  }

  /** A release is no word of where the disk is; its generation is nobody's, so it tells that. */
  @Test
  void whoWasReleasedSaysWhereTheDiskIsWithTheGenerationThatNobodyHad() throws Exception {
    Device left = open(1);
    left.keepPlace();
    left.close();
    host.server().release(EXPORT, CLIENT);
    assertThatThrownBy(() -> open(1)).hasMessageContaining("generation 1 of " + CLIENT);
    try (DeviceOpener opener = host.opener("hosta", RemoteOptions.DEFAULT)) {
      long known = opener.newestGeneration(host.source(EXPORT), CLIENT, true);
      opener.open(host.source(EXPORT), false).close(); // nobody has it
      Device again = open(known);
      done(again.moved(TO));
      again.close();
      isRefusedAsMoved(known + 1);
    }
  }

  // ---- frame by frame

  private static void note(RawClient client, FrameType type, long number, String words)
      throws Exception {
    client.send(note(Unpooled.buffer(), type, number, words));
  }

  private static ByteBuf note(ByteBuf out, FrameType type, long number, String words) {
    byte[] payload = words.isEmpty() ? new byte[0] : new Moved(words).encoded();
    new FrameHeader().note(type, number, payload.length).encode(out);
    return out.writeBytes(payload);
  }

  @Test
  void isAnsweredByItsNumber() throws Exception {
    RawClient client = host.raw();
    client.attach(1);
    note(client, FrameType.MOVED, 77, TO);
    RawClient.Frame noted = client.expect(FrameType.NOTED);
    assertThat(noted.sequence()).isEqualTo(77);
    assertThat(noted.status()).isZero();
    note(client, FrameType.ARRIVED, 78, "");
    assertThat(client.expect(FrameType.NOTED).sequence()).isEqualTo(78);
    assertThat(moved()).isEmpty();
  }

  /** What is kept for a client has a bound. */
  @Test
  void oneAtATime() throws Exception {
    RawClient client = host.raw();
    client.attach(1);
    ByteBuf both = Unpooled.buffer();
    note(both, FrameType.MOVED, 1, TO);
    client.send(note(both, FrameType.MOVED, 2, TO));
    RawClient.Frame refused = client.next();
    if (refused.type() == FrameType.NOTED) { // on its way when the second one came
      refused = client.next();
    }
    assertThat(refused.type()).isEqualTo(FrameType.REFUSED);
    assertThat(refused.refusal()).isEqualTo(Refusal.PROTOCOL);
    assertThat(refused.text()).contains("expected no MOVED in state ATTACHED before NOTED");
  }

  @Test
  void notBeforeItIsAttached() throws Exception {
    RawClient early = host.raw().preamble();
    note(early, FrameType.MOVED, 1, TO);
    assertThat(early.expectRefusal(Refusal.PROTOCOL).text()).contains("expected no MOVED");
    RawClient probe = host.raw().ask(Attach.probe(EXPORT, CLIENT, false));
    probe.expect(FrameType.ATTACHED);
    note(probe, FrameType.ARRIVED, 1, "");
    assertThat(probe.expectRefusal(Refusal.PROTOCOL).text()).contains("expected no ARRIVED");
  }

  /** Or whoever asks for its newest generation could not come back. */
  @Test
  void aLookIsLetIn() throws Exception {
    Device left = open(4);
    done(left.moved(TO));
    left.close();
    assertThat(
            host.raw()
                .ask(Attach.probe(EXPORT, CLIENT, false))
                .expect(FrameType.ATTACHED)
                .attached()
                .generation())
        .isEqualTo(4);
  }

  // ---- peers of version 1

  @Test
  void anOlderServerCannotBeTold() throws Exception {
    try (VersionedServer server = new VersionedServer(directory.resolve("old.sock"), 1);
        Device device =
            host.open(server.source(), OpenOptions.anew(new OpenOptions.User(CLIENT, 1)))) {
      fails(device.moved(TO), server.source(), "its server is older than this one");
      assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
      assertThat(server.arrived).containsExactly("WRITE");
      // Updated while it is used.
      server.becomes(2);
      Waiting.until("it is attached again", () -> server.arrived.contains("ANEW"));
      done(device.moved(TO));
      done(device.arrived());
      assertThat(server.arrived).containsExactly("WRITE", "ANEW", "MOVED", "ARRIVED");
      server.becomes(2);
      assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
      assertThat(server.arrived)
          .as("it is the disk now")
          .containsExactly("WRITE", "ANEW", "MOVED", "ARRIVED", "WRITE");
    }
  }

  /** It refuses nobody, and the one in its place would. */
  @Test
  void whatHasArrivedAtAnOlderServerIsTheDiskForANewerOneToo() throws Exception {
    try (VersionedServer server = new VersionedServer(directory.resolve("old.sock"), 1);
        Device device =
            host.open(server.source(), OpenOptions.anew(new OpenOptions.User(CLIENT, 1)))) {
      done(device.arrived());
      server.becomes(2);
      assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
      assertThat(server.arrived).containsExactly("WRITE");
    }
  }

  @Test
  void anOlderClientIsToldInWordsThatItKnows() throws Exception {
    RawClient old = host.raw().ofVersionOne();
    old.attach(1);
    note(old, FrameType.MOVED, 1, TO);
    assertThat(old.expectRefusal(Refusal.PROTOCOL).text())
        .contains("expected a type of frame from 1 to 12");
    assertThat(host.raw().ofVersionOne().ask(anew(1)).expectRefusal(Refusal.PROTOCOL).text())
        .contains("expected no ANEW in version 1");
    Device left = open(1);
    done(left.moved(TO));
    left.close();
    assertThat(host.raw().ofVersionOne().ask(2).expectRefusal(Refusal.UNAVAILABLE).text())
        .contains("was switched to " + TO);
  }
}

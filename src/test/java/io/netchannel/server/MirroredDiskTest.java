package io.netchannel.server;

import static io.netchannel.server.TwoLegs.answer;
import static io.netchannel.server.TwoLegs.leg;
import static io.netchannel.server.TwoLegs.numberAt;
import static io.netchannel.server.TwoLegs.read;
import static io.netchannel.server.TwoLegs.write;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.legs.Authority;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.device.legs.Mirrors;
import io.netchannel.device.mirror.MirrorState;
import io.netchannel.server.TwoLegs.Daemon;
import io.netchannel.xen.Waiting;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A disk with two legs over real exports: what was answered is on the legs that count. */
@Timeout(180)
final class MirroredDiskTest {
  private static final int REGION_BLOCKS = 16;
  private static final long REGION_BYTES = 64 << 10;

  @TempDir private Path directory;
  private final long seed = ThreadLocalRandom.current().nextLong();
  private TwoLegs legs;
  private Daemon daemon;

  @BeforeEach
  void start() throws Exception {
    System.out.println("seed " + seed);
    legs = new TwoLegs(directory, seed);
    daemon = legs.new Daemon("hosta");
  }

  @AfterEach
  void stop() {
    daemon.close();
    legs.close();
  }

  /** With a mark in every region, in sync. */
  private Device inSync() throws Exception {
    Device disk = daemon.open(1);
    daemon.awaits(MirrorState.SYNC);
    for (int region = 0; region < 8; region++) {
      assertThat(answer(write(disk, region * REGION_BLOCKS, 100 + region))).isEqualTo(Outcome.OK);
    }
    assertThat(Requests.flush(disk)).isEqualTo(Outcome.OK);
    return disk;
  }

  private void haveSameMarks() {
    for (int block = 0; block < 8 * REGION_BLOCKS; block++) {
      assertThat(numberAt(legs.b, block)).as("block %d", block).isEqualTo(numberAt(legs.a, block));
    }
  }

  private ServerHarness other(ServerHarness host) {
    return host == legs.a ? legs.b : legs.a;
  }

  private ServerHarness host(String name) {
    return name.equals("a") ? legs.a : legs.b;
  }

  // ---- The begin

  @Test
  void aNewMirrorCopiesItsFirstLegToTheSecond() throws Exception {
    try (Device plain = legs.a.open(leg(legs.a), ServerHarness.as(TwoLegs.USER, 1))) {
      assertThat(answer(write(plain, 3, 33))).isEqualTo(Outcome.OK);
    }
    Device disk = daemon.open(2);
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(legs.b, 3)).isEqualTo(33);
    assertThat(answer(write(disk, 5, 55))).isEqualTo(Outcome.OK);
    assertThat(numberAt(legs.a, 5)).isEqualTo(55);
    assertThat(numberAt(legs.b, 5)).isEqualTo(55);
    MirrorRecord record = legs.recordAt(legs.a).orElseThrow();
    assertThat(record.members()).containsExactly(leg(legs.a), leg(legs.b));
    assertThat(legs.recordAt(legs.b)).contains(record);
    assertThat(daemon.ledger.get(TwoLegs.USER).orElseThrow().record()).isEqualTo(record);
    disk.close();
  }

  @Test
  void whatWasTheDiskIsNotOverwrittenByALegThatWasNot() throws Exception {
    legs.b.open(leg(legs.b), ServerHarness.as(TwoLegs.USER, 1)).close();
    assertThatThrownBy(() -> daemon.open(2))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("put that one first");
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void oneExportUnderTwoNamesIsNoMirror(boolean isUsed) throws Exception {
    String name = leg(legs.a);
    Path socket = Path.of(name.substring(name.indexOf('=') + 1));
    Path link = Files.createSymbolicLink(directory.resolve("link"), socket);
    List<String> names = List.of(name, name.replace(socket.toString(), link.toString()));
    String source = Mirrors.source(names).substring(Mirrors.SCHEME.length() + 1);
    OpenOptions options = ServerHarness.as(TwoLegs.USER, 1);
    if (!isUsed) {
      assertThatThrownBy(() -> daemon.mirrors.open(source, options))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("one export under two names");
      return;
    }
    try (Device plain = legs.a.open(name, options)) {
      assertThatThrownBy(() -> daemon.mirrors.openAround(source, plain, options))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("one export under two names");
      assertThat(answer(write(plain, 3, 33))).isEqualTo(Outcome.OK);
    }
  }

  @Test
  void legsMayHaveOtherPhysicalBlocks() throws Exception {
    legs.b.disk.physicalBlockBytes = 512;
    Device disk = inSync();
    haveSameMarks();
    disk.close();
  }

  /** Whichever leg is the disk: also where only the larger one is there when it starts. */
  @Test
  void aDiskWithALargerSecondLegStaysAsLargeAsTheFirst() throws Exception {
    int size = RecordingDisk.SIZE_BYTES / 2;
    legs.a.disk.sizeBytes = size;
    Device disk = inSync();
    assertThat(disk.geometry().sizeBytes()).isEqualTo(size);
    legs.a.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at b", () -> numberAt(legs.b, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    disk.rest();
    try (Daemon destination = legs.new Daemon("hostb")) {
      Device moved = destination.open(2, Optional.of(Inheritance.ENDED));
      assertThat(moved.geometry().sizeBytes()).as("after a migration").isEqualTo(size);
      legs.a.start();
      destination.awaits(MirrorState.SYNC);
      destination.awaitsMembers(legs.b, legs.a);
      moved.close();
      Device again = destination.open(3);
      assertThat(again.geometry().sizeBytes()).as("from the larger leg").isEqualTo(size);
      destination.awaits(MirrorState.SYNC);
      again.close();
    }
    haveSameMarks();
  }

  @Test
  void aDiskGrowsWhenBothLegsHaveGrown() throws Exception {
    legs.a.disk.sizeBytes = RecordingDisk.SIZE_BYTES / 2;
    legs.b.disk.sizeBytes = RecordingDisk.SIZE_BYTES / 2;
    inSync().close();
    legs.a.disk.sizeBytes = RecordingDisk.SIZE_BYTES;
    Device disk = daemon.open(2);
    assertThat(disk.geometry().sizeBytes()).isEqualTo(RecordingDisk.SIZE_BYTES / 2);
    assertThat(daemon.status().mirror().state()).isEqualTo(MirrorState.SYNC);
    disk.close();
    legs.b.disk.sizeBytes = RecordingDisk.SIZE_BYTES;
    int tail = RecordingDisk.SIZE_BYTES / 4096 - 1;
    try (Device other = legs.b.disk.open("memory", OpenOptions.plain(false))) {
      assertThat(answer(write(other, tail, 9))).isEqualTo(Outcome.OK);
    }
    disk = daemon.open(3);
    assertThat(disk.geometry().sizeBytes()).isEqualTo(RecordingDisk.SIZE_BYTES);
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    assertThat(numberAt(legs.b, tail))
        .as("what was behind the end")
        .isEqualTo(numberAt(legs.a, tail));
    disk.close();
  }

  /** Nothing is told or recorded then. */
  @Test
  void aDiskDoesNotStartFromALegThatIsTooSmall() throws Exception {
    inSync().close();
    MirrorRecord before = legs.recordAt(legs.a).orElseThrow();
    legs.a.disk.sizeBytes = RecordingDisk.SIZE_BYTES / 2;
    assertThatThrownBy(() -> daemon.open(2))
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll(leg(legs.a), "at least " + RecordingDisk.SIZE_BYTES);
    assertThat(legs.recordAt(legs.a)).contains(before);
    legs.a.disk.sizeBytes = RecordingDisk.SIZE_BYTES;
    daemon.open(3).close();
  }

  @Test
  void aDamagedLedgerStartsNothing() throws Exception {
    inSync().close();
    daemon.close();
    Files.writeString(directory.resolve("hosta.mirrors"), "nothing");
    daemon = legs.new Daemon("hosta");
    assertThatThrownBy(() -> daemon.open(2))
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll("this host:", "is damaged", "remove it");
  }

  @Test
  void aLegStartsNothingByItself() throws Exception {
    inSync().close();
    assertThatThrownBy(() -> legs.a.open(leg(legs.a), ServerHarness.as(TwoLegs.USER, 2)).close())
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll("one of two legs", "release-export vol7");
    legs.a.server().forgetMoved(ServerHarness.EXPORT, TwoLegs.USER);
    legs.a.open(leg(legs.a), ServerHarness.as(TwoLegs.USER, 2)).close();
  }

  /** It was a disk by itself meanwhile, and the other one has the record of both. */
  @Test
  void whatWasUsedAloneIsNotOverwrittenByTheOtherLeg() throws Exception {
    inSync().close();
    legs.b.server().forgetMoved(ServerHarness.EXPORT, TwoLegs.USER);
    try (Device plain = legs.b.open(leg(legs.b), ServerHarness.as(TwoLegs.USER, 2))) {
      assertThat(answer(write(plain, 3, 33))).isEqualTo(Outcome.OK);
    }
    assertThatThrownBy(() -> daemon.open(3))
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll("has been used without", "force-leg");
    legs.a.server().forgetMoved(ServerHarness.EXPORT, TwoLegs.USER);
    assertThatThrownBy(() -> daemon.open(3)).hasMessageContaining("put that one first");
    assertThat(numberAt(legs.b, 3)).isEqualTo(33);
  }

  /** It is a copy of a disk that is elsewhere: both servers know it, and no record is enough. */
  @Test
  void aCopyThatIsNotTheDiskStartsNothing() throws Exception {
    Device copy = daemon.openAnew(1);
    daemon.awaits(MirrorState.SYNC);
    copy.close();
    assertThatThrownBy(() -> daemon.open(2))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("a part of a copy");
    legs.b.stop();
    copy = daemon.openAnew(2);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(isCopy(legs.b)).as("it was opened later").isTrue();
    legs.b.stop();
    legs.legTimeoutPasses();
    daemon.awaitsMembers(legs.a);
    copy.arrived().get(60, TimeUnit.SECONDS);
    assertThat(isCopy(legs.a)).isFalse();
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(isCopy(legs.b)).as("told when it is back").isFalse();
    copy.close();
    Device disk = daemon.open(3);
    assertThat(daemon.status().mirror().state()).isEqualTo(MirrorState.SYNC);
    disk.moved("file:/srv/a.raw").get(60, TimeUnit.SECONDS);
    disk.close();
    assertThatThrownBy(() -> daemon.open(4))
        .hasMessageContaining("was switched to file:/srv/a.raw");
  }

  /** One that has left and does not answer is given up, and its place kept to be told. */
  @Test
  void aDiskThatHasLeftLeavesNoMap() throws Exception {
    Device disk = inSync();
    Path map = directory.resolve("hosta").resolve(TwoLegs.USER.replace('/', '-'));
    assertThat(map).exists();
    legs.b.stop();
    var unused = disk.moved("file:/srv/a.raw");
    disk.keepPlace();
    disk.close();
    assertThat(map).doesNotExist();
  }

  private boolean isCopy(ServerHarness host) {
    return host.exports().stream()
        .flatMap(each -> each.moved().stream())
        .anyMatch(ExportStatus.Elsewhere::partial);
  }

  /** Closed with both legs alike, they are not compared. */
  @Test
  void whatWasClosedInSyncBeginsInSync() throws Exception {
    inSync().close();
    assertThat(legs.recordAt(legs.b).orElseThrow().closed()).isTrue();
    Device disk = daemon.open(2);
    assertThat(daemon.status().mirror().state()).isEqualTo(MirrorState.SYNC);
    assertThat(daemon.status().mirror().passes()).isZero();
    assertThat(legs.recordAt(legs.b).orElseThrow().closed()).isFalse();
    disk.close();
  }

  /** The guest is destroyed under load, and one leg has a write that the other one never gets. */
  @Test
  void whatIsUnderWayAtTheEndIsCompared() throws Exception {
    Device disk = inSync();
    legs.b.disk.holdsWrites = true;
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    CompletableFuture<Void> closing = CompletableFuture.runAsync(disk::close);
    Waiting.until("the disk is closed", () -> isHeld(legs.a).equals(Optional.of(false)));
    legs.b.disk.failWrites();
    closing.get(60, TimeUnit.SECONDS);
    assertThat(written.isDone()).as("answered").isFalse();
    assertThat(legs.recordAt(legs.a).orElseThrow().closed()).isFalse();
    Device again = daemon.open(2);
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    again.close();
  }

  @Test
  void anOlderServerHasNoLegs() throws Exception {
    try (VersionedServer old = new VersionedServer(directory.resolve("old.sock"), 3)) {
      assertThatThrownBy(() -> daemon.remote.records(old.source()).ask(TwoLegs.USER))
          .isInstanceOf(DeviceException.class)
          .hasMessageContainingAll("older than this one", "install the same netchannel on both");
    }
  }

  // ---- A leg fails

  @ParameterizedTest
  @ValueSource(strings = {"a", "b"})
  void aLegGoesAndComesBack(String which) throws Exception {
    Device disk = inSync();
    ServerHarness gone = host(which);
    ServerHarness stays = other(gone);
    gone.stop();
    CompletableFuture<Outcome> written = write(disk, 2 * REGION_BLOCKS, 2222);
    Waiting.until("at the other leg", () -> numberAt(stays, 2 * REGION_BLOCKS) == 2222);
    assertThat(written.isDone()).as("answered with one leg, before that is recorded").isFalse();
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    MirrorRecord alone = legs.recordAt(stays).orElseThrow();
    assertThat(alone.members()).containsExactly(leg(stays));
    assertThat(daemon.ledger.get(TwoLegs.USER).orElseThrow().record()).isEqualTo(alone);
    assertThat(read(disk, 2 * REGION_BLOCKS)).isEqualTo(2222);
    assertThat(answer(write(disk, 5 * REGION_BLOCKS + 1, 5555))).isEqualTo(Outcome.OK);
    assertThat(Requests.flush(disk)).isEqualTo(Outcome.OK);
    long copiedBefore = daemon.status().mirror().copiedBytes();
    gone.start();
    daemon.awaits(MirrorState.SYNC);
    daemon.awaitsMembers(stays, gone);
    assertThat(daemon.status().mirror().copiedBytes() - copiedBefore)
        .as("only what has changed")
        .isLessThanOrEqualTo(2 * REGION_BYTES);
    assertThat(numberAt(gone, 2 * REGION_BLOCKS)).isEqualTo(2222);
    haveSameMarks();
    assertThat(legs.recordAt(gone)).isEqualTo(legs.recordAt(stays));
    disk.close();
  }

  /** Its server answers pings, its storage does not answer requests. */
  @ParameterizedTest
  @ValueSource(strings = {"a", "b"})
  void aLegIsSilentAndNotDead(String which) throws Exception {
    Device disk = inSync();
    ServerHarness silent = host(which);
    silent.disk.hold();
    CompletableFuture<Outcome> written = write(disk, REGION_BLOCKS, 1111);
    Waiting.until("at the other leg", () -> numberAt(other(silent), REGION_BLOCKS) == 1111);
    Waiting.until("at this one", () -> silent.disk.held() > 0);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    assertThat(answer(write(disk, REGION_BLOCKS, 1112))).isEqualTo(Outcome.OK);
    assertThat(read(disk, REGION_BLOCKS)).isEqualTo(1112);
    silent.disk.release();
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(silent, REGION_BLOCKS))
        .as("the late write is not the last")
        .isEqualTo(1112);
    haveSameMarks();
    disk.close();
  }

  /** Its server is away, and the guest asks for nothing just then. */
  @ParameterizedTest
  @ValueSource(strings = {"a", "b"})
  void aLegIsMissedWithoutARequest(String which) throws Exception {
    Device disk = inSync();
    ServerHarness gone = host(which);
    gone.stop();
    Waiting.until("it is missed", () -> problems() > 0);
    legs.legTimeoutPasses();
    daemon.awaitsMembers(other(gone));
    gone.start();
    daemon.awaits(MirrorState.SYNC);
    disk.close();
  }

  private long problems() {
    return daemon.status().legs().stream().filter(leg -> leg.problem().isPresent()).count();
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "b"})
  void aFlushThatFailsAtALegSucceedsOnlyWithoutIt(String which) throws Exception {
    Device disk = inSync();
    ServerHarness bad = host(which);
    assertThat(answer(write(disk, 0, 4))).isEqualTo(Outcome.OK);
    int flushes = other(bad).disk.flushes.get();
    bad.disk.flushOutcome = Outcome.IO_ERROR;
    assertThat(Requests.flush(disk)).isEqualTo(Outcome.OK);
    assertThat(other(bad).disk.flushes.get()).isGreaterThan(flushes);
    assertThat(legs.recordAt(other(bad)).orElseThrow().members()).containsExactly(leg(other(bad)));
    assertThat(Requests.flush(disk)).isEqualTo(Outcome.OK);
    bad.disk.flushOutcome = Outcome.OK;
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    disk.close();
  }

  /** Some storage can tell that only when it has tried: it is no worse a leg. */
  @ParameterizedTest
  @ValueSource(strings = {"a", "b", "both"})
  void aLegThatCannotMakeZerosGetsThemAsData(String which) throws Exception {
    Device disk = inSync();
    MirrorRecord before = daemon.status().record();
    if (!which.equals("both")) {
      host(which).disk.zeroOutcome = Outcome.UNSUPPORTED;
    } else {
      legs.a.disk.zeroOutcome = Outcome.UNSUPPORTED;
      legs.b.disk.zeroOutcome = Outcome.UNSUPPORTED;
    }
    long length = 3 << 20; // of which not all is written at once
    assertThat(answer(Requests.submit(done -> disk.discard(REGION_BYTES, length, done))))
        .isEqualTo(Outcome.OK);
    assertThat(numberAt(legs.a, 0)).isEqualTo(100);
    assertThat(numberAt(legs.a, REGION_BLOCKS)).isZero();
    haveSameMarks();
    assertThat(answer(Requests.submit(done -> disk.discard(0, length, done))))
        .as("zeros are not written again and again")
        .isEqualTo(Outcome.UNSUPPORTED);
    assertThat(numberAt(legs.a, 0)).isEqualTo(100);
    assertThat(answer(write(disk, 2 * REGION_BLOCKS, 7))).isEqualTo(Outcome.OK);
    assertThat(daemon.status().record()).isEqualTo(before);
    assertThat(daemon.status().mirror().state()).isEqualTo(MirrorState.SYNC);
    haveSameMarks();
    disk.close();
  }

  /** With both away the guest waits; nothing is given up, and nothing fails. */
  @Test
  void bothLegsGoAndComeBack() throws Exception {
    Device disk = inSync();
    MirrorRecord before = daemon.status().record();
    legs.a.stop();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 7, 77);
    CompletableFuture<Outcome> flushed = Requests.submit(disk::flush);
    legs.legTimeoutPasses();
    daemon.awaitsTicks(5);
    assertThat(written.isDone() || flushed.isDone()).isFalse();
    legs.b.start();
    legs.a.start();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    assertThat(answer(flushed)).isEqualTo(Outcome.OK);
    daemon.awaits(MirrorState.SYNC);
    assertThat(legs.recordAt(legs.a).orElseThrow().epoch()).isGreaterThanOrEqualTo(before.epoch());
    assertThat(numberAt(legs.a, 7)).isEqualTo(77);
    assertThat(numberAt(legs.b, 7)).isEqualTo(77);
    disk.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "b"})
  void bothLegsGoAndOneComesBack(String which) throws Exception {
    Device disk = inSync();
    ServerHarness back = host(which);
    legs.a.stop();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 7, 77);
    legs.legTimeoutPasses();
    back.start();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    daemon.awaitsMembers(back);
    other(back).start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(other(back), 7)).isEqualTo(77);
    haveSameMarks();
    disk.close();
  }

  @Test
  void theLastLegIsWaitedFor() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> first = write(disk, 1, 11);
    Waiting.until("at a", () -> numberAt(legs.a, 1) == 11);
    legs.legTimeoutPasses();
    assertThat(answer(first)).isEqualTo(Outcome.OK);
    legs.a.stop();
    CompletableFuture<Outcome> second = write(disk, 2, 22);
    legs.legTimeoutPasses();
    legs.b.start();
    daemon.awaitsTicks(5);
    assertThat(second.isDone()).as("b is behind").isFalse();
    legs.a.start();
    assertThat(answer(second)).isEqualTo(Outcome.OK);
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    disk.close();
  }

  @Test
  void aLegFailsAgainWhileItIsMadeAlike() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> first = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(first)).isEqualTo(Outcome.OK);
    legs.b.disk.holdsWrites = true;
    legs.b.start();
    Waiting.until("it is being copied to", () -> !legs.b.disk.heldWrites.isEmpty());
    assertThat(daemon.status().mirror().state()).isEqualTo(MirrorState.COPYING);
    assertThat(answer(write(disk, REGION_BLOCKS, 2))).isEqualTo(Outcome.OK);
    int pauses = daemon.pauses.size();
    legs.legTimeoutPasses();
    Waiting.until("it has failed again", () -> daemon.pauses.size() > pauses);
    legs.b.disk.failWrites();
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    disk.close();
  }

  /** Each time the guest waits for it. */
  @ParameterizedTest
  @ValueSource(strings = {"a", "b"})
  void aLegThatFailsAgainAndAgainIsLeftAloneForLonger(String which) throws Exception {
    Device disk = inSync();
    ServerHarness bad = host(which);
    bad.disk.flushOutcome = Outcome.IO_ERROR; // which each try to come back ends with
    assertThat(Requests.flush(disk)).isEqualTo(Outcome.OK);
    Waiting.until("it has failed 4 times", () -> daemon.pauses.size() >= 4);
    bad.disk.flushOutcome = Outcome.OK;
    daemon.awaits(MirrorState.SYNC);
    List<Duration> failed = List.copyOf(daemon.pauses);
    assertThat(failed.subList(0, 4)).isEqualTo(seconds(1, 2, 4, 8));
    bad.disk.hold();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("it keeps it", () -> bad.disk.held() > 0);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    bad.disk.release();
    Waiting.until("a pause", () -> daemon.pauses.size() > failed.size());
    assertThat(List.copyOf(daemon.pauses).get(failed.size()))
        .as("it was in sync for a moment only")
        .isGreaterThan(failed.get(failed.size() - 1));
    daemon.awaits(MirrorState.SYNC);
    legs.passes(Duration.ofHours(1));
    daemon.pauses.clear();
    bad.disk.flushOutcome = Outcome.IO_ERROR;
    assertThat(Requests.flush(disk)).isEqualTo(Outcome.OK);
    Waiting.until("a pause", () -> !daemon.pauses.isEmpty());
    assertThat(daemon.pauses.peek()).isEqualTo(Duration.ofSeconds(1));
    bad.disk.flushOutcome = Outcome.OK;
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    disk.close();
  }

  private static List<Duration> seconds(Integer... all) {
    return Stream.of(all).map(Duration::ofSeconds).toList();
  }

  /** What the host of a leg had not made durable is gone with its memory. */
  @Test
  void aLegThatHasLostItsMemoryIsCopiedWhole() throws Exception {
    Device disk = inSync();
    assertThat(answer(write(disk, 3 * REGION_BLOCKS, 3333))).isEqualTo(Outcome.OK);
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    legs.b.loseStorage();
    try (Device other = legs.b.disk.open("memory", OpenOptions.plain(false))) {
      assertThat(answer(write(other, 3 * REGION_BLOCKS, 0))).isEqualTo(Outcome.OK);
    }
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(legs.b, 3 * REGION_BLOCKS)).isEqualTo(3333);
    haveSameMarks();
    disk.close();
  }

  /** Its server has been given another file, under the same name. */
  @Test
  void aLegThatIsAnotherStorageIsCopiedWhole() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    isAnotherFile(legs.b);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(legs.b, 3 * REGION_BLOCKS)).isEqualTo(103);
    haveSameMarks();
    disk.close();
  }

  private static void isAnotherFile(ServerHarness host) throws Exception {
    var unused = host.disk.isAnother();
    try (Device other = host.disk.open("memory", OpenOptions.plain(false))) {
      for (int region = 0; region < 8; region++) {
        assertThat(answer(write(other, region * REGION_BLOCKS, 0))).isEqualTo(Outcome.OK);
      }
    }
  }

  /** Its map is in memory then. */
  @Test
  void aFullTmpfsStopsNoGuest() throws Exception {
    Files.writeString(directory.resolve("hosta"), "no directory");
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    Device again = recovered(0);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    again.close();
  }

  /** It was away for less than would have made it fail, and nothing is flushed meanwhile. */
  @ParameterizedTest
  @ValueSource(strings = {"a", "b"})
  void aLegThatHasLostItsMemoryIsNotRead(String which) throws Exception {
    Device disk = inSync();
    ServerHarness loses = host(which);
    assertThat(answer(write(disk, 3 * REGION_BLOCKS, 3333))).isEqualTo(Outcome.OK);
    loses.stop();
    loses.loseStorage();
    try (Device other = loses.disk.open("memory", OpenOptions.plain(false))) {
      assertThat(answer(write(other, 3 * REGION_BLOCKS, 0))).isEqualTo(Outcome.OK);
    }
    loses.start();
    daemon.awaitsMembers(other(loses));
    assertThat(disk.hasLostWrites()).isFalse();
    assertThat(read(disk, 3 * REGION_BLOCKS)).isEqualTo(3333);
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(loses, 3 * REGION_BLOCKS)).isEqualTo(3333);
    haveSameMarks();
    disk.close();
  }

  /** The copy of it is whole, and its flush succeeds. */
  @Test
  void whatTheOnlyLegHasLostIsNotCalledDurableByItsCopy() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    legs.a.stop();
    legs.a.loseStorage();
    legs.a.start();
    Waiting.until("a says so", disk::hasLostWrites);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(Requests.flush(disk)).isEqualTo(Outcome.IO_ERROR);
    assertThat(disk.hasLostWrites()).isTrue();
    disk.close();
  }

  /** What neither has any more is lost, and nobody is told that it is durable. */
  @Test
  void whatBothLegsHaveLostIsLost() throws Exception {
    Device disk = inSync();
    assertThat(answer(write(disk, 0, 1))).isEqualTo(Outcome.OK);
    assertThat(disk.hasLostWrites()).isFalse();
    for (ServerHarness host : List.of(legs.a, legs.b)) {
      host.stop();
      host.loseStorage();
    }
    legs.a.start();
    legs.b.start();
    Waiting.until("it is known", disk::hasLostWrites);
    assertThat(Requests.flush(disk)).isEqualTo(Outcome.IO_ERROR);
    disk.close();
  }

  // ---- Ends

  private Optional<Boolean> isHeld(ServerHarness host) {
    return host.exports().stream()
        .filter(each -> each.export().name().equals(ServerHarness.EXPORT))
        .map(each -> !each.clients().isEmpty())
        .findFirst();
  }

  /** Its server would keep all others out. */
  @Test
  void aLegThatIsAwayWhenItsGuestEndsIsGivenFreeWhenItIsBack() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    disk.close();
    assertThat(isHeld(legs.a)).contains(false);
    assertThat(daemon.mirrors.held()).hasSize(1);
    assertThat(daemon.mirrors.held().get(0)).contains(leg(legs.b), "netchannel release-export");
    legs.b.start();
    Waiting.until("nothing is held", () -> daemon.mirrors.held().isEmpty());
    assertThat(isHeld(legs.b)).contains(false);
  }

  /** It went while no daemon ran. */
  @Test
  void ofAGuestThatHasGoneTheLegsAreGivenFreeAsTheyAre() throws Exception {
    var unused = inSync();
    MirrorRecord before = legs.recordAt(legs.a).orElseThrow();
    daemon.kill();
    legs.b.stop();
    daemon = legs.new Daemon("hosta");
    assertThat(directory.resolve("hosta")).isNotEmptyDirectory();
    giveFree(1);
    assertThat(directory.resolve("hosta")).isEmptyDirectory();
    Waiting.until("a is free", () -> isHeld(legs.a).equals(Optional.of(false)));
    legs.b.start();
    Waiting.until("b is free", () -> daemon.mirrors.held().isEmpty());
    assertThat(isHeld(legs.b)).contains(false);
    assertThat(daemon.mirrors.all()).isEmpty();
    assertThat(legs.recordAt(legs.a)).contains(before);
    assertThat(legs.recordAt(legs.b)).contains(before);
  }

  /** The guest runs with it, elsewhere or again. */
  @Test
  void aLegThatANewerGenerationHasIsNotGivenFree() throws Exception {
    inSync().close();
    Device again = daemon.open(2);
    giveFree(1);
    assertThat(directory.resolve("hosta")).isNotEmptyDirectory();
    Waiting.until("both were asked", () -> daemon.mirrors.held().isEmpty());
    assertThat(isHeld(legs.a)).contains(true);
    assertThat(isHeld(legs.b)).contains(true);
    assertThat(answer(write(again, 0, 1))).isEqualTo(Outcome.OK);
    again.close();
  }

  private void giveFree(long generation) throws DeviceException {
    String source = legs.source().substring(Mirrors.SCHEME.length() + 1);
    daemon.mirrors.giveFree(source, ServerHarness.as(TwoLegs.USER, generation));
  }

  /** It is open again with the same generation. */
  @Test
  void aLegThatItsDiskHasAgainIsNotGivenFree() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    disk.close();
    legs.a.stop();
    assertThatThrownBy(() -> daemon.open(1, Optional.of(Inheritance.UNTOLD)))
        .hasMessageContaining("neither leg");
    assertThat(daemon.mirrors.held()).as("it has not opened").hasSize(1);
    legs.a.start();
    Device again = daemon.open(1, Optional.of(Inheritance.UNTOLD));
    assertThat(daemon.mirrors.held()).isEmpty();
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(isHeld(legs.b)).contains(true);
    again.close();
  }

  /** One by itself, which is no leg any more, or not yet: by the same generation, too. */
  @Test
  void aLegThatSomebodyIsConnectedToIsNotGivenFree() throws Exception {
    Device plain = legs.a.open(leg(legs.a), ServerHarness.as(TwoLegs.USER, 1));
    giveFree(1);
    Waiting.until(
        "it is in use",
        () ->
            daemon.mirrors.held().stream()
                .anyMatch(held -> held.contains("somebody is connected")));
    assertThat(answer(write(plain, 3, 33))).isEqualTo(Outcome.OK);
    Device both = add(plain);
    assertThat(daemon.mirrors.held()).isEmpty();
    ((Mirrors.Added) both).begin();
    daemon.awaits(MirrorState.SYNC);
    both.close();
    assertThat(isHeld(legs.a)).contains(false);
  }

  // ---- Starts

  /** It did not answer when the generation of the start was chosen. */
  @ParameterizedTest
  @ValueSource(longs = {3, 5})
  void aStartThatIsNotTheNewestAttachesToNoLeg(long generation) throws Exception {
    inSync().close();
    legs.a.stop();
    daemon.open(5).close();
    legs.a.start();
    assertThatThrownBy(() -> daemon.open(generation))
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll(leg(legs.b), "generation 5", "start it again");
    assertThat(daemon.remote.records(leg(legs.a)).ask(TwoLegs.USER).generation()).isEqualTo(1);
    Device disk = daemon.open(6);
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    disk.close();
  }

  @Test
  void aLegThatWasBehindStartsNothing() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    disk.close();
    legs.a.stop();
    legs.b.start();
    assertThatThrownBy(() -> daemon.open(2))
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll("this host knows", "force-leg");
    daemon.close();
    daemon = legs.new Daemon("hostb"); // which knows nothing
    assertThatThrownBy(() -> daemon.open(2)).hasMessageContaining("Whether it went on alone");
    legs.a.start();
    Device again = daemon.open(3);
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(legs.b, 0)).isEqualTo(1);
    again.close();
  }

  /** One leg is there, and says that both were up to date. */
  @Test
  void aThirdRecordLetsALegStartAlone() throws Exception {
    var unused = inSync();
    daemon.kill();
    legs.b.stop();
    Daemon elsewhere = legs.new Daemon("hostb");
    assertThatThrownBy(() -> elsewhere.open(2)).hasMessageContaining("names no witness");
    elsewhere.close();
    daemon = legs.new Daemon("hosta");
    Device again = daemon.open(3);
    assertThat(legs.recordAt(legs.a).orElseThrow().members()).containsExactly(leg(legs.a));
    assertThat(read(again, REGION_BLOCKS)).isEqualTo(101);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    again.close();
  }

  @Test
  void aWitnessLetsALegStartAloneAnywhereAndKeepsTheOtherOut() throws Exception {
    ServerHarness witness = legs.withWitness();
    daemon.close();
    daemon = legs.new Daemon("hosta");
    Device disk = inSync();
    legs.b.stop();
    witness.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    daemon.awaitsTicks(5);
    assertThat(written.isDone()).as("before the witness has it").isFalse();
    witness.start();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    daemon.kill();
    legs.a.stop();
    legs.b.start();
    daemon = legs.new Daemon("hostb");
    assertThatThrownBy(() -> daemon.open(2)).hasMessageContaining("the witness knows");
    legs.b.stop();
    legs.a.start();
    Device again = daemon.open(3);
    assertThat(read(again, 0)).isEqualTo(1);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    again.close();
  }

  /** It has recorded that its leg goes on alone, which nobody else heard: the guest waited. */
  @Test
  void whatAHostThatWasCutOffHasRecordedIsOver() throws Exception {
    ServerHarness witness = legs.withWitness();
    daemon.close();
    daemon = legs.new Daemon("hosta");
    Device disk = inSync();
    legs.b.stop();
    witness.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    legs.legTimeoutPasses();
    Waiting.until("a knows", () -> !legs.recordAt(legs.a).orElseThrow().isWhole());
    assertThat(written.isDone()).isFalse();
    daemon.kill();
    legs.a.stop();
    legs.b.start();
    witness.start();
    daemon = legs.new Daemon("hostb");
    Device there = daemon.open(2);
    assertThat(answer(write(there, 0, 2))).isEqualTo(Outcome.OK);
    legs.a.start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(legs.a, 0)).isEqualTo(2);
    haveSameMarks();
    there.close();
  }

  @Test
  void aPersonsWordStartsALeg() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    assertThatThrownBy(() -> daemon.mirrors.forceLeg(TwoLegs.USER, leg(legs.a), false))
        .hasMessageContaining("stop its guest first");
    disk.close();
    legs.a.stop();
    legs.b.start();
    assertThatThrownBy(() -> daemon.mirrors.forceLeg(TwoLegs.USER, leg(legs.b), false))
        .hasMessageContainingAll(leg(legs.a), "cannot be asked", "--runs-nowhere");
    var unused = daemon.mirrors.forceLeg(TwoLegs.USER, leg(legs.b), true);
    Device again = daemon.open(3);
    assertThat(read(again, 0)).as("what b has").isEqualTo(100);
    legs.a.start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(legs.a, 0)).isEqualTo(100);
    haveSameMarks();
    again.close();
  }

  /** Its host is lost before that leg has heard that the disk is here. */
  @Test
  void aPersonsWordStartsALegThatWasAboutToBeBack() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    daemon.arrivesNowhere = true;
    legs.b.start();
    daemon.arrivedAsked.await();
    daemon.kill();
    legs.a.stop();
    daemon = legs.new Daemon("hosta");
    var unused = force(daemon, legs.b, true);
    Device again = daemon.open(3);
    assertThat(read(again, 0)).as("what b has").isEqualTo(100);
    again.close();
  }

  /** What a server knows as a part of a copy no word which leg is the disk makes whole. */
  @Test
  void aPersonsWordStartsNoLegOfAFirstCopy() throws Exception {
    var unused = daemon.openAnew(1);
    daemon.awaits(MirrorState.SYNC);
    legs.b.stop();
    legs.legTimeoutPasses();
    daemon.awaitsMembers(legs.a);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    daemon.kill();
    legs.a.stop();
    daemon = legs.new Daemon("hosta");
    var unusedToo = force(daemon, legs.b, true);
    assertThatThrownBy(() -> daemon.open(3)).hasMessageContaining("a part of a copy");
  }

  /** This host knows of the first one, and the leg of the second one does not. */
  @Test
  void aPersonsLastWordHolds() throws Exception {
    inSync().close();
    legs.a.stop();
    MirrorRecord first = daemon.mirrors.forceLeg(TwoLegs.USER, leg(legs.b), true);
    legs.b.stop();
    legs.a.start();
    MirrorRecord last = daemon.mirrors.forceLeg(TwoLegs.USER, leg(legs.a), true);
    assertThat(last.epoch()).isGreaterThan(first.epoch());
    assertThat(daemon.ledger.get(TwoLegs.USER).orElseThrow().record()).isEqualTo(last);
    assertThat(legs.recordAt(legs.a)).contains(last);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "b"})
  void nobodysWordIsTakenUnderAGuestElsewhere(String which) throws Exception {
    Device disk = inSync();
    Optional<MirrorRecord> before = legs.recordAt(host(which));
    try (Daemon elsewhere = legs.new Daemon("hostb")) {
      assertThatThrownBy(() -> elsewhere.mirrors.forceLeg(TwoLegs.USER, leg(host(which)), true))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("stop its guest first");
      assertThat(elsewhere.ledger.get(TwoLegs.USER)).isEmpty();
    }
    assertThat(legs.recordAt(host(which))).isEqualTo(before);
    disk.close();
  }

  /** It goes on with a alone; b is there again, and its host does not reach it. */
  private void goesOnWithoutB() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    daemon.comesBackToNothing();
    legs.b.start();
  }

  @Test
  void nobodysWordIsTakenUnderAGuestThatUsesTheOtherLeg() throws Exception {
    goesOnWithoutB();
    Optional<MirrorRecord> before = legs.recordAt(legs.b);
    try (Daemon elsewhere = legs.new Daemon("hostb")) {
      assertThatThrownBy(() -> elsewhere.mirrors.forceLeg(TwoLegs.USER, leg(legs.b), true))
          .isInstanceOf(DeviceException.class)
          .hasMessageContainingAll(leg(legs.a), "in use", "stop its guest first");
    }
    assertThat(legs.recordAt(legs.b)).isEqualTo(before);
  }

  /** Its host is cut off from that leg when a person says so, and comes back. */
  @Test
  void aPersonsWordShutsOutWhoHasTheOtherLeg() throws Exception {
    goesOnWithoutB();
    daemon.kill();
    try (Daemon elsewhere = legs.new Daemon("hostb")) {
      MirrorRecord forced = force(elsewhere, legs.b);
      assertThat(legs.recordAt(legs.a)).contains(forced);
    }
    for (long generation : new long[] {1, 2}) { // of the guest, of a start that has begun before
      OpenOptions before =
          OpenOptions.of(false, new OpenOptions.User(TwoLegs.USER, generation)).asLeg();
      assertThatThrownBy(() -> legs.a.open(leg(legs.a), before)).hasMessageContaining("is over");
    }
    daemon = legs.new Daemon("hosta");
    assertThatThrownBy(() -> daemon.open(1, Optional.of(Inheritance.UNTOLD)))
        .hasMessageContaining("a person said there which leg is the disk");
  }

  /** When the server knows that nobody is connected any more. */
  private MirrorRecord force(Daemon at, ServerHarness leg) {
    return force(at, leg, false);
  }

  private MirrorRecord force(Daemon at, ServerHarness leg, boolean runsNowhere) {
    AtomicReference<MirrorRecord> forced = new AtomicReference<>();
    Waiting.until(
        "nobody is connected",
        () -> {
          try {
            forced.set(at.mirrors.forceLeg(TwoLegs.USER, leg(leg), runsNowhere));
            return true;
          } catch (DeviceException e) {
            assertThat(e).hasMessageContaining("stop its guest first");
            return false;
          }
        });
    return forced.get();
  }

  /** It comes with the generation that it had. */
  @Test
  void aGuestThatWaitsHereGoesOnByAPersonsWord() throws Exception {
    goesOnWithoutB();
    daemon.kill();
    daemon = legs.new Daemon("hosta");
    var unused = force(daemon, legs.b);
    Device again = daemon.open(1, Optional.of(Inheritance.UNTOLD));
    assertThat(read(again, 0)).as("what b has").isEqualTo(100);
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    again.close();
  }

  /** Who waits here tries to open it again and again. */
  @Test
  void aPersonsWordWaitsForWhoOpensTheDisk() throws Exception {
    var unused = legs.withWitness();
    inSync().close();
    daemon.close();
    daemon = legs.new Daemon("hosta");
    daemon.witnessAnswers = new CompletableFuture<>();
    CompletableFuture<Device> opening =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return daemon.open(2);
              } catch (DeviceException e) {
                throw new CompletionException(e);
              }
            });
    daemon.witnessAsked.await();
    AtomicReference<Throwable> refusal = new AtomicReference<>();
    Thread person =
        new Thread(
            () ->
                refusal.set(
                    catchThrowable(
                        () -> daemon.mirrors.forceLeg(TwoLegs.USER, leg(legs.b), false))));
    person.start();
    Waiting.until("it waits", () -> person.getState() == Thread.State.TIMED_WAITING);
    assertThatThrownBy(() -> daemon.open(2)).hasMessageContaining("a person says just now");
    daemon.witnessAnswers.complete(null);
    Device disk = opening.get(60, TimeUnit.SECONDS);
    person.join();
    assertThat(refusal.get()).hasMessageContaining("in use here");
    disk.close();
  }

  /** Either one of its legs. */
  @Test
  void noLegIsBeingGivenFreeWhileAPersonSpeaks() throws Exception {
    var unused = legs.withWitness();
    daemon.close();
    daemon = legs.new Daemon("hosta");
    inSync().close();
    daemon.close();
    legs.b.stop();
    daemon = legs.new Daemon("hosta");
    giveFree(1);
    Waiting.until("a is free", () -> daemon.mirrors.held().size() == 1);
    daemon.witnessAnswers = new CompletableFuture<>();
    CompletableFuture<Throwable> refusal =
        CompletableFuture.supplyAsync(
            () -> catchThrowable(() -> daemon.mirrors.forceLeg(TwoLegs.USER, leg(legs.a), true)));
    daemon.witnessAsked.await();
    assertThat(daemon.mirrors.held()).isEmpty();
    daemon.witnessAnswers.complete(null);
    assertThat(refusal.get(60, TimeUnit.SECONDS)).isNull();
    assertThat(daemon.mirrors.held()).as("it goes on").hasSize(1);
    legs.b.start();
    Waiting.until("b is free", () -> daemon.mirrors.held().isEmpty());
  }

  /** The disk has grown while the leg was behind: its guest was told so. */
  @Test
  void aPersonsWordMakesNoDiskSmaller() throws Exception {
    inSync().close();
    MirrorRecord known = legs.recordAt(legs.a).orElseThrow();
    MirrorRecord grown =
        new MirrorRecord(
            known.mirror(),
            known.epoch() + 1,
            false,
            known.sizeBytes() + REGION_BYTES,
            known.legs(),
            ImmutableList.of(leg(legs.a)));
    daemon.remote.records(leg(legs.a)).tell(TwoLegs.USER, 1, Optional.of(grown));
    MirrorRecord forced = daemon.mirrors.forceLeg(TwoLegs.USER, leg(legs.b), false);
    assertThat(forced.sizeBytes()).isEqualTo(grown.sizeBytes());
    assertThatThrownBy(() -> daemon.open(3))
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll(leg(legs.b), "at least " + grown.sizeBytes());
  }

  @Test
  void aPersonsWordMakesOneOfTwoMirrors() throws Exception {
    inSync().close();
    MirrorRecord known = legs.recordAt(legs.b).orElseThrow();
    MirrorRecord another =
        new MirrorRecord(
            new UUID(9, 9),
            known.epoch() + 7,
            false,
            known.sizeBytes(),
            known.legs(),
            known.members());
    daemon.remote.records(leg(legs.b)).tell(TwoLegs.USER, 1, Optional.of(another));
    assertThatThrownBy(() -> daemon.open(2)).hasMessageContainingAll("two different", "force-leg");
    var unused = daemon.mirrors.forceLeg(TwoLegs.USER, leg(legs.a), false);
    Device again = daemon.open(3);
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    again.close();
  }

  // ---- A leg is added

  private Device add(Device present) throws DeviceException {
    return daemon.mirrors.openAround(
        legs.source().substring("mirror:".length()), present, ServerHarness.as(TwoLegs.USER, 1));
  }

  /** The witness is away; or this host cannot keep what its first leg was about to be told. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatCannotBeRecordedAddsNoLeg(boolean isWitness) throws Exception {
    ServerHarness witness = legs.withWitness();
    daemon.close();
    daemon = legs.new Daemon("hosta");
    Device plain = legs.a.open(leg(legs.a), ServerHarness.as(TwoLegs.USER, 1));
    Path file = directory.resolve("hosta.mirrors");
    if (isWitness) {
      witness.stop();
    } else {
      Files.createDirectories(file.resolve("in the way"));
    }
    assertThatThrownBy(() -> add(plain)).isInstanceOf(DeviceException.class);
    assertThat(legs.recordAt(legs.a)).isEmpty();
    assertThat(daemon.ledger.get(TwoLegs.USER)).isEmpty();
    assertThat(directory.resolve("hosta")).isEmptyDirectory();
    if (isWitness) {
      witness.start();
    } else {
      Files.delete(file.resolve("in the way"));
      Files.delete(file);
    }
    Device both = add(plain);
    ((Mirrors.Added) both).begin();
    daemon.awaits(MirrorState.SYNC);
    both.close();
  }

  /** It may have the record, and is told that there is none. */
  @Test
  void whatWasRecordedOfALegThatIsNotAddedIsForgotten() throws Exception {
    ServerHarness witness = legs.withWitness();
    daemon.close();
    daemon = legs.new Daemon("hosta");
    Authority at = daemon.remote.records(leg(legs.a));
    Device plain = legs.a.open(leg(legs.a), ServerHarness.as(TwoLegs.USER, 1));
    daemon.witnessRefuses = true;
    assertThatThrownBy(() -> add(plain)).hasMessageContaining("for a test");
    assertThat(at.ask(TwoLegs.USER).record()).isEmpty();
    assertThat(daemon.ledger.get(TwoLegs.USER)).isEmpty();
    plain.close();
    legs.a.open(leg(legs.a), ServerHarness.as(TwoLegs.USER, 2)).close();
    witness.stop();
  }

  // ---- A leg is dropped

  private static CompletableFuture<Mirrors.Remaining> drop(Device disk, Optional<ServerHarness> leg)
      throws DeviceException {
    return ((Mirrors.TwoLegs) disk).drop(leg.map(TwoLegs::leg));
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "b"})
  void aDiskGoesOnWithOneLeg(String which) throws Exception {
    Device disk = inSync();
    ServerHarness goes = host(which);
    ServerHarness stays = other(goes);
    Mirrors.Remaining remaining = drop(disk, Optional.of(goes)).get(60, TimeUnit.SECONDS);
    assertThat(remaining.source()).isEqualTo(leg(stays));
    assertThat(remaining.dropped()).isEqualTo(leg(goes));
    assertThat(legs.recordAt(stays).orElseThrow().members()).containsExactly(leg(stays));
    assertThat(legs.recordAt(goes))
        .as("it knows that it is behind")
        .isEqualTo(legs.recordAt(stays));
    assertThat(answer(write(disk, 0, 1))).as("through the mirror").isEqualTo(Outcome.OK);
    remaining.unused();
    assertThat(daemon.mirrors.all()).isEmpty();
    assertThat(answer(write(remaining.device(), 1, 11))).isEqualTo(Outcome.OK);
    assertThat(numberAt(stays, 1)).isEqualTo(11);
    assertThat(numberAt(goes, 0)).isEqualTo(100);
    Waiting.until("it is free", () -> isHeld(goes).equals(Optional.of(false)));
    assertThat(legs.recordAt(stays)).as("an XML may name both yet").isPresent();
    remaining.named();
    Waiting.until("it may be a disk by itself", () -> legs.recordAt(stays).isEmpty());
    remaining.device().close();
    assertThatThrownBy(() -> daemon.open(2))
        .as("by an old XML")
        .hasMessageContaining("went on alone");
    try (Device plain = stays.open(leg(stays), ServerHarness.as(TwoLegs.USER, 2))) {
      assertThat(read(plain, 0)).isEqualTo(1);
    }
    assertThatThrownBy(() -> goes.open(leg(goes), ServerHarness.as(TwoLegs.USER, 3)).close())
        .hasMessageContaining("one of two legs");
  }

  /** It does not hear of it; this host does. */
  @Test
  void aLegThatIsGoneForGoodIsDropped() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    assertThatThrownBy(() -> drop(disk, Optional.empty())).hasMessageContaining("say which one");
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    assertThatThrownBy(() -> drop(disk, Optional.of(legs.a)))
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll(leg(legs.b), "is not up to date");
    assertThatThrownBy(() -> ((Mirrors.TwoLegs) disk).drop(Optional.of("netchannel://hostc/w")))
        .hasMessageContaining("is no leg of this disk");
    Mirrors.Remaining remaining = drop(disk, Optional.empty()).get(60, TimeUnit.SECONDS);
    assertThat(remaining.dropped()).isEqualTo(leg(legs.b));
    assertThat(drop(disk, Optional.empty()).get(60, TimeUnit.SECONDS).source())
        .as("said again")
        .isEqualTo(leg(legs.a));
    remaining.unused();
    remaining.named();
    Waiting.until("a may be a disk by itself", () -> legs.recordAt(legs.a).isEmpty());
    remaining.device().close();
    legs.b.start();
    Waiting.until("it is free", () -> daemon.mirrors.held().isEmpty());
    assertThat(legs.recordAt(legs.b).orElseThrow().isWhole()).isTrue();
    assertThatThrownBy(() -> daemon.open(2)).hasMessageContaining("this host knows");
    assertThat(numberAt(legs.a, 0)).isEqualTo(1);
  }

  @Test
  void aLegThatIsBeingMadeAlikeIsDropped() throws Exception {
    legs.b.disk.hold();
    Device disk = daemon.open(1);
    Waiting.until("it is being flushed, or copied to", () -> legs.b.disk.held() > 0);
    assertThat(answer(write(disk, 0, 1))).isEqualTo(Outcome.OK);
    Mirrors.Remaining remaining = drop(disk, Optional.empty()).get(60, TimeUnit.SECONDS);
    remaining.unused();
    legs.b.disk.release();
    assertThat(answer(write(remaining.device(), 1, 11))).isEqualTo(Outcome.OK);
    assertThat(numberAt(legs.a, 0)).isEqualTo(1);
    assertThat(numberAt(legs.a, 1)).isEqualTo(11);
    remaining.device().close();
  }

  /** A witness that is away would have the guest wait. */
  @Test
  void noLegIsDroppedWithoutTheWitness() throws Exception {
    ServerHarness witness = legs.withWitness();
    daemon.close();
    daemon = legs.new Daemon("hosta");
    Device disk = inSync();
    witness.stop();
    assertThatThrownBy(() -> drop(disk, Optional.of(legs.b))).isInstanceOf(DeviceException.class);
    assertThat(answer(write(disk, 0, 1))).isEqualTo(Outcome.OK);
    assertThat(numberAt(legs.b, 0)).isEqualTo(1);
    witness.start();
    disk.close();
  }

  @Test
  void aDiskThatEndsDropsNoLeg() throws Exception {
    Device disk = inSync();
    CompletableFuture<Mirrors.Remaining> dropping;
    legs.b.disk.hold();
    dropping = drop(disk, Optional.of(legs.b));
    legs.b.disk.release();
    disk.close();
    Waiting.until("that is known", dropping::isDone);
    Device again = daemon.open(2);
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    again.close();
  }

  // ---- Migration

  /**
   * The destination takes the legs one after the other, which is no failure of the first. Nor is it
   * one that it is not there again at once when the guest goes on here.
   */
  @Test
  void aDiskThatRestsGivesNoLegUp() throws Exception {
    Device disk = inSync();
    MirrorRecord before = daemon.status().record();
    disk.rest();
    legs.b.stop();
    Waiting.until("it is missed", () -> problems() > 0);
    legs.legTimeoutPasses();
    daemon.awaitsTicks(20);
    assertThat(daemon.status().record()).isEqualTo(before);
    disk.useGeneration(2);
    daemon.awaitsTicks(20);
    assertThat(daemon.status().record()).as("the time at rest is no silence").isEqualTo(before);
    legs.b.start();
    Waiting.until("it is there", () -> problems() == 0);
    assertThat(answer(write(disk, 0, 1))).isEqualTo(Outcome.OK);
    assertThat(daemon.status().record()).isEqualTo(before);
    legs.b.stop();
    Waiting.until("it is missed again", () -> problems() > 0);
    legs.legTimeoutPasses();
    daemon.awaitsMembers(legs.a);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    disk.close();
  }

  @Test
  void aRequestThatALegKeepsWhileItsDiskRestsGivesNoLegUp() throws Exception {
    Device disk = inSync();
    MirrorRecord before = daemon.status().record();
    legs.b.disk.hold();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    disk.rest();
    legs.legTimeoutPasses();
    disk.useGeneration(2);
    daemon.awaitsTicks(20);
    assertThat(written.isDone()).isFalse();
    legs.b.disk.release();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    assertThat(daemon.status().record()).isEqualTo(before);
    haveSameMarks();
    disk.close();
  }

  @Test
  void theLegsGoWithTheGuest() throws Exception {
    Device disk = inSync();
    MirrorRecord before = daemon.status().record();
    try (Daemon destination = legs.new Daemon("hostb")) {
      Device there = destination.open(2, Optional.of(Inheritance.ENDED));
      assertThat(destination.status().mirror().state()).isEqualTo(MirrorState.SYNC);
      assertThat(destination.status().record()).isEqualTo(before);
      assertThat(read(there, REGION_BLOCKS)).isEqualTo(101);
      assertThat(answer(write(there, 1, 11))).isEqualTo(Outcome.OK);
      disk.close(); // given away: its generation is over at both
      assertThat(legs.recordAt(legs.a)).contains(before);
      legs.a.stop();
      CompletableFuture<Outcome> written = write(there, 2, 22);
      Waiting.until("at b", () -> numberAt(legs.b, 2) == 22);
      legs.legTimeoutPasses();
      assertThat(answer(written)).isEqualTo(Outcome.OK);
      destination.awaitsMembers(legs.b);
      // The source knows the record before only, and not that it is the newest.
      there.keepPlace();
      there.close();
    }
    legs.b.stop();
    legs.a.start();
    assertThatThrownBy(() -> daemon.open(3))
        .hasMessageContaining("the guest has run elsewhere since");
  }

  @Test
  void theSourceGoesOnAfterAMigrationThatFails() throws Exception {
    Device disk = inSync();
    try (Daemon destination = legs.new Daemon("hostb")) {
      destination.open(2, Optional.of(Inheritance.ENDED)).close();
    }
    disk.useGeneration(3);
    assertThat(answer(write(disk, 1, 11))).isEqualTo(Outcome.OK);
    assertThat(daemon.status().mirror().state()).isEqualTo(MirrorState.SYNC);
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 2, 22);
    Waiting.until("at a", () -> numberAt(legs.a, 2) == 22);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    disk.close();
  }

  @Test
  void aMirrorWithOneLegMigratesWithoutTheOther() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    try (Daemon destination = legs.new Daemon("hostb")) {
      Device there = destination.open(2, Optional.of(Inheritance.ENDED));
      assertThat(read(there, 0)).isEqualTo(1);
      legs.b.start();
      destination.awaits(MirrorState.SYNC);
      assertThat(numberAt(legs.b, 0)).isEqualTo(1);
      there.close();
    }
  }

  // ---- kill -9

  /**
   * The next daemon's.
   *
   * @param unanswered first blocks of regions
   */
  private Device recovered(int... unanswered) throws Exception {
    daemon.kill();
    daemon = legs.new Daemon("hosta");
    ImmutableList<Inheritance.Change> changes =
        Arrays.stream(unanswered)
            .mapToObj(block -> new Inheritance.Change(block * REGION_BYTES / REGION_BLOCKS, 4096))
            .collect(ImmutableList.toImmutableList());
    return daemon.open(1, Optional.of(Inheritance.killed(changes)));
  }

  /** One leg has the write, the other one never gets it, and the guest does not ask again. */
  @Test
  void killedInSync() throws Exception {
    Device disk = inSync();
    legs.b.disk.holdsWrites = true;
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at one leg", () -> numberAt(legs.a, 0) == 1);
    daemon.kill();
    assertThat(written.isDone()).isFalse();
    legs.b.disk.failWrites();
    Device again = recovered(0);
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(legs.b, 0)).isEqualTo(1);
    assertThat(daemon.status().mirror().copiedBytes()).isLessThanOrEqualTo(REGION_BYTES);
    haveSameMarks();
    again.close();
  }

  /** The first leg has lost what it had not made durable, and the other one has it. */
  @Test
  void killedWhileTheFirstLegLosesItsMemory() throws Exception {
    Device disk = inSync();
    assertThat(answer(write(disk, 3 * REGION_BLOCKS, 3333))).isEqualTo(Outcome.OK);
    daemon.kill();
    legs.a.stop();
    legs.a.loseStorage();
    try (Device other = legs.a.disk.open("memory", OpenOptions.plain(false))) {
      assertThat(answer(write(other, 3 * REGION_BLOCKS, 0))).isEqualTo(Outcome.OK);
    }
    legs.a.start();
    Device again = recovered();
    assertThat(read(again, 3 * REGION_BLOCKS)).isEqualTo(3333);
    assertThat(Requests.flush(again)).isEqualTo(Outcome.OK);
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(legs.a, 3 * REGION_BLOCKS)).isEqualTo(3333);
    haveSameMarks();
    again.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "b"})
  void killedWhileALegBecomesAnotherStorage(String which) throws Exception {
    var unused = inSync();
    daemon.kill();
    host(which).stop();
    isAnotherFile(host(which));
    host(which).start();
    Device again = recovered();
    assertThat(read(again, 3 * REGION_BLOCKS)).isEqualTo(103);
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(host(which), 3 * REGION_BLOCKS)).isEqualTo(103);
    haveSameMarks();
    again.close();
  }

  /** The other one has all that was answered, and is only away. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void killedWhileTheLegThatIsThereIsAnotherStorage(boolean isForced) throws Exception {
    var unused = inSync();
    daemon.kill();
    legs.a.stop();
    legs.b.stop();
    isAnotherFile(legs.a);
    legs.a.start();
    assertThatThrownBy(this::recovered)
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll("another storage", leg(legs.b), "can be used", "force-leg");
    if (isForced) {
      var unusedRecord = force(daemon, legs.a, true);
    }
    legs.b.start();
    Device again = recovered();
    assertThat(read(again, 3 * REGION_BLOCKS)).isEqualTo(isForced ? 0 : 103);
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    again.close();
  }

  @Test
  void killedWhileTheLegThatIsThereLosesItsMemory() throws Exception {
    Device disk = inSync();
    assertThat(answer(write(disk, 3 * REGION_BLOCKS, 3333))).isEqualTo(Outcome.OK);
    daemon.kill();
    legs.a.stop();
    legs.b.stop();
    legs.a.loseStorage();
    try (Device other = legs.a.disk.open("memory", OpenOptions.plain(false))) {
      assertThat(answer(write(other, 3 * REGION_BLOCKS, 0))).isEqualTo(Outcome.OK);
    }
    legs.a.start();
    assertThatThrownBy(this::recovered).hasMessageContainingAll("has lost", "can be used");
    assertThatThrownBy(this::recovered).as("it stays so").hasMessageContaining("has lost");
    legs.b.start();
    Device again = recovered();
    assertThat(read(again, 3 * REGION_BLOCKS)).isEqualTo(3333);
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    again.close();
  }

  /** A start is refused before anybody was told of it: the map stays that of the one before. */
  @Test
  void aStartThatIsNotRecordedTakesNoOtherStorageForTheSame() throws Exception {
    var unused = inSync();
    daemon.kill();
    Path ledger = directory.resolve("hosta.mirrors");
    byte[] known = Files.readAllBytes(ledger);
    legs.a.stop();
    legs.b.stop();
    isAnotherFile(legs.a);
    UUID before = legs.b.disk.isAnother();
    legs.a.start();
    legs.b.start();
    daemon = legs.new Daemon("hosta");
    Files.delete(ledger);
    Files.createDirectories(ledger.resolve("in the way"));
    assertThatThrownBy(() -> daemon.open(1, Optional.of(Inheritance.UNTOLD)))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("this host");
    daemon.kill();
    Files.delete(ledger.resolve("in the way"));
    Files.delete(ledger);
    Files.write(ledger, known);
    legs.b.stop();
    legs.b.disk.is(before);
    legs.b.start();
    Device again = recovered();
    assertThat(read(again, 3 * REGION_BLOCKS)).isEqualTo(103);
    again.close();
  }

  /** Killed while both were told that they are up to date, once more, and only the first knows. */
  @Test
  void anotherStorageDoesNotOverwriteALegThatKnowsLess() throws Exception {
    var unused = inSync();
    MirrorRecord known = legs.recordAt(legs.a).orElseThrow();
    MirrorRecord next =
        new MirrorRecord(
            known.mirror(),
            known.epoch() + 1,
            false,
            known.sizeBytes(),
            known.legs(),
            known.members());
    daemon.remote.records(leg(legs.a)).tell(TwoLegs.USER, 1, Optional.of(next));
    daemon.kill();
    legs.a.stop();
    isAnotherFile(legs.a);
    legs.a.start();
    assertThatThrownBy(this::recovered)
        .isInstanceOf(DeviceException.class)
        .hasMessageContainingAll(leg(legs.b), "does not know of it", "force-leg");
    assertThat(numberAt(legs.b, 3 * REGION_BLOCKS)).isEqualTo(103);
  }

  @Test
  void killedWithOneLeg() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    Device again = recovered();
    assertThat(read(again, 0)).isEqualTo(1);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(daemon.status().mirror().copiedBytes()).isLessThanOrEqualTo(REGION_BYTES);
    haveSameMarks();
    again.close();
  }

  @Test
  void killedWhileALegIsMadeAlike() throws Exception {
    Device disk = inSync();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    assertThat(answer(written)).isEqualTo(Outcome.OK);
    legs.b.disk.hold();
    legs.b.start();
    Waiting.until("something is at b", () -> legs.b.disk.held() > 0);
    daemon.kill();
    legs.b.disk.release();
    Device again = recovered();
    daemon.awaits(MirrorState.SYNC);
    haveSameMarks();
    again.close();
  }

  /** The leg that stays knows it; this host does not, and nothing was answered. */
  @Test
  void killedWhileALegIsGivenUp() throws Exception {
    ServerHarness witness = legs.withWitness();
    daemon.close();
    daemon = legs.new Daemon("hosta");
    Device disk = inSync();
    witness.stop();
    legs.b.stop();
    CompletableFuture<Outcome> written = write(disk, 0, 1);
    Waiting.until("at a", () -> numberAt(legs.a, 0) == 1);
    legs.legTimeoutPasses();
    Waiting.until("a knows", () -> !legs.recordAt(legs.a).orElseThrow().isWhole());
    daemon.kill();
    assertThat(written.isDone()).isFalse();
    witness.start();
    Device again = recovered(0);
    legs.b.start();
    daemon.awaits(MirrorState.SYNC);
    assertThat(numberAt(legs.b, 0)).as("recorded, and no bit set yet").isEqualTo(1);
    haveSameMarks();
    again.close();
  }
}

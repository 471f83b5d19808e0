package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.DeviceKey;
import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.vdevice.block.frontend.GuestIo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What becomes of a job whose servers go away, that is given up, or whose guest ends. */
@Timeout(180)
final class SwapLifeTest {
  private static final Map<String, Object> MANUAL = Map.of("pivot", "manual");

  @TempDir private Path directory;
  private final AwayServer server = new AwayServer();
  private SwappingHost host;

  @BeforeEach
  void start() throws Exception {
    host = new SwappingHost(directory, ImmutableMap.of("netchannel", server));
  }

  @AfterEach
  void close() {
    host.close();
  }

  private String path(String name) {
    return host.file(name).toString();
  }

  /** What is at the old device then is answered by the new one, and no end waits for its server. */
  @Test
  void aServerThatIsGoneKeepsNothingOfADiskThatWasSwitchedAwayFromIt() throws Exception {
    host.startGuest(host.make("netchannel", "old"));
    String source = host.make("file", "new");
    host.swap(source, MANUAL);
    host.awaitState("sync");
    host.write(1);
    server.goesAway(path("old"));
    GuestIo write = host.beginWrite(2);
    GuestIo read = host.beginRead(1);
    host.await("they are there", () -> server.isAwaited(path("old")));
    host.job("pivot");
    host.ends(write);
    host.ends(read);
    host.awaitState("done");
    assertThat(host.named()).isEqualTo(source);
    assertThat(server.told).isEmpty();
    assertThat(server.held).as("by a server that is away").contains(path("old"));

    server.isBack(path("old"));
    host.await("it is told", () -> server.told.contains(path("old") + " moved to " + source));
    host.await("its place is free", () -> !server.held.contains(path("old")));
    host.verify();
  }

  /** As a local disk, or an NBD server that is there: it is given all the time that it takes. */
  @Test
  void whatTheOldDeviceHoldsKeepsNobodyFromKnowingWhereTheDiskIs() throws Exception {
    host.startGuest(host.make("netchannel", "old"));
    String source = host.make("netchannel", "new");
    host.swap(source, MANUAL);
    host.awaitState("sync");
    host.write(1);
    server.hangs(path("old"));
    GuestIo read = host.beginRead(1);
    host.await("it is there", () -> server.isAwaited(path("old")));
    host.job("pivot");
    host.await("the XML names it", () -> host.named().equals(source));
    host.await("its server knows", () -> server.told.contains(path("new") + " arrived"));
    assertThat(host.isIn("switched")).isTrue();
    server.isBack(path("old"));
    host.ends(read);
    host.awaitState("done");
    host.verify();
  }

  /** The new device is free for whatever its owner wants, whatever happens to the daemon then. */
  @Test
  void whatWasGivenUpIsNeverTakenUpAgain() throws Exception {
    host.startGuest(host.make("netchannel", "old"));
    host.swap(host.make("netchannel", "new"), MANUAL);
    host.awaitState("sync");
    server.hangs(path("new"));
    GuestIo write = host.beginWrite(1);
    host.await("it is at the new device", () -> server.isAwaited(path("new")));
    assertThat(host.job("abort")).doesNotContainEntry("ended", null);
    host.ends(write);
    assertThat(host.isIn("paused")).as("the new device has not let go").isTrue();
    server.errorsLeft.set(1);
    write = host.beginWrite(2);
    host.await("the end of its mid-point", () -> server.errorsLeft.get() == 0);

    server.isBack(path("new"));
    host.ends(write);
    host.awaitState("aborted");
    assertThat(host.job("show")).containsEntry("reason", "given up by hand");
    assertThat(server.open).containsExactly(path("old"));
    host.verify();
    host.swap(host.make("file", "other"), Map.of());
    host.awaitState("done");
    host.verify();
  }

  /** Storage that hangs keeps a job from its begin, but not from its end. */
  @Test
  void aJobMayBeGivenUpBeforeItHasBegun() throws Exception {
    host.startGuest(host.make("file", "old"));
    String source = host.make("netchannel", "new");
    server.hangs(path("new"));
    CompletableFuture<Throwable> refused =
        CompletableFuture.supplyAsync(() -> catchThrowable(() -> host.swap(source, Map.of())));
    host.await("the open", () -> server.hanging.contains(path("new")));
    assertThat(host.isIn("opening")).isTrue();
    host.job("abort");

    server.isBack(path("new"));
    assertThat(refused.join()).hasMessageContaining("it was given up before it began");
    assertThat(host.job("show"))
        .containsEntry("state", "aborted")
        .containsEntry("reason", "given up by hand");
    host.await("the new device is free", server.held::isEmpty);
    host.write(1);
    host.verify();
  }

  @Test
  void aJobWhoseStorageTakesItsTimeIsToldAsOpening() throws Exception {
    host.startGuest(host.make("file", "old"));
    String source = host.make("netchannel", "new");
    server.hangs(path("new"));
    assertThat(host.swap(source, Map.of())).containsEntry("state", "opening");
    server.isBack(path("new"));
    host.await("the switch", () -> host.named().equals(source));
    host.awaitState("done");
  }

  /** Two that were opened would take the place at their server from each other. */
  @Test
  void theNewDeviceIsOpenedOnceWhereverItsMidPointBeginsAgain() throws Exception {
    host.startGuest(host.make("netchannel", "old"));
    host.swap(host.make("netchannel", "new"), MANUAL);
    host.awaitState("sync");
    server.goesAway(path("new"));
    midPointBeginsAgain();
    host.await("that it is not there", () -> host.reason().contains("is away, for the test"));
    server.hangs(path("new"));
    host.await("an open", () -> server.hanging.contains(path("new")));
    midPointBeginsAgain();

    server.isBack(path("new"));
    host.awaitState("sync");
    assertThat(server.rivals).hasValue(0);
    assertThat(server.open).containsExactlyInAnyOrder(path("old"), path("new"));
    host.job("pivot");
    host.awaitState("done");
    host.verify();
  }

  /** Nobody issues it again, and the disk may have it: then the new device gets it as well. */
  @Test
  void whatWasAtBothWhenTheDaemonDiedIsCopiedWhateverTheGuestDoes() throws Exception {
    host.startGuest(host.make("netchannel", "old"));
    host.swap(host.make("netchannel", "new"), MANUAL);
    host.awaitState("sync");
    server.goesAway(path("new"));
    host.beginWrite(1);
    host.await("it is at the new device", () -> server.isAwaited(path("new")));
    Path map = map();
    byte[] killed = Files.readAllBytes(map);
    host.host.stopDaemon();
    assertThat(Files.mismatch(host.file("old"), host.file("new"))).isEqualTo(SwappingHost.BLOCK);
    Files.write(map, killed); // as kill -9 leaves it: only what was answered is there
    host.frontendCloses();

    server.isBack(path("new"));
    host.host.startDaemon();
    host.awaitState("sync");
    assertThat(Files.mismatch(host.file("old"), host.file("new"))).isEqualTo(-1);
    assertThat((Long) host.job("show").get("copiedBytes")).isLessThan(SwappingHost.SIZE / 2);
  }

  /** The guest came with them, and had ended before both hosts had said that it is here. */
  @ParameterizedTest
  @CsvSource({"false, aborted, ''", "true, done, file:/new"})
  void jobsThatCameGoOnWithoutTheirDisk(boolean isSwitched, String state, String named)
      throws Exception {
    DiskJobStore jobs = host.host.daemon().coordinator().jobs();
    DiskJob job =
        DiskJob.begin(
            new UUID(0, 1),
            new DeviceKey(SwappingHost.DOMAIN, "xvdb"),
            "web1",
            "file:/old",
            "file:/new",
            new DiskJob.Origin(false, false, "hostb", "hosta"),
            new DiskJob.Settings(true, true, false, false, 0),
            Instant.EPOCH);
    jobs.begin(job);
    if (isSwitched) {
      jobs.switched(job);
    }
    host.host.daemon().devices().stays(SwappingHost.DOMAIN);
    host.awaitState(state);
    assertThat(host.named()).isEqualTo(named);
  }

  private Path map() throws IOException {
    try (Stream<Path> files = Files.walk(directory.resolve("hosta/run/differences"))) {
      return files.filter(Files::isRegularFile).findFirst().orElseThrow();
    }
  }

  private void midPointBeginsAgain() {
    server.errorsLeft.set(1);
    GuestIo write = host.beginWrite(3);
    host.await("the end of its mid-point", () -> server.errorsLeft.get() == 0);
    host.ends(write); // by the next one
  }
}

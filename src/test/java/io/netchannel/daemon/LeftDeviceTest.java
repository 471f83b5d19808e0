package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The device that a job has left: its server hears of it and its place there is given free, however
 * the job ends and whatever is away meanwhile; and no old word is said of a disk that is back.
 */
@Timeout(180)
final class LeftDeviceTest {
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

  private void inSync(String old, String next) throws Exception {
    host.startGuest(host.make(old, "old"));
    host.swap(host.make(next, "new"), MANUAL);
    host.awaitState("sync");
  }

  private boolean isFree(String name) {
    return !server.held.contains(path(name));
  }

  private Object untold() {
    try {
      return host.job("show").get("untold");
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  private boolean isUntold(String words) {
    return String.valueOf(untold()).contains(words);
  }

  /** Its server went away before the switch; the job ends without it. */
  private String leaves() throws Exception {
    inSync("netchannel", "file");
    server.goesAway(path("old"));
    host.job("pivot");
    host.awaitState("done");
    host.await("it is tried", () -> isUntold("is away, for the test"));
    assertThat(isFree("old")).isFalse();
    return "file:" + path("new");
  }

  private void awaitNothingToSay() {
    host.await(
        "there is nothing to say",
        () -> host.host.daemon().coordinator().jobs().untold().isEmpty());
  }

  private String isTold(String source) {
    return path("old") + " moved to " + source;
  }

  // ---- a job that was given up

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theNewDeviceIsFreeWhenItsServerIsBack(boolean restarted) throws Exception {
    inSync("file", "netchannel");
    server.goesAway(path("new"));
    host.job("abort");
    host.awaitState("aborted");
    assertThat(isFree("new")).as("at a server that is away").isFalse();
    if (restarted) {
      host.restartDaemon(true);
    }
    server.isBack(path("new"));
    host.await("its place is free", () -> isFree("new"));
    host.await("nothing is left", () -> untold() == null);
    assertThat(server.told).as("it never was the disk").isEmpty();
    assertThat(server.open).isEmpty();
    host.write(1);
    host.verify();
  }

  /** The job of a guest that went while no daemon ran. */
  @Test
  void theNewDeviceIsFreeWhenItsGuestHasGone() throws Exception {
    inSync("file", "netchannel");
    host.restartDaemon(false);
    host.awaitState("aborted");
    host.await("its place is free", () -> isFree("new"));
  }

  /** Likewise of one that is given up before the next daemon has it open again. */
  @Test
  void theNewDeviceIsFreeWhereItWasGivenUpWithoutIt() throws Exception {
    inSync("file", "netchannel");
    host.host.stopDaemon();
    server.goesAway(path("new"));
    host.host.startDaemon();
    host.await("its disk", host::isServing);
    host.await("that it waits", () -> host.reason().contains("is away, for the test"));
    host.job("abort");
    assertThat(host.isIn("aborted")).isTrue();
    server.isBack(path("new"));
    host.await("its place is free", () -> isFree("new"));
  }

  /** As with a server whose ATTACHED does not arrive: who has given up waiting has the place. */
  @Test
  void theNewDeviceIsFreeWhereTheJobCannotBegin() throws Exception {
    host.startGuest(host.make("file", "old"));
    String source = host.make("netchannel", "new");
    server.loseAnswer.add(path("new"));
    assertThatThrownBy(() -> host.swap(source, Map.of())).hasMessageContaining("found none");
    host.await("its place is free", () -> isFree("new"));
    assertThat(host.job("show")).containsEntry("state", "aborted");
    assertThat(host.reason()).contains("it could not begin", "found none");
    host.swap(source, Map.of());
    host.awaitState("done");
    host.write(1);
    host.verify();
  }

  // ---- a switch

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theOldDevicesServerIsToldByTheNextDaemon(boolean guestStays) throws Exception {
    String source = leaves();
    host.restartDaemon(guestStays);
    host.await("it is tried", () -> isUntold("is away, for the test"));
    server.isBack(path("old"));
    host.await("it is told", () -> server.told.contains(isTold(source)));
    host.await("its place is free", () -> isFree("old"));
    host.await("nothing is left", () -> untold() == null);
    host.restartDaemon(guestStays && host.isServing());
    assertThat(server.told).as("once").hasSize(1);
  }

  /** It is shut out, and has said nothing: other hosts could start the guest from there. */
  @Test
  void whatAPersonHasReleasedIsToldAllTheSame() throws Exception {
    String source = leaves();
    server.release(path("old"));
    server.isBack(path("old"));
    host.await("it is told", () -> server.told.contains(isTold(source)));
    host.await("its place is free", () -> isFree("old"));
    host.await("nothing is left", () -> untold() == null);
    assertThat(server.openedByNobody).as("only looked at").hasValue(0);
  }

  @Test
  void whoHasItSinceIsNotShutOut() throws Exception {
    String source = leaves();
    server.isTakenByNewer(path("old"));
    server.isBack(path("old"));
    host.await("the reason", () -> isUntold("is in use"));
    assertThat(server.told).isEmpty();
    assertThat(isFree("old")).isFalse();
    server.release(path("old"));
    host.await("it is told", () -> server.told.contains(isTold(source)));
    assertThat(server.openedByNobody).as("only looked at").hasValue(0);
  }

  /** Where the guest is elsewhere, or nowhere, the disk may be there again. */
  @Test
  void withoutItsGuestNobodyKnowsWhoseANewerGenerationIs() throws Exception {
    String source = leaves();
    host.endGuest();
    server.release(path("old"));
    server.isBack(path("old"));
    host.await("the reason", () -> isUntold("or a person has released the place"));
    assertThat(server.told).isEmpty();
    host.startGuest(source);
    host.await("it is told", () -> server.told.contains(isTold(source)));
  }

  /** Its content is not the disk's, and was never. */
  @Test
  void aNewDeviceThatIsNotExportedAnyMoreIsNotToldForEver() throws Exception {
    inSync("file", "netchannel");
    server.goesAway(path("new"));
    host.job("abort");
    host.await("it is tried", () -> isUntold("is away, for the test"));
    server.removed.add(path("new"));
    server.isBack(path("new"));
    host.await("nothing is left", () -> untold() == null);
    assertThat(server.told).isEmpty();
  }

  /** Others would start the guest from it when it is exported again. */
  @Test
  void anOldDeviceThatIsExportedAgainIsToldThatItIsOutOfDate() throws Exception {
    String source = leaves();
    server.removed.add(path("old"));
    server.isBack(path("old"));
    host.await("it is refused", () -> isUntold("is not exported"));
    server.removed.clear();
    host.restartDaemon(true);
    host.await("it is told", () -> server.told.contains(isTold(source)));
    awaitNothingToSay();
  }

  // ---- a disk that is back

  /** Both have the same user, so only the generation tells one from the other. */
  @Test
  void noOldWordIsSaidOfADiskThatIsBackByAnotherName() throws Exception {
    leaves();
    long left = host.disk().details().generation();
    server.onlyAnew.add(path("old")); // no word gets there before the disk does
    server.isBack(path("old"));
    Files.createSymbolicLink(directory.resolve("link"), host.file("old"));
    String back = "netchannel:" + directory.resolve("link");
    host.swap(back, Map.of());
    host.awaitState("done");
    assertThat(host.disk().details().generation()).isGreaterThan(left);
    server.onlyAnew.clear();
    host.restartDaemon(true);
    awaitNothingToSay();
    assertThat(server.told).containsExactly(path("old") + " arrived");
    assertThat(server.rivals).hasValue(0);
    assertThat(server.open).containsExactly(path("old"));
    host.write(1);
    host.verify();
  }

  /**
   * Likewise of one that was to be copied to, and was never opened: the server knows nothing yet.
   */
  @Test
  void noOldWordIsSaidOfACopyThatBeginsAgain() throws Exception {
    host.startGuest(host.make("file", "old"));
    String source = host.make("netchannel", "new");
    server.deafToLooks = true; // no word gets there before the copy does
    server.notOpening.add(path("new"));
    assertThatThrownBy(() -> host.swap(source, Map.of())).hasMessageContaining("not for you now");
    long left = host.disk().details().generation();
    server.notOpening.clear();
    host.swap(source, MANUAL);
    host.awaitState("sync");
    assertThat(host.disk().details().generation()).isGreaterThan(left);
    server.deafToLooks = false;
    awaitNothingToSay();
    assertThat(server.rivals).hasValue(0);
    host.write(1);
    host.job("pivot");
    host.awaitState("done");
    host.verify();
  }

  @Test
  void whoComesBackTakesANewerGeneration() throws Exception {
    String source = host.make("netchannel", "old");
    host.startGuest(source);
    host.swap(host.make("netchannel", "new"), Map.of());
    host.awaitState("done");
    long left = host.disk().details().generation();
    assertThat(server.told).contains(path("old") + " moved to netchannel:" + path("new"));
    host.swap(source, Map.of());
    host.awaitState("done");
    assertThat(host.disk().details().generation()).isEqualTo(left + 1);
    host.write(1);
    host.verify();
  }

  // ---- what a person says

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatIsForgottenIsTheGuestsAgain(boolean restarted) throws Exception {
    leaves();
    host.job("forget");
    if (restarted) {
      host.restartDaemon(true);
    }
    server.isBack(path("old"));
    host.await("it is told", () -> server.told.contains(path("old") + " arrived"));
    host.await("its place is free", () -> isFree("old"));
    assertThat(server.told).hasSize(1);
  }

  // ---- the new disk

  /** Its server lets nobody in before: the start waits for that a while, and says so. */
  @Test
  void aStartWaitsForTheServerOfItsNewDisk() throws Exception {
    inSync("file", "netchannel");
    server.notNoting.add(path("new"));
    host.job("pivot");
    host.await("the reason", () -> host.reason().contains("has no room for it"));
    host.endGuest();
    assertThat(host.refusedStart("netchannel:" + path("new")))
        .contains("was switched to netchannel:" + path("new"))
        .contains("has not noted that within 10 s");
    server.notNoting.clear();
    host.startGuest("netchannel:" + path("new"));
    assertThat(server.told).contains(path("new") + " arrived");
    host.awaitState("done");
    host.verify();
  }
}

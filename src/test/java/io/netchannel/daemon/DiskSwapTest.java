package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.mirror.TrackedDevice;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A disk that is put under its running guest in the place of another one. */
@Timeout(120)
final class DiskSwapTest extends SwappedGuest {
  @Test
  void theNewDiskHasAllThatTheGuestWrites() throws Exception {
    String source = made("new", SIZE);
    assertThat(swap(source))
        .containsEntry("old", "file:" + file("old"))
        .containsEntry("new", source)
        .containsEntry("target", "xvdb")
        .containsEntry("pivot", "auto");
    isSwitchedTo(source);
    assertThat(job("show"))
        .containsEntry("leftBytes", 0L)
        .containsEntry("sizeBytes", SIZE)
        .containsKey("switchedAfterMillis");
  }

  @Test
  void aLargerOneThatIsMadeForItWillDo() throws Exception {
    String source = "file:" + file("created");
    swap(source, "create", true, "destIsZero", true);
    isSwitchedTo(source);
    assertThat(Files.size(file("created"))).isEqualTo(SIZE);
    assertThatThrownBy(() -> swap("file:" + file("old"), "create", true))
        .hasMessageContaining("expected nothing there, found a file");
    String larger = made("larger", SIZE + BLOCK);
    swap(larger);
    writesUntil("the second switch", () -> isIn("done"));
    assertThat(device()).containsEntry("source", larger);
  }

  @Test
  void bothAreComparedBeforeTheSwitch() throws Exception {
    String source = made("new", SIZE);
    swap(source, "verify", true, "pivot", "manual", "bandwidth", 4 * SLOW);
    writesUntil("all is copied", () -> isIn("verifying"));
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    assertThat(verified()).as("begins again").isLessThan(SIZE);
    job("bandwidth", "bandwidth", 0L);
    writesUntil("sync", () -> isIn("sync"));
    assertThat(verified()).isEqualTo(SIZE);
    job("pivot");
    isSwitchedTo(source);
  }

  @Test
  void whatIsNotLikeTheDiskDoesNotBecomeIt() throws Exception {
    String source = made("new", SIZE);
    swap(source, "verify", true, "bandwidth", 4 * SLOW);
    await("some copies", () -> copied() > SIZE / 4);
    try (FileChannel changed = FileChannel.open(file("new"), StandardOpenOption.WRITE)) {
      changed.write(ByteBuffer.wrap(new byte[] {(byte) ~content[2 * BLOCK + 7]}), 2 * BLOCK + 7);
    }
    job("bandwidth", "bandwidth", 0L);
    await("that it is found", () -> isIn("failed"));
    assertThat(job("show").get("reason").toString())
        .contains("differ at byte " + (2 * BLOCK + 7) + ",", "begin anew");
    assertThat(device()).containsEntry("source", "file:" + file("old"));
    await("the mirror has gone", () -> node("follower").isEmpty());
    verify();
    assertThatThrownBy(() -> job("pivot")).hasMessageContaining("it has failed: source and target");
    String other = made("other", SIZE);
    swap(other);
    isSwitchedTo(other);
  }

  @Test
  void aRestartGoesOnWithIt() throws Exception {
    String source = made("new", SIZE);
    swap(source, "bandwidth", 4 * SLOW);
    await("some copies", () -> copied() > SIZE / 2);
    write(1);
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    assertThat(job("show").get("new")).isEqualTo(source);
    write(2);
    job("bandwidth", "bandwidth", 0L);
    await("the end of the job", () -> isIn("done"));
    assertThat(copied()).as("the rest").isPositive().isLessThan(SIZE / 2 + SIZE / 16);
    isSwitchedTo(source);
  }

  /** As the host has lost power: what the new device has now nobody knows, but most is alike. */
  @Test
  void withoutItsMapAllIsCompared() throws Exception {
    String source = made("new", SIZE);
    swap(source, "pivot", "manual");
    writesUntil("sync", () -> isIn("sync"));
    host.stopDaemon();
    Path map = map();
    Files.delete(map);
    try (FileChannel lost = FileChannel.open(file("new"), StandardOpenOption.WRITE)) {
      lost.write(ByteBuffer.wrap(new byte[] {(byte) ~content[2 * BLOCK]}), 2 * BLOCK);
    }
    host.startDaemon();
    await("sync again", () -> isIn("sync"));
    assertThat(copied()).as("what differs").isEqualTo(BLOCK);
    job("pivot");
    isSwitchedTo(source);
    assertThat(map).doesNotExist();
  }

  /** What the daemon has copied is in a file that nobody has any more. */
  @Test
  void whatAnotherNewDiskHasIsComparedWhateverTheMapSays() throws Exception {
    String source = made("new", SIZE);
    swap(source, "pivot", "manual");
    writesUntil("sync", () -> isIn("sync"));
    host.stopDaemon();
    made("foreign", SIZE);
    Files.move(file("foreign"), file("new"), StandardCopyOption.REPLACE_EXISTING);
    host.startDaemon();
    await("sync again", () -> isIn("sync"));
    assertThat(Files.readAllBytes(file("new"))).isEqualTo(content);
    job("pivot");
    isSwitchedTo(source);
  }

  private Path map() throws IOException {
    try (Stream<Path> files = Files.walk(directory.resolve("hosta/run/differences"))) {
      return files.filter(Files::isRegularFile).findFirst().orElseThrow();
    }
  }

  @Test
  void theMapsOfJobsThatAreOverAreRemoved() throws Exception {
    swap(made("new", SIZE), "pivot", "manual");
    Path map = map();
    Path left = Files.createFile(map.resolveSibling(new UUID(3, 3).toString()));
    host.startDaemon();
    assertThat(left).doesNotExist();
    assertThat(map).exists();
    job("abort");
    await("the end", () -> isIn("aborted"));
    assertThat(map).doesNotExist();
  }

  @Test
  void whatIsGivenUpWhileItsNewDiskIsAwayIsNotedNoLonger() throws Exception {
    Files.write(file("new"), new byte[(int) SIZE]);
    swap("away:" + file("new"), "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    host.stopDaemon();
    awayFor.set(Integer.MAX_VALUE);
    host.startDaemon();
    writesUntil("that it waits", () -> isIn("paused"));
    job("abort");
    await("the end", () -> isIn("aborted"));
    await(
        "the disk alone",
        () ->
            host.daemon()
                .midPoints()
                .find(DOMAIN, "xvdb")
                .flatMap(ServedDisk::device)
                .filter(device -> !(device instanceof TrackedDevice))
                .isPresent());
    write(1);
    verify();
  }

  @Test
  void aNewDiskThatIsAwayAtTheRestartIsWaitedForWithoutTheGuest() throws Exception {
    Files.write(file("new"), new byte[(int) SIZE]);
    String source = "away:" + file("new");
    swap(source, "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    host.stopDaemon();
    awayFor.set(2);
    host.startDaemon();
    writesUntil("that it waits", () -> isIn("paused"));
    assertThat(job("show").get("reason").toString()).contains("is away, for the test");
    job("bandwidth", "bandwidth", 0L);
    isSwitchedTo(source);
  }

  @Test
  void aSwitchThatLibvirtDoesNotKnowYetOutlivesTheDaemon() throws Exception {
    libvirt.away = true;
    String source = made("new", SIZE);
    swap(source);
    writesUntil("the switch", () -> isIn("switched"));
    overwriteOld();
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    assertThat(isIn("switched")).isTrue();
    assertThat(device()).containsEntry("source", source);
    verify();
    assertThat(job("show").get("metadataProblem").toString()).contains("libvirt is away");
    libvirt.away = false;
    host.daemon().libvirtIsBack();
    isSwitchedTo(source);
  }

  /** Libvirt, or a server, may be gone for good. */
  @Test
  void aSwitchedJobEndsAtAPersonsWord() throws Exception {
    libvirt.away = true;
    String source = made("new", SIZE);
    swap(source);
    writesUntil("the switch", () -> isIn("switched"));
    job("forget");
    writesUntil("its end", () -> isIn("done"));
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    assertThat(device()).containsEntry("source", source);
    verify();
    libvirt.away = false;
    String next = made("next", SIZE);
    swap(next);
    isSwitchedTo(next);
  }

  /** What a copy comes to do is not what a person has meant. */
  @Test
  void aWordDuringACopySilencesNoSwitch() throws Exception {
    Files.write(file("new"), new byte[(int) SIZE]);
    String source = "away:" + file("new");
    swap(source, "pivot", "manual");
    writesUntil("sync", () -> isIn("sync"));
    job("forget");
    job("pivot");
    isSwitchedTo(source);
    assertThat(authority).containsExactly("anew 1", "arrived");
  }

  @Test
  void theAuthoritiesOfBothDevicesLearnWhereTheDiskIs() throws Exception {
    Files.write(file("new"), new byte[(int) SIZE]);
    String source = "away:" + file("new");
    notesFail.set(1);
    swap(source);
    writesUntil("that the first note fails", () -> notesFail.get() == 0);
    isSwitchedTo(source);
    assertThat(authority).containsExactly("anew 1", "arrived");
    authority.clear();
    String home = made("home", SIZE);
    swap(home);
    writesUntil("the way back", () -> isIn("done"));
    assertThat(authority).containsExactly("moved to " + home);
    assertThat(device()).containsEntry("source", home);
  }

  /** A crash between the record and the nodes. */
  @Test
  void theJournalIsRightWhereTheNodesAreNot() throws Exception {
    libvirt.away = true;
    String source = made("new", SIZE);
    swap(source);
    writesUntil("the switch", () -> isIn("switched"));
    overwriteOld();
    host.stopDaemon();
    host.store()
        .write(
            "/local/domain/0/backend/netchannel/%d/%d/params".formatted(domain.domid(), XVDB),
            "file:" + file("old"));
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    assertThat(node("params")).isEqualTo(source);
    verify();
  }

  @Test
  void givenUpTheOldOneIsTheDisk() throws Exception {
    swap(made("new", SIZE), "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    job("abort");
    writesUntil("the end", () -> isIn("aborted"));
    assertThat(job("show").get("reason")).isEqualTo("given up by hand");
    Files.write(file("new"), new byte[(int) SIZE]);
    assertThat(device()).containsEntry("source", "file:" + file("old"));
    assertThat(node("follower")).isEmpty();
    verify();
    String other = made("other", SIZE);
    swap(other);
    isSwitchedTo(other);
  }

  @Test
  void toldToWaitItStaysInSyncUntilToldToSwitch() throws Exception {
    String source = made("new", SIZE);
    swap(source, "pivot", "manual");
    writesUntil("sync", () -> isIn("sync"));
    writesUntil("a while", () -> random.nextInt(20) == 0);
    assertThat(isIn("sync")).isTrue();
    job("pivot");
    isSwitchedTo(source);
  }

  @Test
  void pausedItCopiesNothingAlsoAfterARestart() throws Exception {
    String source = made("new", SIZE);
    swap(source, "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    job("pause");
    assertThat(isIn("paused")).isTrue();
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    writesUntil("a while", () -> random.nextInt(20) == 0);
    assertThat(isIn("paused")).isTrue();
    assertThat(copied()).isZero();
    job("bandwidth", "bandwidth", 0L);
    assertThat(isIn("paused")).isTrue();
    job("resume");
    isSwitchedTo(source);
  }

  @Test
  void whatCannotTakeItsPlaceIsRefused() throws Exception {
    assertThatThrownBy(() -> swap(made("small", SIZE - BLOCK)))
        .hasMessageContaining("is smaller: expected at least %d bytes".formatted(SIZE));
    Files.createSymbolicLink(file("link"), file("old"));
    assertThatThrownBy(() -> swap("file+cache:" + file("link")))
        .hasMessageContaining("is the disk already");
    assertThatThrownBy(() -> swap("file:" + file("missing"))).isInstanceOf(ControlException.class);
    assertThatThrownBy(() -> job("pivot")).hasMessageContaining("no job of xvdb");
    assertThat((List<?>) host.daemon().control().handle(Map.of("command", "jobs"))).isEmpty();
    swap(made("new", SIZE), "bandwidth", SLOW);
    assertThatThrownBy(() -> swap(made("other", SIZE)))
        .hasMessageContaining("has a job already, to file:" + file("new"));
    swap("file:" + file("new"));
    assertThat((List<?>) host.daemon().control().handle(Map.of("command", "jobs")))
        .as("said again it is the same one")
        .hasSize(1);
    verify();
  }

  @Test
  void aGuestThatEndsTakesItsJobAlong() throws Exception {
    swap(made("new", SIZE), "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    end();
    await("the end of the job", () -> isIn("aborted"));
    startGuest("file:" + file("old"));
    verify();
  }

  @Test
  void nobodyStartsFromADiskThatWasLeftWithoutAWord() throws Exception {
    String source = made("new", SIZE);
    swap(source);
    isSwitchedTo(source);
    end();
    isRefusedWithTheOldXml(source);
    startGuest(source);
    verify();
    end();
    job("forget");
    startGuest("file:" + file("old"));
  }

  /** What the first life of the disk had copied is nothing to the second one. */
  @Test
  void aJobDoesNotOutliveItsGuestAlsoWhenNobodySawItGo() throws Exception {
    swap(made("new", SIZE), "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    host.stopDaemon();
    Files.move(
        file("old"), file("hidden")); // its disk is not served again, so nobody carries the job
    host.startDaemon();
    host.store().remove(Guest.path(domain.domid()));
    domain.destroy();
    await("its end", () -> host.daemon().midPoints().ofDomain(DOMAIN).isEmpty());
    Files.move(file("hidden"), file("old"));
    startGuest("file:" + file("old"));
    await("the end of the job", () -> isIn("aborted"));
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    writesUntil("a while", () -> random.nextInt(20) == 0);
    assertThat(isIn("aborted")).isTrue();
    assertThat(node("follower")).isEmpty();
    verify();
  }

  @Test
  void whatIsBecomingADiskIsNobodyElses() throws Exception {
    String target = made("new", SIZE);
    swap(target, "bandwidth", SLOW);
    EmbeddedDomain other = host.createDomain("web2", new UUID(1, 2));
    Map<String, Object> attach = new TreeMap<>();
    attach.putAll(
        Map.of("command", "attach-disk", "domain", "web2", "target", "xvdb", "source", target));
    assertThatThrownBy(() -> ask(attach)).hasMessageContaining("is becoming xvdb of web1");
    attach.put("source", made("web2", SIZE));
    ask(attach);
    assertThat(other.domid()).isNotEqualTo(domain.domid());
    assertThatThrownBy(
            () ->
                ask(
                    Map.of(
                        "command", "swap", "domain", "web2", "target", "xvdb", "source", target)))
        .hasMessageContaining("is becoming xvdb of web1");
  }

  /** It is what the text of a refused start advises. */
  @Test
  void toWriteTheXmlByHandDoesNotKeepTheJobFromItsEnd() throws Exception {
    libvirt.away = true;
    String source = made("new", SIZE);
    swap(source);
    writesUntil("the switch", () -> isIn("switched"));
    job("write-metadata");
    libvirt.away = false;
    job("write-metadata");
    isSwitchedTo(source);
  }
}

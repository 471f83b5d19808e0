package io.netchannel.rehearsal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.rehearsal.host.ModelHost;
import io.netchannel.rehearsal.host.Virsh;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A guest that takes its disk along: copied first, then both go in one moment. */
@Timeout(300)
final class MigrateWithStorageTest extends TravellingGuest {
  /** Of a file of the first host, which has no name elsewhere. */
  private static final String VOLUME = "web1-xvdb";

  private Path local() {
    return directory.resolve("local.raw");
  }

  private String volumeAtB() {
    return "netchannel://%s:%d/%s".formatted(B, portB, VOLUME);
  }

  private void runGuestOnFile() throws Exception {
    try (RandomAccessFile disk = new RandomAccessFile(local().toFile(), "rw")) {
      disk.setLength(DISK_BYTES);
    }
    startWithPool(hosts.b());
    runGuest("file:" + local(), Optional.empty());
  }

  private void runGuestOnExport() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.empty());
  }

  private static JsonNode prepare(ModelHost at, String host, String more) {
    return ask(at, "{'command':'migrate','domain':'web1','host':'%s'%s}".formatted(host, more));
  }

  /** What the command does before it calls libvirt. */
  private void copy(ModelHost at, String host) {
    JsonNode prepared = prepare(at, host, "");
    assertThat(prepared.path("host").asText()).isEqualTo(host);
    assertThat(prepared.path("jobs")).hasSize(1);
    isInSync(at);
    assertThat(job(at).path("goesTo").asText()).isEqualTo(host);
  }

  private void isInSync(ModelHost at) {
    until("that it is in sync", () -> state(at).equals("sync"));
  }

  /** The first host knows that its disk is out of date, and the guest reads nothing of it. */
  private void hasGoneTo(String source, Path left) throws Exception {
    awaitDone(hosts.b(), source);
    until("that it is over at the source", () -> state(hosts.a()).equals("done"));
    noise(left);
    progress();
  }

  @Test
  void anExportGoesAlongThereAndBack() throws Exception {
    runGuestOnExport();
    copy(hosts.a(), B);
    migrate(hosts.a(), hosts.b());
    hasGoneTo(atB(), disk());
    isLeft(hosts.a(), atB());
    assertThat(export(hosts.b()).path("source").asText())
        .isEqualTo("file:" + pool().resolve("vol7"));
    assertThat(export(hosts.b()).path("allow").toString())
        .isEqualTo("[\"%s\",\"%s\"]".formatted(B, A));
    copy(hosts.b(), A);
    migrate(hosts.b(), hosts.a());
    awaitDone(hosts.a(), atA());
    noise(pool().resolve("vol7"));
    progress();
    isLeft(hosts.b(), atA());
    endsWith(hosts.a(), disk());
  }

  @Test
  void aFileGoesAlongAndIsNotStartedFromAgain() throws Exception {
    runGuestOnFile();
    copy(hosts.a(), B);
    migrate(hosts.a(), hosts.b());
    hasGoneTo(volumeAtB(), local());
    endsWith(hosts.b(), pool().resolve(VOLUME));
    libvirt.define(definedAs("file:" + local()));
    assertThatThrownBy(() -> virsh.start(hosts.a()))
        .hasMessageContaining("was switched to " + volumeAtB());
    assertThatThrownBy(() -> hosts.a().command("{\"command\":\"take-back\",\"which\":\"web1\"}"))
        .hasMessageContaining("has nothing to be taken back here: it is in COMMIT");
  }

  /** Whoever does not know yet where the disk is is told it all the same. */
  @Test
  void aStartThatIsRefusedDoesNotEndWhatIsStillToBeTold() throws Exception {
    runGuestOnFile();
    copy(hosts.a(), B);
    libvirt.away = true;
    migrate(hosts.a(), hosts.b());
    until("that it has gone", () -> state(hosts.a()).equals("switched"));
    endsWith(hosts.b(), pool().resolve(VOLUME));
    assertThatThrownBy(() -> virsh.start(hosts.a()))
        .hasMessageContaining("was switched to " + volumeAtB());
    assertThat(state(hosts.a())).isEqualTo("switched");
    libvirt.away = false;
    until("that all know it", () -> state(hosts.a()).equals("done"));
  }

  /** Other hosts reach it where it is: the guest goes, and the disk comes after it. */
  @Test
  void anExportWhoseCopyIsLostStaysBehindAndFollows() throws Exception {
    runGuestOnExport();
    copy(hosts.a(), B);
    migrate(
        hosts.a(),
        hosts.b(),
        () -> {
          tell(hosts.a(), "'pause'");
          until("that it is paused", () -> state(hosts.a()).equals("paused"));
          progress();
          assertThat(job(hosts.a()).path("migrates").asBoolean()).isTrue();
          assertThat(job(hosts.a()).path("holder").isNull()).isTrue();
        });
    until("its end at the source", () -> state(hosts.a()).equals("aborted"));
    until("the end of the migration", () -> !job(hosts.a()).path("migrates").asBoolean());
    assertThat(job(hosts.a()).path("holder").asText()).isEqualTo(B);
    assertThat(job(hosts.a()).path("reason").asText())
        .isEqualTo("its guest has gone to %s, and the job with it".formatted(B));
    assertThat(ask(hosts.a(), "{'command':'migrations','which':'web1'}").toString())
        .contains("xvdb stays at %s: %s is not in sync".formatted(atA(), atB()));
    isSwitchedFromA(hosts.b(), pool().resolve("vol7"));
  }

  /** Nobody else reaches it: the guest stays with it, and the next attempt goes through. */
  @Test
  void aFileWhoseCopyIsLostKeepsItsGuest() throws Exception {
    runGuestOnFile();
    copy(hosts.a(), B);
    Virsh.Outcome outcome =
        virsh.migrate(
            hosts.a(),
            hosts.b(),
            guest,
            workload,
            () -> {
              tell(hosts.a(), "'pause'");
              until("that it is paused", () -> state(hosts.a()).equals("paused"));
              progress();
            });
    assertThat(outcome.moved()).isFalse();
    assertThat(outcome.message())
        .contains("xvdb cannot go along")
        .contains("is not in sync: a person has paused it");
    progress();
    tell(hosts.a(), "'resume'");
    isInSync(hosts.a());
    migrate(hosts.a(), hosts.b());
    hasGoneTo(volumeAtB(), local());
    endsWith(hosts.b(), pool().resolve(VOLUME));
  }

  /** The other host has not looked at the disk where it is, and there may be another's file. */
  @Test
  void aFileWhoseCopyIsGivenUpOnTheWayKeepsItsGuest() throws Exception {
    runGuestOnFile();
    copy(hosts.a(), B);
    Virsh.Outcome outcome =
        virsh.migrate(
            hosts.a(),
            hosts.b(),
            guest,
            workload,
            () -> {
              tell(hosts.a(), "'abort'");
              progress();
            });
    assertThat(outcome.moved()).isFalse();
    assertThat(outcome.message())
        .contains("xvdb cannot go along: %s was given up on the way".formatted(volumeAtB()));
    progress();
    endsWith(hosts.a(), local());
  }

  /** In the midst of it, whatever was done: the guest has its old disk, and tries again. */
  @ParameterizedTest
  @EnumSource(
      value = Point.class,
      names = {
        "DESTINATION_PREPARED",
        "DESTINATION_SEALED",
        "DESTINATION_TAKEN_OVER",
        "SOURCE_PREPARED",
        "SOURCE_SUSPENDED",
        "SOURCE_SEALED",
        "SOURCE_GIVEN"
      })
  void whatFailsLeavesTheGuestItsDisk(Point point) throws Exception {
    String fault = "[faults]\n\"%s\" = \"fail\"\n".formatted(point.key());
    boolean atSource = point.key().startsWith("source.");
    if (atSource) {
      start(hosts.a(), fault);
    }
    start(hosts.b(), POOL.formatted(pool()) + (atSource ? "" : fault));
    runGuest(Optional.empty());
    copy(hosts.a(), B);
    try {
      assertThat(virsh.migrate(hosts.a(), hosts.b(), guest, workload, this::progress).moved())
          .isFalse();
    } catch (Virsh.RefusedException e) {
      assertThat(e).hasMessageContaining(point.key());
    }
    until(
        "the end of the migration",
        () -> hosts.a().lastMigration().stream().noneMatch(m -> m.isActive()));
    progress();
    boolean given = point == Point.DESTINATION_TAKEN_OVER || point == Point.SOURCE_GIVEN;
    if (given) {
      until("that it is given up", () -> state(hosts.a()).equals("aborted"));
      assertThat(job(hosts.a()).path("reason").asText())
          .startsWith("the migration of its guest has failed, given back by " + B);
      noise(pool().resolve("vol7"));
    } else {
      isInSync(hosts.a());
    }
    assertThat(source(hosts.a())).isEqualTo(atA());
    assertThat(job(hosts.b()).isMissingNode()).isTrue();
    start(hosts.a(), "");
    startWithPool(hosts.b());
    progress();
    copy(hosts.a(), B);
    migrate(hosts.a(), hosts.b());
    hasGoneTo(atB(), disk());
    endsWith(hosts.b(), pool().resolve("vol7"));
  }

  @Test
  void restartsOfBothDaemonsOnTheWayChangeNothing() throws Exception {
    runGuestOnExport();
    copy(hosts.a(), B);
    migrate(
        hosts.a(),
        hosts.b(),
        () -> {
          unchecked(
              () -> {
                start(hosts.a(), "");
                startWithPool(hosts.b());
                return null;
              });
          progress();
          isInSync(hosts.a()); // all is copied anew, while its memory is
        });
    startWithPool(hosts.b());
    start(hosts.a(), "");
    progress();
    hasGoneTo(atB(), disk());
    isLeft(hosts.a(), atB());
    endsWith(hosts.b(), pool().resolve("vol7"));
  }

  /** What was given up stays behind in any migration, and what it had begun serves again. */
  @Test
  void whatAPersonGivesUpStays() throws Exception {
    runGuestOnExport();
    copy(hosts.a(), B);
    tell(hosts.a(), "'abort'");
    until("its end", () -> state(hosts.a()).equals("aborted"));
    noise(pool().resolve("vol7"));
    migrate(hosts.a(), hosts.b());
    assertThat(source(hosts.b())).isEqualTo(atA());
    migrate(hosts.b(), hosts.a());
    copy(hosts.a(), B);
    migrate(hosts.a(), hosts.b());
    hasGoneTo(atB(), disk());
    endsWith(hosts.b(), pool().resolve("vol7"));
  }

  @Test
  void whatCannotGoAlongIsToldBeforeAnythingIsMade() throws Exception {
    start(hosts.b(), "");
    assertThatThrownBy(() -> prepare(hosts.a(), B, ""))
        .hasMessageContaining("no running domain \"web1\" on this host");
    runGuest(Optional.empty());
    assertThatThrownBy(() -> prepare(hosts.a(), "hostz", ""))
        .hasMessageContaining("hostz is no [[peer]] of this host");
    assertThatThrownBy(() -> prepare(hosts.a(), B, ""))
        .hasMessageContaining("no volume at %s: this host has no pool: add [[pool]]".formatted(B));
    startWithPool(hosts.b());
    assertThatThrownBy(() -> prepare(hosts.a(), B, ",'pool':'slow'"))
        .hasMessageContaining("this host has no pool slow: it has fast");
    Files.writeString(pool().resolve("vol7"), "somebody's");
    assertThatThrownBy(() -> prepare(hosts.a(), B, ""))
        .hasMessageContaining("is there already and no export of this host");
    Files.delete(pool().resolve("vol7"));
    hosts.b().stopDaemon();
    assertThatThrownBy(() -> prepare(hosts.a(), B, ""))
        .hasMessageContaining("cannot be reached")
        .hasMessageContaining("a volume vol7 may have been made there");
    startWithPool(hosts.b());
    Path other = directory.resolve("other.raw");
    swap(
        hosts.a(),
        "{'command':'swap','domain':'web1','target':'xvdb','source':'file:%s','create':true,'pivot':'manual'}"
            .formatted(other));
    assertThatThrownBy(() -> prepare(hosts.a(), B, ""))
        .hasMessageContaining("has a job already, to file:" + other);
    tell(hosts.a(), "'abort'");
    until("its end", () -> state(hosts.a()).equals("aborted"));
    migrate(hosts.a(), hosts.b());
    // Its disk is at the first host, and it is to go there: nothing has to be copied.
    JsonNode back = prepare(hosts.b(), A, "");
    assertThat(back.path("jobs")).isEmpty();
    assertThat(back.path("staying").toString()).contains("xvdb is at %s already".formatted(atA()));
    ask(hosts.b(), "{'command':'export','name':'more','source':'file:%s'}".formatted(other));
    ask(
        hosts.b(),
        "{'command':'attach-disk','domain':'web1','target':'xvdc','source':'netchannel+unix:///more?socket=%s'}"
            .formatted(directory.resolve(B).resolve("run").resolve("export.sock")));
    assertThatThrownBy(() -> prepare(hosts.b(), A, ""))
        .hasMessageContaining("xvdc is at netchannel+unix:///more")
        .hasMessageContaining("only a file of this host goes along");
    endsWith(hosts.b(), disk());
  }
}

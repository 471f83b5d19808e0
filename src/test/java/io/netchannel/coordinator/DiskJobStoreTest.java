package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.coordinator.journal.v1.Job;
import io.netchannel.coordinator.journal.v1.Record;
import io.netchannel.files.MemoryFiles;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class DiskJobStoreTest {
  private static final UUID DOMAIN = new UUID(1, 2);
  private static final DeviceKey DISK = new DeviceKey(DOMAIN, "xvdb");
  private static final Instant NOW = Instant.parse("2026-01-01T00:00:00.123456Z");
  private static final DiskJob.Settings SETTINGS = new DiskJob.Settings(true, false, true, true, 7);

  private MemoryFiles files = new MemoryFiles(new Random(20260102), () -> {});
  private MigrationStore migrations;
  private DiskJobStore jobs;

  @BeforeEach
  void start() throws JournalException {
    open(files);
  }

  private void open(MemoryFiles disk) throws JournalException {
    migrations =
        new MigrationStore(JournalInMemory.open(disk), Clock.fixed(NOW, ZoneOffset.UTC), () -> 0L);
    jobs = new DiskJobStore(migrations, Clock.fixed(NOW, ZoneOffset.UTC));
  }

  /** What a power cut leaves. */
  private void restart() throws JournalException {
    files = files.worstCase();
    open(files);
  }

  private static DiskJob job(int number) {
    return job(number, "file:/old", "file:/new" + number);
  }

  private static Migration migration() {
    return Migration.begin(
        new UUID(9, 9), Direction.OUTGOING, "web1", DOMAIN, "hostb", List.of(), NOW);
  }

  @Test
  void aPowerCutFindsWhatWasBegun() throws Exception {
    jobs.begin(job(1));
    restart();
    assertThat(jobs.active(DISK)).contains(job(1));
    assertThat(jobs.moved(DISK)).isEmpty();
  }

  /** One that follows its guest is over when that leaves; the others are what people want. */
  @Test
  void whatPeopleHaveBegunTravelsWithTheGuest() throws Exception {
    jobs.begin(job(3));
    assertThat(jobs.carriedOf(DOMAIN, "hostb")).isEmpty();
    jobs.end(job(3), JobEvent.ABORTED, "by hand");
    jobs.begin(job(2));
    assertThat(jobs.carriedOf(DOMAIN, "hostb"))
        .extracting(DiskJob::carried)
        .containsExactly(new PeerMessages.CarriedJob("xvdb", "file:/new2", true, SETTINGS, false));
    assertThat(jobs.carriedOf(new UUID(0, 0), "hostb")).isEmpty();
    var unused = jobs.switched(job(2));
    assertThat(jobs.carriedOf(DOMAIN, "hostb")).isEmpty();
  }

  /**
   * Of no use where the guest goes to another host; where it goes, it is switched at the latest.
   */
  @Test
  void whatGoesAlongTravelsToItsHostOnly() throws Exception {
    DiskJob along = along();
    jobs.begin(along);
    assertThat(jobs.carriedOf(DOMAIN, "hostc")).isEmpty();
    PeerMessages.CarriedJob carried = jobs.carriedOf(DOMAIN, "hostb").get(0).carried();
    assertThat(carried.takesOver()).isTrue();
    assertThat(carried.settings().switches()).isTrue();
    assertThat(jobs.copiesOf(DOMAIN))
        .containsExactly(new PeerMessages.Copy("xvdb", "netchannel://hostb/v", "hostb"));
    DiskJob came = DiskJob.carried(new UUID(1, 2), "hostb", migration(), carried, "file:/old", NOW);
    assertThat(came.origin().goesTo()).isEqualTo("hostb");
    assertThat(came.stayed().origin().goesAlong()).isFalse();
    assertThat(came.waitsForAWord()).isEmpty();
  }

  private static DiskJob along() {
    return DiskJob.begin(
        new UUID(7, 4),
        DISK,
        "web1",
        "file:/old",
        "netchannel://hostb/v",
        new DiskJob.Origin(false, true, "", "hostb"),
        new DiskJob.Settings(false, true, false, false, 0),
        NOW);
  }

  /** The disk is its copy there. */
  private Migration given() throws Exception {
    Migration migration =
        Migration.begin(
            new UUID(9, 9),
            Direction.OUTGOING,
            "web1",
            DOMAIN,
            "hostb",
            List.of(LocalDevices.GuestDevice.disk(DOMAIN, "xvdb", "file:/old", false, 4096, 3)),
            NOW);
    Migration known = migration;
    for (Event event : List.of(Event.PREPARED, Event.SUSPENDED, Event.SEALED)) {
      known = migrations.apply(known, event, "");
    }
    Migration copied =
        known.withDevices(List.of(known.devices().get(0).as("netchannel://hostb/v")));
    return jobs.give(copied, "given", Map.of(DISK, Generation.at("hostb", 4)));
  }

  @Test
  void whatIsGivenNobodyGivesUp() throws Exception {
    jobs.begin(along());
    Migration given = given();
    restart();
    assertThat(jobs.isGiven(along())).isTrue();
    assertThat(jobs.abort(along(), "by hand")).isFalse();
    assertThat(jobs.end(along(), JobEvent.ABORTED, "its guest has gone").isActive()).isTrue();
    assertThatThrownBy(() -> jobs.switched(along())).isInstanceOf(JobRefusedException.class);
    assertThat(given.devices().get(0).taken())
        .isEqualTo(
            LocalDevices.GuestDevice.disk(DOMAIN, "xvdb", "netchannel://hostb/v", false, 4096, 4));
  }

  @Test
  void whatWasGivenUpIsNotGiven() throws Exception {
    jobs.begin(along());
    assertThat(jobs.abort(along(), "by hand")).isTrue();
    assertThatThrownBy(this::given)
        .isInstanceOf(JobRefusedException.class)
        .hasMessageContaining("xvdb is not copied to netchannel://hostb/v any more");
  }

  @Test
  void theEndOfTheMigrationSaysWhereTheDiskHasGone() throws Exception {
    jobs.begin(along());
    var unused = jobs.taken(given(), "the guest runs on hostb");
    restart();
    DiskJob taken = jobs.active(DISK).orElseThrow();
    assertThat(taken.phase()).isEqualTo(JobPhase.TAKEN_OVER);
    assertThat(taken.switched()).contains(NOW);
    assertThat(jobs.isGiven(taken)).isFalse();
    assertThat(jobs.end(taken, JobEvent.ABORTED, "its guest has gone")).isEqualTo(taken);
    assertThat(jobs.moved(DISK))
        .contains(new Moved(DISK, "web1", "file:/old", "netchannel://hostb/v", NOW));
    assertThat(jobs.end(taken, JobEvent.FINISHED, "all know it").phase()).isEqualTo(JobPhase.DONE);
    isToBeTold("file:/old");
  }

  /** With the generation that this host had. */
  private void isToBeTold(String left) {
    assertThat(jobs.untold()).extracting(DiskJob::leftSource).containsExactly(left);
    assertThat(jobs.untold().get(0).untold()).contains(new DiskJob.Untold(3, false));
  }

  @Test
  void whatComesBackIsWhatItWas() throws Exception {
    jobs.begin(along());
    var unused = jobs.givenBack(given(), "no", Map.of(DISK, Generation.here(5)));
    restart();
    assertThat(jobs.active(DISK)).isEmpty();
    assertThat(jobs.all().get(0).phase()).isEqualTo(JobPhase.ABORTED);
    assertThat(jobs.left(DISK)).isEmpty();
    assertThat(migrations.generation(DISK)).contains(Generation.here(5));
    isToBeTold("netchannel://hostb/v");
  }

  /** Without a word in the journal too: a restart asks the destination again. */
  @Test
  void aFullDiskDoesNotKeepTheSourceFromLettingGo() throws Exception {
    jobs.begin(along());
    Migration given = given();
    files.breaks(MemoryFiles.Operation.FORCE);
    var unused = jobs.taken(given, "the guest runs on hostb");
    assertThat(jobs.active(DISK).orElseThrow().phase()).isEqualTo(JobPhase.TAKEN_OVER);
    assertThat(jobs.left(DISK)).hasSize(1);
    restart();
    assertThat(jobs.isGiven(along())).isTrue();
    assertThat(jobs.left(DISK)).isEmpty();
  }

  @Test
  void aPathOfAnotherHostIsNotOpenedWithoutAWord() {
    DiskJob path =
        DiskJob.carried(new UUID(1, 2), "hosta", migration(), job(1).carried(), "file:/old", NOW);
    assertThat(path.waitsForAWord().orElseThrow()).contains("came from hostb", "--resume");
    DiskJob.Settings resumed = new DiskJob.Settings(true, false, true, false, 7);
    assertThat(path.with(resumed).waitsForAWord()).isEmpty();
    assertThat(job(1).waitsForAWord()).as("paused by a person, and begun here").isEmpty();
    DiskJob export =
        DiskJob.carried(new UUID(1, 2), "hosta", migration(), job(2).carried(), "file:/old", NOW);
    assertThat(export.waitsForAWord()).isEmpty();
    assertThat(export.settings()).isEqualTo(SETTINGS);
  }

  @Test
  void nothingIsSwitchedWhenItsGuestIsAboutToMigrate() throws Exception {
    jobs.begin(job(1));
    migrations.hold(DOMAIN);
    assertThat(jobs.rests(DISK)).isTrue();
    assertThatThrownBy(() -> jobs.switched(job(1))).hasMessageContaining("about to migrate");
    migrations.release(DOMAIN);
    assertThat(jobs.rests(DISK)).isFalse();
    var unused = jobs.switched(job(1));
  }

  /** Until then it is the source's, and if the migration fails it stays that. */
  @Test
  void aJobThatComesIsOfThisHostFromTheEndOfTheMigrationOn() throws Exception {
    Migration comes =
        Migration.begin(
            new UUID(9, 8), Direction.INCOMING, "web1", DOMAIN, "hosta", List.of(), NOW);
    Migration known = migrations.apply(comes.with(List.of(), List.of(job(1))), Event.PREPARED, "");
    for (Event event :
        List.of(Event.SUSPENDED, Event.SEALED, Event.GIVEN, Event.TAKEN_OVER, Event.ANSWERED)) {
      known = migrations.apply(known, event, "");
      assertThat(jobs.all()).as("after %s", event).isEmpty();
    }
    files.breaks(MemoryFiles.Operation.FORCE);
    Migration resumed = migrations.get(known.id());
    assertThatThrownBy(() -> migrations.apply(resumed, Event.COMMITTED, ""))
        .isInstanceOf(JournalException.class);
    assertThat(jobs.all()).isEmpty();
    restart();
    assertThat(jobs.all()).as("after a restart").isEmpty();
    Migration over = migrations.apply(migrations.get(known.id()), Event.COMMITTED, "");
    assertThat(over.jobs()).as("they are on their own now").isEmpty();
    restart();
    assertThat(jobs.active(DISK)).contains(job(1));
    var unused = jobs.end(job(1), JobEvent.ABORTED, "by hand");
    restart();
    assertThat(jobs.active(DISK)).isEmpty();
  }

  @Test
  void aPowerCutFindsTheSwitchAndWhereTheDiskHasGone() throws Exception {
    jobs.begin(job(1));
    DiskJob switched = jobs.switched(job(1));
    restart();
    assertThat(jobs.active(DISK)).contains(switched);
    assertThat(switched.phase()).isEqualTo(JobPhase.SWITCHED);
    assertThat(switched.switched()).contains(NOW);
    assertThat(jobs.moved(DISK)).contains(new Moved(DISK, "web1", "file:/old", "file:/new1", NOW));
  }

  private static DiskJob job(int number, String from, String to) {
    return DiskJob.begin(
        new UUID(7, number),
        DISK,
        "web1",
        from,
        to,
        new DiskJob.Origin(number == 3, number == 2),
        SETTINGS,
        NOW);
  }

  private void switches(int number, String from, String to) throws Exception {
    jobs.begin(job(number, from, to));
    jobs.switched(job(number, from, to));
    jobs.end(job(number, from, to), JobEvent.FINISHED, "all know it");
  }

  private void areLeft(String... sources) throws JournalException {
    assertThat(jobs.left(DISK)).extracting(Moved::oldSource).containsExactly(sources);
    restart();
    assertThat(jobs.left(DISK)).extracting(Moved::oldSource).containsExactly(sources);
  }

  @Test
  void whatWasLeftStaysLeftUntilTheDiskIsThereAgain() throws Exception {
    switches(1, "file:/a", "file:/b");
    switches(2, "file:/b", "file:/c");
    areLeft("file:/a", "file:/b");
    assertThat(jobs.moved(DISK)).map(Moved::newSource).contains("file:/c");
    switches(3, "file:/c", "file:/a");
    areLeft("file:/b", "file:/c");
    jobs.arrived(DISK, "web1", "file:/d", Optional.empty());
    areLeft("file:/b", "file:/c", "file:/a");
    jobs.arrived(DISK, "web1", "file:/b", Optional.empty());
    areLeft("file:/c", "file:/a", "file:/d");
    jobs.forget(DISK);
    areLeft();
  }

  @Test
  void itIsThereAgainAlsoByAnotherName() throws Exception {
    UUID storage = new UUID(4, 4);
    jobs.begin(job(1, "file:/a", "file:/b"));
    jobs.storages(new UUID(7, 1), Optional.of(storage), Optional.of(new UUID(5, 5)));
    jobs.switched(job(1, "file:/a", "file:/b"));
    jobs.end(job(1, "file:/a", "file:/b"), JobEvent.FINISHED, "all know it");
    restart();
    assertThat(jobs.moved(DISK)).map(Moved::oldStorage).contains(Optional.of(storage));
    jobs.begin(job(2, "file:/b", "file:/link"));
    jobs.storages(new UUID(7, 2), Optional.of(new UUID(5, 5)), Optional.of(storage));
    jobs.switched(job(2, "file:/b", "file:/link"));
    areLeft("file:/b");
  }

  @Test
  void aSwitchThatCannotBeWrittenIsNone() throws Exception {
    jobs.begin(job(1));
    files.breaks(MemoryFiles.Operation.FORCE);
    assertThatThrownBy(() -> jobs.switched(job(1))).isInstanceOf(JournalException.class);
    assertThat(jobs.active(DISK)).contains(job(1));
    assertThat(jobs.moved(DISK)).isEmpty();
    assertThat(jobs.settled(DOMAIN)).isDone();
  }

  @Test
  void aDiskHasOneJobAtATime() throws Exception {
    jobs.begin(job(1));
    assertThatThrownBy(() -> jobs.begin(job(2)))
        .isInstanceOf(JobRefusedException.class)
        .hasMessage("xvdb of web1 has a job already, to file:/new1");
    jobs.end(job(1), JobEvent.ABORTED, "by hand");
    jobs.begin(job(2));
    assertThat(jobs.all()).extracting(DiskJob::id).containsExactly(job(2).id(), job(1).id());
  }

  @Test
  void aSettingNeverTakesASwitchBack() throws Exception {
    jobs.begin(job(1));
    DiskJob switched = jobs.switched(job(1));
    DiskJob.Settings changed = new DiskJob.Settings(false, true, false, false, 0);
    assertThat(jobs.set(job(1), changed)).isEqualTo(switched.with(changed));
    restart();
    assertThat(jobs.active(DISK)).contains(switched.with(changed));
  }

  @Test
  void nothingIsSwitchedWhileItsGuestMigrates() throws Exception {
    jobs.begin(job(1));
    Migration begun = migrations.begin(migration(), jobs, "no disk");
    assertThatThrownBy(() -> jobs.switched(job(1)))
        .isInstanceOf(JobRefusedException.class)
        .hasMessageContaining("is not over");
    assertThat(jobs.moved(DISK)).isEmpty();
    migrations.apply(begun, Event.ABORTED, "by hand");
    assertThat(jobs.switched(job(1)).phase()).isEqualTo(JobPhase.SWITCHED);
  }

  @Test
  void noJobBeginsWhileItsGuestMigrates() throws Exception {
    migrations.begin(migration(), jobs, "no disk");
    assertThatThrownBy(() -> jobs.begin(job(1))).isInstanceOf(JobRefusedException.class);
    assertThat(jobs.all()).isEmpty();
  }

  @Test
  void noMigrationBeginsBetweenASwitchAndItsEnd() throws Exception {
    jobs.begin(job(1));
    jobs.switched(job(1));
    var settled = jobs.settled(DOMAIN);
    assertThat(settled).isNotDone();
    assertThatThrownBy(() -> migrations.begin(migration(), jobs, "no disk"))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessageContaining("xvdb of web1 was switched to file:/new1");
    jobs.end(job(1), JobEvent.FINISHED, "all know it");
    settled.join();
    assertThat(migrations.begin(migration(), jobs, "no disk").phase()).isEqualTo(Phase.PRECOPY);
  }

  @Test
  void otherDomainsAreNotWaitedFor() throws Exception {
    jobs.begin(job(1));
    jobs.switched(job(1));
    assertThat(jobs.settled(new UUID(5, 5))).isDone();
  }

  @Test
  void anEndIsNotHeldUpByAFullDisk() throws Exception {
    jobs.begin(job(1));
    files.breaks(MemoryFiles.Operation.FORCE);
    assertThat(jobs.end(job(1), JobEvent.ABORTED, "by hand").isActive()).isFalse();
    assertThat(jobs.active(DISK)).isEmpty();
  }

  /** A restart would else switch to what its owner uses for something else by then. */
  @Test
  void whatAPersonGivesUpNoRestartFinds() throws Exception {
    jobs.begin(job(1));
    assertThat(jobs.abort(job(1), "by hand")).isTrue();
    assertThat(jobs.abort(job(1), "again")).isFalse();
    restart();
    assertThat(jobs.active(DISK)).isEmpty();
    assertThat(jobs.all().get(0).reason()).isEqualTo("by hand");
    jobs.begin(job(2));
    jobs.switched(job(2));
    assertThat(jobs.abort(job(2), "too late")).isFalse();
    assertThat(jobs.end(job(1), JobEvent.ABORTED, "its guest has gone").reason())
        .isEqualTo("by hand");
  }

  @Test
  void whatCannotBeWrittenIsNotGivenUp() throws Exception {
    jobs.begin(job(1));
    files.breaks(MemoryFiles.Operation.FORCE);
    assertThatThrownBy(() -> jobs.abort(job(1), "by hand")).isInstanceOf(JournalException.class);
    assertThat(jobs.active(DISK)).contains(job(1));
  }

  @Test
  void whatIsOverDoesNotChange() throws Exception {
    jobs.begin(job(1));
    jobs.end(job(1), JobEvent.ABORTED, "by hand");
    assertThatThrownBy(() -> jobs.switched(job(1))).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void whatWasMovedIsForgottenForGood() throws Exception {
    jobs.begin(job(1));
    jobs.switched(job(1));
    jobs.forget(DISK);
    restart();
    assertThat(jobs.moved(DISK)).isEmpty();
  }

  /** Also when the log is compacted, which it is at each start. */
  @Test
  void theLastOnesAreKept() throws Exception {
    for (int number = 0; number < MigrationJournal.KEPT_JOBS + 5; number++) {
      jobs.begin(job(number));
      jobs.end(job(number), JobEvent.ABORTED, "by hand");
    }
    jobs.begin(job(1000));
    restart();
    assertThat(jobs.all()).hasSize(MigrationJournal.KEPT_JOBS + 1);
    assertThat(jobs.all().get(0)).isEqualTo(job(1000));
    assertThat(jobs.all()).doesNotContain(job(0));
  }

  private static DiskJob following(int number) {
    return DiskJob.begin(
        new UUID(8, number),
        DISK,
        "web1",
        "file:/old",
        "file:/volume",
        new DiskJob.Origin(true, false),
        SETTINGS,
        NOW);
  }

  /** There is one every 30 s while it cannot begin. */
  @Test
  void ofAttemptsToFollowThatComeToTheSameEndTheNewestIsKept() throws Exception {
    jobs.begin(job(1));
    jobs.end(job(1), JobEvent.ABORTED, "by hand");
    for (int number = 0; number < 3; number++) {
      jobs.begin(following(number));
      jobs.end(following(number), JobEvent.ABORTED, "it could not begin");
    }
    restart();
    assertThat(jobs.all()).extracting(DiskJob::id).containsExactly(following(2).id(), job(1).id());
  }

  private void hasGeneration(long number) throws JournalException {
    migrations.setGenerations(Map.of(DISK, Generation.here(number)));
  }

  private void tell(int number) {
    UUID id = job(number).id();
    assertThat(jobs.told(id, jobs.find(id).flatMap(DiskJob::untold).orElseThrow())).isTrue();
  }

  /** Its server may be away for days, and daemons come and go. */
  @Test
  void whatTheServerOfTheDeviceThatWasLeftIsToBeToldOutlivesARestart() throws Exception {
    hasGeneration(4);
    jobs.begin(job(1));
    assertThat(jobs.untold()).as("neither is left").isEmpty();
    var unused = jobs.switched(job(1));
    hasGeneration(6);
    jobs.end(job(1), JobEvent.FINISHED, "all know it");
    restart();
    assertThat(jobs.untold()).extracting(DiskJob::leftSource).containsExactly("file:/old");
    assertThat(jobs.untold().get(0).untold()).contains(new DiskJob.Untold(4, false));
    assertThat(jobs.newestUntold(DISK)).isEqualTo(4);
    assertThat(jobs.newestUntold(new DeviceKey(DOMAIN, "xvdc"))).isZero();
    tell(1);
    restart();
    assertThat(jobs.untold()).isEmpty();
    assertThat(jobs.all().get(0).phase()).isEqualTo(JobPhase.DONE);
  }

  @Test
  void whatWasGivenUpLeavesTheNewDevice() throws Exception {
    hasGeneration(4);
    jobs.begin(job(1));
    jobs.abort(job(1), "by hand");
    restart();
    assertThat(jobs.untold()).extracting(DiskJob::leftSource).containsExactly("file:/new1");
    assertThat(jobs.newestUntold(DISK)).isEqualTo(4);
  }

  /** From the take-over on the newest generation is the other host's, and never was this one's. */
  @Test
  void aDiskThatHasGoneElsewhereWasHereWithTheGenerationBefore() throws Exception {
    hasGeneration(4);
    jobs.begin(job(1));
    migrations.setGenerations(Map.of(DISK, Generation.at("hostb", 5)));
    jobs.end(job(1), JobEvent.ABORTED, "its guest has gone to hostb");
    assertThat(jobs.newestUntold(DISK)).isEqualTo(4);
  }

  @Test
  void aJobOfWhichSomebodyIsStillToBeToldIsNotForgotten() throws Exception {
    hasGeneration(4);
    jobs.begin(job(0));
    jobs.end(job(0), JobEvent.ABORTED, "by hand");
    for (int number = 1; number < MigrationJournal.KEPT_JOBS + 5; number++) {
      jobs.begin(job(number));
      jobs.end(job(number), JobEvent.ABORTED, "by hand");
      tell(number);
    }
    restart();
    assertThat(jobs.untold()).extracting(DiskJob::id).containsExactly(job(0).id());
    assertThat(jobs.all()).hasSize(MigrationJournal.KEPT_JOBS + 1);
    tell(0);
    restart();
    assertThat(jobs.find(job(0).id())).isEmpty();
  }

  @Test
  void whatIsForgottenIsTakenBackWhereItIsStillToBeTold() throws Exception {
    hasGeneration(4);
    jobs.begin(job(1));
    jobs.end(job(1), JobEvent.ABORTED, "by hand");
    jobs.begin(job(2));
    jobs.switched(job(2));
    jobs.forget(DISK);
    restart();
    assertThat(jobs.moved(DISK)).isEmpty();
    assertThat(jobs.find(job(2).id()).orElseThrow().untold()).contains(new DiskJob.Untold(4, true));
    assertThat(jobs.find(job(1).id()).orElseThrow().untold())
        .as("it never was the disk")
        .contains(new DiskJob.Untold(4, false));
  }

  /** An answer that meets a person's word is not taken for one to that. */
  @Test
  void whatIsForgottenWhileItIsToldIsStillToBeTold() throws Exception {
    hasGeneration(4);
    jobs.begin(job(1));
    DiskJob.Untold said = jobs.switched(job(1)).untold().orElseThrow();
    jobs.forget(DISK);
    assertThat(jobs.told(job(1).id(), said)).isFalse();
    assertThat(jobs.newestUntold(DISK)).isEqualTo(4);
    tell(1);
    assertThat(jobs.untold()).isEmpty();
  }

  /** As an older version leaves one; told twice is the same as once. */
  @Test
  void whatIsFoundSwitchedIsToldOnceMore() throws Exception {
    hasGeneration(4);
    jobs.begin(job(1));
    jobs.switched(job(1));
    tell(1);
    restart();
    assertThat(jobs.untold()).isEmpty();
    jobs.tellFound();
    assertThat(jobs.untold()).extracting(DiskJob::leftSource).containsExactly("file:/old");
    tell(1);
    jobs.end(job(1), JobEvent.FINISHED, "all know it");
    jobs.tellFound();
    assertThat(jobs.untold()).as("of one that is over").isEmpty();
  }

  /** To a version that knows no such end it was given up. */
  @Test
  void anEndByFailureIsReadByAllVersions() throws Exception {
    jobs.begin(job(1));
    DiskJob failed = jobs.end(job(1), JobEvent.FAILED, "they differ");
    restart();
    assertThat(jobs.find(failed.id())).contains(failed);
    Job written =
        Record.parseFrom(JournalCodec.encode(JournalRecord.of(failed, Optional.empty())))
            .getJobs(0);
    assertThat(written.getPhase()).isEqualTo("ABORTED");
  }

  /** To a version that knows of no such journey it is over: the disk is its copy. */
  @Test
  void aDiskThatHasGoneWithItsGuestIsReadByAllVersions() throws Exception {
    DiskJob gone = job(1).moved(JobPhase.TAKEN_OVER, "its guest has gone to b", NOW);
    byte[] written = JournalCodec.encode(JournalRecord.of(gone, Optional.empty()));
    assertThat(Record.parseFrom(written).getJobs(0).getPhase()).isEqualTo("DONE");
    assertThat(JournalCodec.decode(written).jobs()).containsExactly(gone);
  }

  /** Told twice is the same as once. */
  @Test
  void whatCannotBeWrittenIsToldOnceMoreAfterARestart() throws Exception {
    hasGeneration(4);
    jobs.begin(job(1));
    jobs.switched(job(1));
    files.breaks(MemoryFiles.Operation.FORCE);
    tell(1);
    assertThat(jobs.untold()).isEmpty();
    restart();
    assertThat(jobs.newestUntold(DISK)).isEqualTo(4);
  }

  /** As many as there are phases and events, and no more. */
  @Test
  void noEventLeavesAnEnd() {
    for (JobEvent event : JobEvent.values()) {
      assertThat(JobTransitions.next(JobPhase.DONE, event)).isEmpty();
      assertThat(JobTransitions.next(JobPhase.ABORTED, event)).isEmpty();
    }
    assertThat(JobTransitions.next(JobPhase.SWITCHED, JobEvent.ABORTED)).isEmpty();
    assertThat(
            JobTransitions.next(JobPhase.COPYING, JobEvent.SWITCHED)
                .map(JobTransitions.To::durability))
        .isEqualTo(Optional.of(Transitions.Durability.DURABLE));
  }

  @Test
  void noGenerationIsClaimedForAJobOfAGuestThatMigrates() throws Exception {
    migrations.setGenerations(Map.of(DISK, Generation.here(4)));
    assertThat(jobs.claimGeneration(DISK, 9)).isEqualTo(10);
    assertThat(jobs.claimGeneration(DISK, 3)).isEqualTo(11);
    migrations.hold(DOMAIN);
    assertThatThrownBy(() -> jobs.claimGeneration(DISK, 20))
        .isInstanceOf(JobRefusedException.class);
    migrations.release(DOMAIN);
    migrations.begin(migration(), jobs, "no disk");
    assertThatThrownBy(() -> jobs.claimGeneration(DISK, 20))
        .isInstanceOf(JobRefusedException.class);
    restart();
    assertThat(migrations.generation(DISK)).contains(Generation.here(11));
  }

  @Test
  void generationsAndJobsLiveInOneLog() throws Exception {
    migrations.setGenerations(Map.of(DISK, Generation.here(4)));
    jobs.begin(job(1));
    restart();
    assertThat(migrations.generation(DISK)).contains(Generation.here(4));
    assertThat(jobs.active(DISK)).contains(job(1));
  }

  /** Its guest has it from another host: what is copied here is nothing to it. */
  @Test
  void nothingIsSwitchedOfADiskThatIsElsewhere() throws Exception {
    jobs.begin(job(1));
    migrations.setGenerations(Map.of(DISK, Generation.at("hostb", 4)));
    assertThatThrownBy(() -> jobs.switched(job(1)))
        .isInstanceOf(JobRefusedException.class)
        .hasMessageContaining("its guest has gone to hostb");
    assertThat(jobs.moved(DISK)).isEmpty();
  }
}

package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/** Whatever crashes and whatever gets lost: one owner, and it is where the guest runs. */
final class MigrationSimulationTest {
  private static final long SEED = 20260101;

  /** A run takes a few milliseconds. */
  private static final int RANDOM_RUNS = 800;

  private static final Logger logger =
      (Logger) LoggerFactory.getLogger(Coordinator.class.getPackageName());

  /** Thousands of migrations that fail on purpose say it all in the log. */
  @BeforeAll
  static void quiet() {
    logger.setLevel(Level.OFF);
  }

  @AfterAll
  static void loud() {
    logger.setLevel(null);
  }

  @Test
  void migratesThereAndBackAgain() throws JournalException {
    Simulation world = new Simulation(SEED, 0, Simulation.Restart.AT_ONCE, false);
    for (int trip = 0; trip < 3; trip++) {
      assertThat(world.migrate("a", "b")).isTrue();
      world.settle();
      assertThat(world.migrate("b", "a")).isTrue();
      world.settle();
      world.assertOneOwner("trip " + trip);
    }
    assertThat(world.disk("xvda").writers()).containsEntry("a", 7L);
  }

  private static List<String> left(Simulation world, String host) {
    return world
        .host(host)
        .coordinator()
        .jobs()
        .left(new DeviceKey(Simulation.DOMAIN, "xvda"))
        .stream()
        .map(moved -> moved.oldSource() + " for " + moved.newSource())
        .toList();
  }

  private static List<JobPhase> jobs(Simulation world, String host) {
    return world.host(host).coordinator().jobs().all().stream().map(DiskJob::phase).toList();
  }

  @Test
  void disksGoAlongAndBothHostsKnowWhatTheyHaveLeft() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    assertThat(world.migrate("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner("along");
    assertThat(world.nodes("b")).containsEntry("xvda", "netchannel://b/xvda");
    for (String host : List.of("a", "b")) {
      assertThat(left(world, host)).containsExactly("file:/xvda for netchannel://b/xvda");
    }
    assertThat(jobs(world, "a")).containsExactly(JobPhase.TAKEN_OVER, JobPhase.TAKEN_OVER);
    assertThat(jobs(world, "b")).as("once all were told").containsOnly(JobPhase.DONE);
  }

  @Test
  void aDiskThatIsNotAlikeStaysAndItsJobGoesOnWhereTheGuestIs() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.disk("xvda").losesCopy();
    assertThat(world.migrate("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner("one stays");
    assertThat(world.nodes("b"))
        .containsEntry("xvda", "file:/xvda")
        .containsEntry("xvdb", "netchannel://b/xvdb");
    assertThat(left(world, "b")).isEmpty();
    DiskJob goesOn =
        world
            .host("b")
            .coordinator()
            .jobs()
            .active(new DeviceKey(Simulation.DOMAIN, "xvda"))
            .orElseThrow();
    assertThat(goesOn.settings().switches()).isTrue();
    assertThat(goesOn.origin().goesAlong()).isFalse();
    Migrations here = world.host("a").coordinator().migrations();
    assertThat(here.ownTimeline(here.list().get(0)))
        .extracting(Migrations.Entry::detail)
        .contains("xvda stays at file:/xvda: its copy is not alike");
  }

  @Test
  void aDiskThatNobodyElseReachesKeepsItsGuest() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.setCanStay(false);
    world.disk("xvda").losesCopy();
    assertThat(world.migrate("a", "b")).isFalse();
    world.settle();
    world.assertOneOwner("kept");
    assertThat(world.host("a").coordinator().migrations().list().get(0).detail())
        .contains(
            "xvda cannot go along, and nobody but a reaches file:/xvda: its copy is not alike");
    assertThat(jobs(world, "a")).as("goes on").containsOnly(JobPhase.COPYING);
  }

  /** It is looked at in PREPARE: in TAKE_OVER it would be too late. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aDiskThatTheDestinationDoesNotReachKeepsItsGuest(boolean restarts) throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.setUnreached(Set.of("file:/xvda"));
    world.disk("xvda").losesCopy();
    assertThat(world.arrives("a", "b")).isTrue();
    if (restarts) {
      world.restart("b");
    }
    assertThat(world.finish("a", "b")).isFalse();
    world.settle();
    world.assertOneOwner("kept");
    assertThat(world.host("a").coordinator().migrations().list().get(0).detail())
        .contains("xvda cannot go along, and b does not reach file:/xvda: its copy is not alike");
    assertThat(world.disk("xvda").writers()).as("nothing was given").containsEntry("a", 1L);
  }

  @Test
  void aDiskThatTheDestinationDoesNotReachGoesAlongAsItsCopy() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.setUnreached(Set.of("file:/xvda"));
    assertThat(world.migrate("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner("along");
    assertThat(world.nodes("b")).containsEntry("xvda", "netchannel://b/xvda");
  }

  /** As the destination has seen in PREPARE: the guest stands still in TAKE_OVER. */
  @Test
  void aCopyThatTheDestinationDoesNotReachIsNotTakenOver() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.setUnreached(Set.of("netchannel://b/xvda"));
    assertThat(world.migrate("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner("stays");
    assertThat(world.nodes("b"))
        .containsEntry("xvda", "file:/xvda")
        .containsEntry("xvdb", "netchannel://b/xvdb");
    Migrations here = world.host("a").coordinator().migrations();
    assertThat(here.ownTimeline(here.list().get(0)))
        .extracting(Migrations.Entry::detail)
        .contains("xvda stays at file:/xvda: b cannot take over with netchannel://b/xvda");
  }

  @Test
  void whatTheDestinationReachesAtNeitherPlaceIsRefusedAtOnce() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.setUnreached(Set.of("netchannel://b/xvda", "file:/xvda"));
    assertThatThrownBy(() -> world.host("b").coordinator().incomingAnnounced(Simulation.NAME))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessageContaining("b cannot serve disk xvda of db: no file:/xvda");
    world.settle();
    world.assertOneOwner("refused");
  }

  /** The new device is whose word it was from then on: nobody copies to it, here or there. */
  @Test
  void whatIsGivenUpOnTheWayKeepsItsGuestAlsoWhereTheDiskCouldStay() throws Exception {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    assertThat(world.arrives("a", "b")).isTrue();
    DiskJobStore known = world.host("a").coordinator().jobs();
    DiskJob given = known.active(new DeviceKey(Simulation.DOMAIN, "xvda")).orElseThrow();
    assertThat(known.abort(given, "by hand")).isTrue();
    assertThat(world.finish("a", "b")).isFalse();
    world.settle();
    world.assertOneOwner("given up on the way");
    assertThat(jobs(world, "b")).isEmpty();
    assertThat(world.host("a").coordinator().migrations().list().get(0).detail())
        .contains("xvda cannot go along: netchannel://b/xvda was given up on the way");
    assertThat(jobs(world, "a")).containsExactlyInAnyOrder(JobPhase.ABORTED, JobPhase.COPYING);
  }

  /** Nor does the destination when it could not open it, and only goes on with the job. */
  @Test
  void whatIsGivenUpOnTheWayIsNotCopiedToWhereItCouldNotBeOpened() throws Exception {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.setUnreached(Set.of("netchannel://b/xvda"));
    assertThat(world.arrives("a", "b")).isTrue();
    DiskJobStore known = world.host("a").coordinator().jobs();
    DiskJob given = known.active(new DeviceKey(Simulation.DOMAIN, "xvda")).orElseThrow();
    assertThat(known.abort(given, "by hand")).isTrue();
    assertThat(world.finish("a", "b")).isFalse();
    world.settle();
    world.assertOneOwner("given up on the way");
    assertThat(jobs(world, "b")).isEmpty();
    assertThat(newest(world, "a").detail())
        .contains("xvda cannot go along: netchannel://b/xvda was given up on the way");
  }

  /** It is the destination's to give up from then on. */
  @Test
  void aJobThatTravelsIsNotGivenUpOnceItsGuestIsGiven() throws Exception {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.LATE, false);
    world.setUnreached(Set.of("netchannel://b/xvda"));
    assertThat(world.arrives("a", "b")).isTrue();
    assertThat(world.restored("b")).isTrue();
    DiskJobStore known = world.host("a").coordinator().jobs();
    DiskJob stayed = known.active(new DeviceKey(Simulation.DOMAIN, "xvda")).orElseThrow();
    assertThat(known.isGiven(stayed)).isFalse();
    assertThat(known.abort(stayed, "by hand")).isFalse();
  }

  /** A timeline does not tell what was decided and then refused. */
  @Test
  void aRefusalLeavesNoNoteOfADiskThatStays() throws Exception {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.disk("xvda").losesCopy();
    world.setUnreached(Set.of("file:/xvdb"));
    world.disk("xvdb").losesCopy();
    assertThat(world.migrate("a", "b")).isFalse();
    Migrations here = world.host("a").coordinator().migrations();
    assertThat(here.ownTimeline(newest(world, "a")))
        .extracting(Migrations.Entry::detail)
        .noneMatch(detail -> detail.startsWith("xvda stays"));
  }

  /** What it has of the guest's last requests counts for nothing: the old ones are the disks. */
  @Test
  void whatIsGivenBackIsTheOldDisk() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.setFaultPoints(
        new ConfiguredFaults(Map.of(FaultPoints.Point.DESTINATION_TAKEN_OVER.key(), "fail")));
    assertThat(world.migrate("a", "b")).isFalse();
    world.settle();
    world.assertOneOwner("given back");
    assertThat(jobs(world, "a")).containsExactly(JobPhase.ABORTED, JobPhase.ABORTED);
    assertThat(jobs(world, "b")).isEmpty();
    assertThat(left(world, "a")).isEmpty();
    assertThat(world.disk("xvda").writers()).containsEntry("a", 3L);
  }

  private static List<Phase> phases(Simulation world) {
    return Stream.of("a", "b")
        .map(host -> world.host(host).coordinator().migrations().list().get(0).phase())
        .toList();
  }

  /** Both hosts must come to the same end: either device alone can be started from then. */
  @Test
  void aSourceWithoutItsDomainWaitsForTheDestinationThatGivesUp() throws Exception {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.LATE, false);
    world.setFaultPoints(
        point -> {
          if (point == FaultPoints.Point.DESTINATION_TAKEN_OVER) {
            world.host("b").crashAtStep(world.host("b").steps() + 1);
          }
        });
    assertThat(world.migrate("a", "b")).isFalse();
    world.losesDomain("a");
    world.pass(Duration.ofSeconds(10));
    Coordinator a = world.host("a").coordinator();
    assertThat(a.migrations().list().get(0).phase()).isEqualTo(Phase.TAKE_OVER);
    assertThatThrownBy(() -> a.incomingStarts(Simulation.NAME, Simulation.DOMAIN, true, false))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessageContaining("b has not said yet whether it has them for good");
    world.setFaultPoints(FaultPoints.NONE);
    world.settle();
    assertThat(phases(world)).containsOnly(Phase.ABORT);
    assertThat(jobs(world, "a")).containsOnly(JobPhase.ABORTED);
    assertThat(left(world, "a")).isEmpty();
    assertThat(a.incomingStarts(Simulation.NAME, Simulation.DOMAIN, true, false)).isFalse();
  }

  /** Up to a source that has given the disks to a host that is lost for good. */
  private static Simulation hasGivenToALostHost() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.LATE, false);
    world.setFaultPoints(
        point -> {
          if (point == FaultPoints.Point.DESTINATION_TAKEN_OVER) {
            world.host("b").crashAtStep(world.host("b").steps() + 1);
          }
        });
    assertThat(world.migrate("a", "b")).isFalse();
    assertThat(newest(world, "a").phase()).isEqualTo(Phase.TAKE_OVER);
    return world;
  }

  @Test
  void whatALostHostWasGivenIsTakenBackByHand() throws Exception {
    Simulation world = hasGivenToALostHost();
    world.losesDomain("a");
    Coordinator a = world.host("a").coordinator();
    assertThatThrownBy(() -> a.incomingStarts(Simulation.NAME, Simulation.DOMAIN, true, false))
        .hasMessageContaining("netchannel migrations %s --take-back", newest(world, "a").id());
    a.takeBack(newest(world, "a"));
    assertThat(jobs(world, "a")).containsOnly(JobPhase.ABORTED);
    assertThat(left(world, "a")).isEmpty();
    assertThat(a.incomingStarts(Simulation.NAME, Simulation.DOMAIN, true, false)).isFalse();
    assertThat(a.claimGeneration(Simulation.DOMAIN, "xvda")).isEqualTo(4);
    assertThatThrownBy(() -> a.takeBack(newest(world, "a")))
        .hasMessageContaining("has nothing to be taken back here: it is in ABORT");
  }

  @Test
  void aGuestThatIsStillThereGoesOnWhenItsDisksAreTakenBack() throws Exception {
    Simulation world = hasGivenToALostHost();
    assertThat(world.disk("xvda").writers()).isEmpty();
    world.host("a").coordinator().takeBack(newest(world, "a"));
    assertThat(world.disk("xvda").writers()).containsEntry("a", 3L);
    world.settle();
    world.assertOneOwner("taken back");
  }

  @Test
  void nothingIsTakenBackFromAHostThatAnswers() throws Exception {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.LATE, false);
    assertThat(world.arrives("a", "b")).isTrue();
    assertThat(world.restored("b")).isTrue();
    Coordinator a = world.host("a").coordinator();
    assertThatThrownBy(() -> a.takeBack(newest(world, "a")))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessageContaining("cannot be taken back, as b answers: it is in RESUME there");
    assertThat(newest(world, "a").phase()).isEqualTo(Phase.TAKE_OVER);
  }

  @Test
  void aSourceWithoutItsDomainLetsTheRestoredGuestHaveItsDisks() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.LATE, false);
    assertThat(world.arrives("a", "b")).isTrue();
    assertThat(world.restored("b")).isTrue();
    world.losesDomain("a");
    world.pass(Duration.ofSeconds(5));
    assertThat(phases(world)).containsOnly(Phase.COMMIT);
    assertThat(jobs(world, "a")).containsOnly(JobPhase.TAKEN_OVER);
    assertThat(left(world, "b")).containsExactly("file:/xvda for netchannel://b/xvda");
  }

  /** Up to a guest that has written on its copies alone, and hosts that have lost their power. */
  private static Simulation hasWrittenOnItsCopies() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.LATE, false);
    assertThat(world.arrives("a", "b")).isTrue();
    assertThat(world.restored("b")).isTrue();
    assertThat(world.writes("b")).isTrue();
    world.losesDomain("a");
    world.losesDomain("b");
    world.stop("b");
    return world;
  }

  @Test
  void aGuestThatWroteOnItsCopiesStaysWithThem() throws JournalException {
    Simulation world = hasWrittenOnItsCopies();
    world.host("b").start();
    world.host("b").coordinator().tick(); // before its source has asked
    world.settle();
    assertThat(phases(world)).containsOnly(Phase.COMMIT);
    assertThat(left(world, "a")).containsExactly("file:/xvda for netchannel://b/xvda");
  }

  @Test
  void whileItsSourceIsSilentAGuestThatWroteOnItsCopiesStaysWithThem() throws JournalException {
    Simulation world = hasWrittenOnItsCopies();
    world.stop("a");
    world.host("b").start();
    world.pass(Timeouts.DEFAULTS.hook().multipliedBy(2));
    assertThat(world.host("b").coordinator().migrations().list().get(0).phase())
        .isEqualTo(Phase.RESUME);
    world.settle();
    assertThat(phases(world)).containsOnly(Phase.COMMIT);
  }

  private static Migration newest(Simulation world, String host) {
    return world.host(host).coordinator().migrations().list().get(0);
  }

  @Test
  void aSourceIsToldOfTheEndAlsoByTheNextDaemon() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.DISKS, SEED, 0, Simulation.Restart.LATE, false);
    assertThat(world.restoresOnly("a", "b")).isTrue();
    world.stop("a");
    world.pass(Duration.ofSeconds(5));
    assertThat(newest(world, "b").phase()).isEqualTo(Phase.COMMIT);
    world.stop("b");
    world.host("b").start();
    assertThat(newest(world, "b").untold()).isTrue();
    world.settle();
    assertThat(newest(world, "b").untold()).isFalse();
    world.stop("b");
    world.host("b").start();
    assertThat(newest(world, "b").untold()).as("durably").isFalse();
  }

  /** One that it has forgotten, and by which it may have what no other device has. */
  @Test
  void whoHasHadTheDisksSinceDoesNotForswearThem() throws Exception {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    assertThat(world.migrate("a", "b")).isTrue();
    world.settle();
    world.end(world.host("b"));
    Coordinator b = world.host("b").coordinator();
    assertThatThrownBy(() -> b.status("a", new UUID(1, 1), Simulation.DOMAIN, Direction.INCOMING))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessageContaining("has had the disks of its domain");
  }

  @Test
  void whoHasNotHadTheDisksForswearsWhatItDoesNotKnow() throws Exception {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.setFaultPoints(
        new ConfiguredFaults(Map.of(FaultPoints.Point.DESTINATION_TAKEN_OVER.key(), "fail")));
    assertThat(world.migrate("a", "b")).isFalse();
    Coordinator b = world.host("b").coordinator();
    UUID unknown = new UUID(1, 1);
    assertThat(b.status("a", unknown, Simulation.DOMAIN, Direction.INCOMING).phase())
        .isEqualTo(Phase.ABORT);
    assertThat(b.migrations().find(unknown)).isPresent();
  }

  /** As nobody else can have it: the source is sealed until it is told. */
  @Test
  void whileItsSourceIsSilentItStartsAgainOnItsCopies() throws Exception {
    Simulation world = hasWrittenOnItsCopies();
    world.stop("a");
    world.host("b").start();
    Coordinator b = world.host("b").coordinator();
    assertThat(b.incomingStarts(Simulation.NAME, Simulation.DOMAIN, true, false)).isFalse();
    assertThat(b.migrations().list().get(0).phase()).isEqualTo(Phase.COMMIT);
    world.settle();
    assertThat(phases(world)).containsOnly(Phase.COMMIT);
  }

  @Test
  void aGuestThatIsStillAtItsSourceGoesOnThere() throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.ALONG, SEED, 0, Simulation.Restart.LATE, false);
    assertThat(world.arrives("a", "b")).isTrue();
    assertThat(world.restored("b")).isTrue();
    world.stop("b");
    world.losesDomain("b");
    world.settle();
    assertThat(phases(world)).containsOnly(Phase.ABORT);
    world.assertOneOwner("given back");
  }

  @Test
  void withoutADomainAnywhereBothHostsComeToTheSameEnd() throws JournalException {
    Random random = new Random(SEED);
    Set<Phase> ends = EnumSet.noneOf(Phase.class);
    for (int run = 0; run < RANDOM_RUNS / 8; run++) {
      long seed = random.nextLong();
      Random plan = new Random(seed);
      Simulation world =
          new Simulation(
              Simulation.Guest.ALONG,
              seed,
              plan.nextDouble() * 0.3,
              plan.nextBoolean() ? Simulation.Restart.AT_ONCE : Simulation.Restart.LATE,
              plan.nextBoolean());
      if (plan.nextBoolean()) {
        world.host("b").crashAtStep(world.host("b").steps() + 1 + plan.nextInt(120));
      }
      boolean wrote = false;
      if (!world.arrives("a", "b") || !world.restored("b")) {
        world.end(world.host("b"));
      } else {
        wrote = plan.nextBoolean() && world.writes("b");
      }
      world.losesDomain("a");
      if (plan.nextBoolean()) {
        world.pass(Duration.ofSeconds(plan.nextInt(5)));
        world.losesDomain("b");
      }
      world.settle();
      Migration there =
          world.host("b").coordinator().migrations().list().stream().findFirst().orElse(null);
      if (there != null) {
        assertThat(phases(world)).as("seed %s", seed).containsOnly(there.phase());
        assertThat(left(world, "a").isEmpty())
            .as("seed %s: left after %s", seed, there.phase())
            .isEqualTo(there.phase() == Phase.ABORT);
        if (wrote) {
          assertThat(there.phase())
              .as("seed %s: the copies alone have it", seed)
              .isEqualTo(Phase.COMMIT);
        }
        ends.add(there.phase());
      }
    }
    assertThat(ends).containsExactlyInAnyOrder(Phase.COMMIT, Phase.ABORT);
  }

  @ParameterizedTest
  @MethodSource("guests")
  void migratesBackAtOnce(Simulation.Guest guest) throws JournalException {
    Simulation world = new Simulation(guest, SEED, 0, Simulation.Restart.AT_ONCE, false);
    assertThat(world.migrate("a", "b")).isTrue();
    assertThat(world.migrate("b", "a")).isTrue();
    world.settle();
    world.assertOneOwner("back at once");
  }

  /** Every guest, on a hypervisor that can tell when it is suspended and on one that cannot. */
  static List<Simulation.Guest> guests() {
    return Stream.of(
            Simulation.Guest.DISKS,
            Simulation.Guest.STOCK,
            Simulation.Guest.MIXED,
            Simulation.Guest.ALONG)
        .flatMap(guest -> Stream.of(guest, guest.untold()))
        .toList();
  }

  static Stream<Arguments> crashes() {
    return guests().stream()
        .flatMap(
            guest ->
                Stream.of("a", "b")
                    .flatMap(
                        host ->
                            Stream.of(Simulation.Restart.values())
                                .flatMap(
                                    restart ->
                                        Stream.of(false, true)
                                            .map(
                                                retried ->
                                                    Arguments.of(guest, host, restart, retried)))));
  }

  @ParameterizedTest
  @MethodSource("crashes")
  void crashAtEveryStep(
      Simulation.Guest guest, String host, Simulation.Restart restart, boolean hookIsRetried)
      throws JournalException {
    Simulation whole = new Simulation(guest, SEED, 0, restart, hookIsRetried);
    int first = whole.host(host).steps() + 1;
    assertThat(whole.migrate("a", "b")).isTrue();
    whole.settle();
    int last = whole.host(host).steps();
    assertThat(last - first).as("crash points").isGreaterThan(15);
    int moved = 0;
    for (int step = first; step <= last; step++) {
      String description = host + " crashes at step " + step + ", " + restart;
      Simulation world = new Simulation(guest, SEED + step, 0, restart, hookIsRetried);
      world.host(host).crashAtStep(step);
      moved += world.migrate("a", "b") ? 1 : 0;
      world.settle();
      world.assertOneOwner(description);
      // And nothing is left that would hinder the next one.
      String other = world.guestOn().equals("a") ? "b" : "a";
      assertThat(world.migrate(world.guestOn(), other)).as(description + ", next").isTrue();
      world.settle();
      world.assertOneOwner(description + ", next");
    }
    assertThat(moved).as("migrations that went through").isBetween(1, last - first);
  }

  @Test
  void crashesOfBothHosts() throws JournalException {
    Random random = new Random(SEED);
    for (int run = 0; run < RANDOM_RUNS; run++) {
      long seed = random.nextLong();
      Random plan = new Random(seed);
      Simulation world =
          new Simulation(
              guests().get(plan.nextInt(guests().size())),
              seed,
              0,
              plan.nextBoolean() ? Simulation.Restart.AT_ONCE : Simulation.Restart.LATE,
              plan.nextBoolean());
      for (String host : new String[] {"a", "b"}) {
        world.host(host).crashAtStep(world.host(host).steps() + 1 + plan.nextInt(80));
      }
      world.setCanStay(plan.nextBoolean());
      if (world.guest().goesAlong() && plan.nextBoolean()) {
        world.setUnreached(Set.of("file:/xvda"));
      }
      world.migrate("a", "b");
      world.settle();
      world.assertOneOwner("seed " + seed);
    }
  }

  @Test
  void messagesLostDoubledAndLate() throws JournalException {
    Random random = new Random(SEED);
    int moved = 0;
    for (int run = 0; run < RANDOM_RUNS; run++) {
      long seed = random.nextLong();
      Random plan = new Random(seed);
      Simulation world =
          new Simulation(
              guests().get(plan.nextInt(guests().size())),
              seed,
              plan.nextDouble() * 0.3,
              plan.nextBoolean() ? Simulation.Restart.AT_ONCE : Simulation.Restart.LATE,
              plan.nextBoolean());
      if (plan.nextBoolean()) {
        String host = plan.nextBoolean() ? "a" : "b";
        world.host(host).crashAtStep(world.host(host).steps() + 1 + plan.nextInt(120));
      }
      world.setCanStay(plan.nextBoolean());
      if (world.guest().goesAlong() && plan.nextBoolean()) {
        world.setUnreached(Set.of("file:/xvda"));
      }
      moved += world.migrate("a", "b") ? 1 : 0;
      world.settle();
      world.assertOneOwner("seed " + seed);
    }
    assertThat(moved).as("migrations that went through").isBetween(1, RANDOM_RUNS - 1);
  }

  @Test
  void disksThatDoNotDoWhatTheyAreTold() throws JournalException {
    Random random = new Random(SEED);
    int moved = 0;
    for (int run = 0; run < RANDOM_RUNS; run++) {
      long seed = random.nextLong();
      Random plan = new Random(seed);
      Simulation world =
          new Simulation(
              guests().get(plan.nextInt(guests().size())),
              seed,
              plan.nextBoolean() ? 0 : plan.nextDouble() * 0.2,
              plan.nextBoolean() ? Simulation.Restart.AT_ONCE : Simulation.Restart.LATE,
              plan.nextBoolean());
      world.setDeviceFaultRate(plan.nextDouble() * 0.7);
      if (plan.nextInt(4) == 0) {
        String host = plan.nextBoolean() ? "a" : "b";
        world.host(host).crashAtStep(world.host(host).steps() + 1 + plan.nextInt(120));
      }
      moved += world.migrate("a", "b") ? 1 : 0;
      world.pass(Duration.ofSeconds(plan.nextInt(40)));
      world.settle();
      world.assertOneOwner("seed " + seed);
      world.assertNothingUnfinished("seed " + seed);
      String other = world.guestOn().equals("a") ? "b" : "a";
      assertThat(world.migrate(world.guestOn(), other)).as("seed %s, next", seed).isTrue();
    }
    assertThat(moved).as("migrations that went through").isBetween(1, RANDOM_RUNS - 1);
  }

  @ParameterizedTest
  @EnumSource(value = FaultPoints.Point.class, names = "JOB_.*", mode = EnumSource.Mode.MATCH_NONE)
  void everyFaultPointLeavesTheGuestAtTheSource(FaultPoints.Point at) throws JournalException {
    Simulation world =
        new Simulation(Simulation.Guest.DISKS, SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.setFaultPoints(new ConfiguredFaults(Map.of(at.key(), "fail")));
    assertThat(world.migrate("a", "b")).isFalse();
    // Without waiting for anything: the guest goes on at once.
    assertThat(world.disk("xvda").writers()).containsOnlyKeys("a");
    assertThat(world.host("a").coordinator().migrations().list())
        .allMatch(m -> m.phase() == Phase.ABORT);
    world.setFaultPoints(FaultPoints.NONE);
    assertThat(world.migrate("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner(at.key());
  }

  @Test
  void aSealedSourceWithoutATakeOverGoesOnAlone() throws Exception {
    Simulation world = new Simulation(SEED, 0, Simulation.Restart.LATE, false);
    world.setFaultPoints(
        point -> {
          if (point == FaultPoints.Point.DESTINATION_SEALED) {
            world.host("b").crashAtStep(world.host("b").steps() + 1);
          }
        });
    assertThat(world.migrate("a", "b")).isFalse();
    assertThat(world.host("b").isUp()).isFalse();
    assertThat(world.disk("xvda").writers()).isEmpty();
    world.pass(Timeouts.DEFAULTS.sealed().plusSeconds(2));
    assertThat(world.disk("xvda").writers()).containsExactly(Map.entry("a", 1L));
    assertThat(world.host("a").coordinator().migrations().list().get(0).detail())
        .isEqualTo("no take-over within PT1M");
  }

  @Test
  void aTimelineTellsWhatHappened() throws JournalException {
    Simulation world = new Simulation(SEED, 0, Simulation.Restart.AT_ONCE, false);
    world.migrate("a", "b");
    world.settle();
    Migrations there = world.host("b").coordinator().migrations();
    assertThat(there.ownTimeline(there.list().get(0)))
        .extracting(Migrations.Entry::phase)
        .containsSubsequence(
            Phase.PREPARE,
            Phase.PRECOPY,
            Phase.SEAL,
            Phase.HAND_OVER,
            Phase.TAKE_OVER,
            Phase.REDIRECT,
            Phase.RESUME,
            Phase.COMMIT);
    Migrations here = world.host("a").coordinator().migrations();
    assertThat(here.ownTimeline(here.list().get(0)))
        .extracting(Migrations.Entry::detail)
        .contains("6 pending, 2 of them incomplete", "given to b");
  }

  @Test
  void aDomainThatAPeerServesDoesNotStart() throws Exception {
    Simulation world = new Simulation(SEED, 0, Simulation.Restart.AT_ONCE, false);
    Coordinator b = world.host("b").coordinator();
    assertThatThrownBy(() -> b.incomingStarts("db", Simulation.DOMAIN, true, false))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessageContaining("a serves the disks of db right now");
    assertThat(b.incomingStarts("db", Simulation.DOMAIN, false, false)).isFalse();
  }

  @Test
  void aStockGuestPassesAndOneWithDisksNobodyServesDoesNot() throws Exception {
    Simulation world = new Simulation(SEED, 0, Simulation.Restart.AT_ONCE, false);
    Coordinator b = world.host("b").coordinator();
    UUID stock = new UUID(8, 8);
    b.incomingAnnounced("stock");
    assertThat(b.incomingStarts("stock", stock, false, false)).isFalse();
    b.incomingAnnounced("stock");
    assertThatThrownBy(() -> b.incomingStarts("stock", stock, true, false))
        .hasMessageContaining("no peer of b serves them");
  }

  @Test
  void whatASilentPeerMayServeIsRefusedOnlyWithDisks() throws Exception {
    Simulation world = new Simulation(SEED, 0, Simulation.Restart.LATE, false);
    world.host("a").crashAtStep(world.host("a").steps() + 1);
    Coordinator b = world.host("b").coordinator();
    b.incomingAnnounced("db");
    assertThatThrownBy(() -> b.incomingStarts("db", Simulation.DOMAIN, true, false))
        .hasMessageContaining("could not be asked whether they serve them: a (")
        .hasMessageContaining("start netchanneld there and migrate again");
    b.incomingAnnounced("db");
    assertThat(b.incomingStarts("db", Simulation.DOMAIN, false, false)).isFalse();
    // A plain start: who is silent cannot forbid it.
    assertThat(b.incomingStarts("db", Simulation.DOMAIN, true, false)).isFalse();
  }
}

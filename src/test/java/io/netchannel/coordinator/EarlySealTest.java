package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.coordinator.FaultPoints.Point;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The source seals when the hypervisor says that the guest is suspended, before it is asked. */
final class EarlySealTest {
  private Simulation world;

  @BeforeEach
  void start() throws JournalException {
    start(Simulation.Guest.DISKS);
  }

  private void start(Simulation.Guest guest) throws JournalException {
    world = new Simulation(guest, 3, 0, Simulation.Restart.AT_ONCE, false);
    world.setOutcomesDiffer(false);
  }

  private Migration newest(String host) {
    return world.host(host).coordinator().migrations().list().get(0);
  }

  private List<String> details(String host) {
    return newest(host).steps().stream().map(Migration.Step::detail).toList();
  }

  /** As virsh migrate does, up to the moment in which the guest stands still. */
  private void untilSuspended() throws MigrationRefusedException {
    world.begin("b");
    world.suspend("a");
  }

  @Test
  void theManifestsAreAtTheDestinationBeforeItsHook() throws Exception {
    untilSuspended();
    assertThat(newest("a").phase()).isEqualTo(Phase.HAND_OVER);
    assertThat(newest("b").phase()).isEqualTo(Phase.HAND_OVER);
    assertThat(world.disk("xvda").writers()).isEmpty();
    assertThat(world.host("b").devices().staged())
        .containsExactly("xvda: manifest of xvda", "xvdb: manifest of xvdb");
    assertThat(newest("b").devices()).isEqualTo(newest("a").devices());
    assertThat(newest("b").devices()).allMatch(disk -> disk.pending() == 3);
    assertThat(world.finish("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner("early seal");
    assertThat(details("a"))
        .containsSubsequence(
            "guest suspended",
            "seal begins: the guest is suspended",
            "xvda sealed: 3 pending, 1 incomplete, after 0.0 ms",
            "6 pending, 2 of them incomplete",
            "handed over",
            "given to b");
    assertThat(details("b"))
        .containsSubsequence(
            "waits at a for the seal",
            "xvda staged",
            "manifests arrived, 32 bytes",
            "6 pending requests, 32 bytes handed over",
            "hook \"started\"",
            "claim answered",
            "xvda taken over",
            "hook answered, the guest may run");
  }

  @ParameterizedTest
  @EnumSource(SimulatedLink.Parked.class)
  void aParkedCallThatIsLostOrLateIsAskedAgain(SimulatedLink.Parked parked) throws Exception {
    world.faults().setParked(parked);
    untilSuspended();
    assertThat(newest("a").phase()).isEqualTo(Phase.HAND_OVER);
    assertThat(newest("b").phase())
        .isEqualTo(parked == SimulatedLink.Parked.ANSWERED ? Phase.HAND_OVER : Phase.PRECOPY);
    assertThat(world.finish("a", "b")).isTrue();
    world.faults().deliverLate();
    world.settle();
    world.assertOneOwner(parked.name());
  }

  @Test
  void aGuestThatRunsAgainHasItsDisksWithinATick() throws Exception {
    untilSuspended();
    assertThat(world.disk("xvda").writers()).isEmpty();
    world.resume("a");
    world.host("a").coordinator().tick();
    assertThat(world.disk("xvda").writers()).containsOnlyKeys("a");
    assertThat(newest("a").detail()).isEqualTo("the guest runs again on a");
    // The destination has heard it, and what it was given is of no use.
    assertThat(newest("b").phase()).isEqualTo(Phase.ABORT);
    assertThat(world.restored("b")).isFalse();
    world.settle();
    world.assertOneOwner("resumed");
  }

  @Test
  void nothingIsGivenWhileTheGuestRuns() throws Exception {
    untilSuspended();
    world.resume("a");
    assertThat(world.restored("b")).isFalse();
    assertThat(newest("a").detail()).isEqualTo("the guest runs again on a");
    assertThat(world.disk("xvda").writers()).containsOnlyKeys("a");
  }

  @Test
  void whatWasGivenStaysGivenWhenTheGuestRunsAgain() throws Exception {
    world.setFaultPoints(
        point -> {
          if (point == Point.DESTINATION_TAKEN_OVER) {
            world.resume("a");
            world.host("a").coordinator().tick();
          }
        });
    untilSuspended();
    assertThat(world.restored("b")).isTrue();
    assertThat(world.disk("xvda").writers()).containsOnlyKeys("b");
  }

  @Test
  void aGuestThatIsSuspendedForLongIsWaitedFor() throws Exception {
    untilSuspended();
    world.pass(Timeouts.DEFAULTS.sealed().multipliedBy(5));
    assertThat(newest("a").phase()).isEqualTo(Phase.HAND_OVER);
    assertThat(world.finish("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner("a slow last round");
  }

  @Test
  void aDestinationWhoseDomainGoesGivesUp() throws Exception {
    untilSuspended();
    world.end(world.host("b"));
    assertThat(newest("b").phase()).isEqualTo(Phase.ABORT);
    assertThat(newest("a").phase()).isEqualTo(Phase.ABORT);
    assertThat(world.disk("xvda").writers()).containsOnlyKeys("a");
  }

  @Test
  void aDestinationWhoseDomainWentUnseenGivesUp() throws Exception {
    untilSuspended();
    world.forgetDomain("b");
    world.pass(Timeouts.DEFAULTS.tell().plusSeconds(2));
    assertThat(newest("b").detail()).isEqualTo("the domain has gone from b");
    assertThat(world.disk("xvda").writers()).containsOnlyKeys("a");
  }

  @Test
  void aRestartedSourceThatKnowsMoreRefusesTheOldManifests() throws Exception {
    world.setOutcomesDiffer(true);
    untilSuspended();
    world.restart("a");
    assertThat(newest("a").phase()).isEqualTo(Phase.HAND_OVER);
    assertThat(world.refusal("b")).contains("take-over refused: expected");
    assertThat(world.finish("a", "b")).isFalse();
    world.settle();
    world.assertOneOwner("restarted source, other manifests");
  }

  @Test
  void aRestartedSourceSealsAgain() throws Exception {
    world.setOutcomesDiffer(false);
    world.begin("b");
    world.restart("a");
    assertThat(newest("a").phase()).isEqualTo(Phase.PRECOPY);
    world.suspend("a");
    assertThat(newest("a").phase()).isEqualTo(Phase.HAND_OVER);
    world.restart("a");
    // What it had sealed is forgotten, its guest is suspended still.
    assertThat(newest("a").phase()).isEqualTo(Phase.HAND_OVER);
    assertThat(world.disk("xvda").writers()).isEmpty();
    assertThat(world.finish("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner("restarted source");
  }

  @Test
  void aRestartedDestinationGoesOnWithWhatItWasHanded() throws Exception {
    untilSuspended();
    world.restart("b");
    assertThat(newest("b").phase()).isEqualTo(Phase.HAND_OVER);
    assertThat(world.finish("a", "b")).isTrue();
    world.settle();
    world.assertOneOwner("restarted destination");
  }

  @Test
  void nobodyWaitsForASuspendAfterTheMigration() throws Exception {
    world.begin("b");
    assertThat(world.host("a").devices().watches()).isEqualTo(1);
    world.end(world.host("b"));
    assertThat(newest("a").phase()).isEqualTo(Phase.ABORT);
    assertThat(world.host("a").devices().watches()).isZero();
  }

  @Test
  void withoutAHypervisorThatTellsTheHookAsks() throws Exception {
    start(Simulation.Guest.DISKS.untold());
    untilSuspended();
    assertThat(newest("a").phase()).isEqualTo(Phase.PRECOPY);
    assertThat(world.disk("xvda").writers()).containsOnlyKeys("a");
    assertThat(world.finish("a", "b")).isTrue();
    assertThat(details("a")).contains("seal begins: asked by b").doesNotContain("guest suspended");
    world.settle();
    world.assertOneOwner("untold");
  }

  @Test
  void aFaultBeforeTheEarlySealIsTold() throws Exception {
    world.setFaultPoints(new ConfiguredFaults(Map.of("source.suspended", "fail")));
    untilSuspended();
    assertThat(newest("a").phase()).isEqualTo(Phase.ABORT);
    assertThat(newest("b").phase()).isEqualTo(Phase.ABORT);
    assertThat(world.refusal("b")).contains("was aborted").contains("source.suspended");
  }

  @Test
  void notesOfADomainGoToTheMigrationThatBroughtIt() throws Exception {
    world.migrate("a", "b");
    world.settle();
    assertThat(newest("b").phase()).isEqualTo(Phase.COMMIT);
    Coordinator b = world.host("b").coordinator();
    b.note(Simulation.DOMAIN, "xvdb connected");
    assertThat(details("b")).endsWith("xvdb connected");
    assertThat(newest("b").phase()).isEqualTo(Phase.COMMIT);
    assertThat(newest("b").detail()).isNotEqualTo("xvdb connected");
    for (int i = 0; i < 2 * Migration.MAX_NOTES; i++) {
      b.note(Simulation.DOMAIN, "flood");
    }
    assertThat(newest("b").steps()).hasSizeLessThanOrEqualTo(Migration.MAX_NOTES + 9);
  }

  @Test
  void aTimelineHasBothHostsAndSaysWhenOneIsSilent() throws Exception {
    world.migrate("a", "b");
    world.settle();
    Migrations there = world.host("b").coordinator().migrations();
    world.faults().setClockAhead(Duration.ofHours(-1));
    Migrations.Timeline whole = there.timeline(there.list().get(0));
    assertThat(whole.peerAhead()).contains(Duration.ofHours(-1));
    List<Migrations.Entry> both = whole.entries();
    assertThat(both)
        .as("by one clock")
        .extracting(Migrations.Entry::at)
        .allMatch(at -> Duration.between(both.get(0).at(), at).toMinutes() < 30);
    assertThat(both).extracting(Migrations.Entry::host).contains("a", "b");
    assertThat(both).extracting(Migrations.Entry::at).isSorted();
    assertThat(both).extracting(Migrations.Entry::duration).allMatch(d -> !d.isNegative());
    assertThat(both)
        .extracting(Migrations.Entry::detail)
        .contains("given to b", "claim answered", "guest suspended");
    world.host("a").crashAtStep(world.host("a").steps() + 1);
    assertThat(there.timeline(there.list().get(0)).peerAhead()).isEmpty();
    assertThat(there.timeline(there.list().get(0)).entries())
        .last()
        .satisfies(
            last -> {
              assertThat(last.host()).isEqualTo("a");
              assertThat(last.detail()).startsWith("its side is not known: a: ");
              assertThat(last.duration()).isEqualTo(Duration.ZERO);
            });
  }
}

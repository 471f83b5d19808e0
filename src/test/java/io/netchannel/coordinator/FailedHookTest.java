package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.coordinator.FaultPoints.FaultException;
import io.netchannel.coordinator.FaultPoints.Point;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What hook "started" does and says when it fails: why, and who has the disks. */
final class FailedHookTest {
  private static final String XVDA = Simulation.TARGETS.get(0);

  private Simulation world;

  @BeforeEach
  void start() throws JournalException {
    world = new Simulation(Simulation.Guest.DISKS, 1, 0, Simulation.Restart.AT_ONCE, false);
  }

  private Migration newest(String host) {
    return world.host(host).coordinator().migrations().list().get(0);
  }

  /** Of a disk that the source has not handed over, for instance. */
  private void arrives(boolean placed, boolean ready) {
    world.setArrived(
        new MigrationHooks.Arrived() {
          @Override
          public void checkPlaced() throws MigrationRefusedException {
            if (!placed) {
              throw new MigrationRefusedException("disk xvdz cannot be served: too late");
            }
          }

          @Override
          public void checkReady() throws MigrationRefusedException {
            if (!ready) {
              throw new MigrationRefusedException("disk xvdz was not handed over");
            }
          }
        });
    assertThat(world.arrives("a", "b")).isTrue();
  }

  @Test
  void nothingSaysThatTheGuestMayRunBeforeEveryDiskIsServed() {
    arrives(true, false);
    assertThat(world.refusal("b"))
        .startsWith("b: migration ")
        .endsWith(
            "failed in REDIRECT: disk xvdz was not handed over; the disks are back at a with"
                + " generation 3 of xvda, 3 of xvdb");
    assertThat(newest("b").steps())
        .extracting(Migration.Step::phase)
        .doesNotContain(Phase.RESUME)
        .endsWith(Phase.ABORT);
    assertThat(newest("b").detail()).isEqualTo("disk xvdz was not handed over");
    assertThat(newest("a").detail()).isEqualTo("given back by b: disk xvdz was not handed over");
    assertThat(world.disk(XVDA).writers()).containsEntry("a", 3L);
  }

  @Test
  void aDiskWithoutNodesIsToldBeforeAnythingIsTaken() {
    arrives(false, true);
    assertThat(world.refusal("b"))
        .contains("disk xvdz cannot be served: too late")
        .endsWith("the guest goes on at a with its disks");
    assertThat(newest("b").detail()).isEqualTo("disk xvdz cannot be served: too late");
    assertThat(world.disk(XVDA).writers()).containsEntry("a", 1L);
  }

  @Test
  void aSourceThatDoesNotAnswerAnyMoreIsNamed() {
    world.setFaultPoints(
        point -> {
          if (point == Point.DESTINATION_TAKEN_OVER) {
            world.host("a").crashAtStep(world.host("a").steps() + 1);
            throw new FaultException(point);
          }
        });
    assertThat(world.arrives("a", "b")).isTrue();
    assertThat(world.refusal("b"))
        .contains("[faults] destination.taken-over")
        .endsWith(
            "the disks were given back to a, which has not answered yet; `netchannel migrations`"
                + " there");
  }

  @Test
  void aManifestIsNotReadBackWhileTheGuestStandsStill() {
    assertThat(world.migrate("a", "b")).isTrue();
    assertThat(world.host("b").disk().reads(JournalInMemory::isManifest)).isZero();
  }

  @Test
  void aRestartedDestinationReadsItAndKnowsADamagedOne() {
    assertThat(world.arrives("a", "b")).isTrue();
    assertThat(newest("b").phase()).isEqualTo(Phase.HAND_OVER);
    world.restart("b");
    world.host("b").disk().damages(JournalInMemory::isManifest);
    assertThat(world.refusal("b"))
        .contains("the manifest of xvda in the journal is damaged")
        .contains("the disks are back at a");
    assertThat(world.disk(XVDA).writers()).containsOnlyKeys("a");
  }
}

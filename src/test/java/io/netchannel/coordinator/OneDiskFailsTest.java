package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.coordinator.FaultPoints.FaultException;
import io.netchannel.coordinator.FaultPoints.Point;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A guest has two disks at the source, and the first one does not do what it is told. */
final class OneDiskFailsTest {
  private static final String FIRST = Simulation.TARGETS.get(0);
  private static final String SECOND = Simulation.TARGETS.get(1);

  private Simulation world;

  @BeforeEach
  void start() throws JournalException {
    world = new Simulation(1, 0, Simulation.Restart.AT_ONCE, false);
  }

  private void breakFirstAt(Point moment) {
    world.setFaultPoints(
        point -> {
          if (point == moment) {
            world.host("a").devices().breaks(FIRST);
          }
        });
  }

  @Test
  void theOtherGoesOnAfterAnAbort() {
    world.setFaultPoints(
        point -> {
          if (point == Point.DESTINATION_SEALED) {
            world.host("a").devices().breaks(FIRST);
            throw new FaultException(point);
          }
        });
    assertThat(world.migrate("a", "b")).isFalse();
    assertThat(world.disk(FIRST).writers()).isEmpty();
    assertThat(world.disk(SECOND).writers()).containsOnlyKeys("a");
  }

  @Test
  void theOtherEndsAfterACommit() {
    breakFirstAt(Point.SOURCE_GIVEN);
    assertThat(world.migrate("a", "b")).isTrue();
    assertThat(world.host("a").devices().retired()).containsExactly(SECOND);
    assertThat(world.host("a").coordinator().migrations().list())
        .extracting(Migration::phase)
        .containsExactly(Phase.COMMIT);
  }

  @Test
  void aSealThatFailsLeavesNoDiskSealed() {
    world.host("a").devices().breaks(SECOND);
    assertThat(world.migrate("a", "b")).isFalse();
    assertThat(world.disk(FIRST).writers()).containsOnlyKeys("a");
  }
}

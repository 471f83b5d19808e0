package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.coordinator.FaultPoints.FaultException;
import io.netchannel.coordinator.FaultPoints.Point;
import io.netchannel.files.MemoryFiles.Operation;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A disk that does not go on, end or stop when it is told so is told again, until it has. */
final class RepeatedUntilDoneTest {
  private static final String XVDA = Simulation.TARGETS.get(0);
  private static final String XVDB = Simulation.TARGETS.get(1);

  /** Longer than the longest pause between two attempts. */
  private static final Duration NEXT_ATTEMPT = Duration.ofSeconds(40);

  private Simulation world;

  @BeforeEach
  void start() throws JournalException {
    world = new Simulation(Simulation.Guest.DISKS, 1, 0, Simulation.Restart.AT_ONCE, false);
  }

  private Migration newest(String host) {
    return world.host(host).coordinator().migrations().list().get(0);
  }

  private String unfinished(String host) {
    return world.host(host).coordinator().migrations().unfinished(newest(host)).orElse("");
  }

  /** At {@code moment} the disk breaks, and the migration with it when that is asked for. */
  private void breaksAt(Point moment, String host, String target, boolean fails) {
    world.setFaultPoints(
        point -> {
          if (point == moment) {
            world.host(host).devices().breaks(target);
            if (fails) {
              throw new FaultException(point);
            }
          }
        });
  }

  @Test
  void anUnsealAfterAnAbort() {
    breaksAt(Point.DESTINATION_SEALED, "a", XVDA, true);
    assertThat(world.migrate("a", "b")).isFalse();
    assertThat(world.disk(XVDA).writers()).as("frozen").isEmpty();
    assertThat(world.disk(XVDB).writers()).as("one holds up no other").containsOnlyKeys("a");
    assertThat(unfinished("a"))
        .isEqualTo("disk xvda: goes on with generation 1; not yet: xvda is broken");
    world.setFaultPoints(FaultPoints.NONE);
    assertThat(world.migrate("a", "b")).as("not from a frozen disk").isFalse();
    world.pass(NEXT_ATTEMPT);
    assertThat(world.disk(XVDA).writers()).isEmpty();

    world.host("a").devices().mends(XVDA);
    world.pass(NEXT_ATTEMPT);
    assertThat(world.disk(XVDA).writers()).containsOnlyKeys("a");
    assertThat(unfinished("a")).isEmpty();
    assertThat(world.migrate("a", "b")).isTrue();
  }

  @Test
  void anUnsealAfterAReclaim() {
    breaksAt(Point.DESTINATION_TAKEN_OVER, "a", XVDA, true);
    assertThat(world.migrate("a", "b")).isFalse();
    assertThat(newest("a").phase()).isEqualTo(Phase.ABORT);
    assertThat(unfinished("a")).contains("goes on with generation 3; not yet: xvda is broken");
    world.host("a").devices().mends(XVDA);
    world.pass(NEXT_ATTEMPT);
    assertThat(world.disk(XVDA).writers()).containsEntry("a", 3L);
    assertThat(unfinished("a")).isEmpty();
  }

  @Test
  void anUnsealIsDoneByTheNextDaemon() {
    breaksAt(Point.DESTINATION_TAKEN_OVER, "a", XVDA, true);
    assertThat(world.migrate("a", "b")).isFalse();
    world.restart("a");
    assertThat(world.disk(XVDA).writers()).containsEntry("a", 3L);
    world.assertOneOwner("after a restart");
  }

  @Test
  void aRetireAfterACommit() {
    breaksAt(Point.SOURCE_GIVEN, "a", XVDA, false);
    // The domain stays at the source, as when libvirt is slow to destroy it.
    assertThat(world.restoresOnly("a", "b")).isTrue();
    world.pass(Duration.ofSeconds(5));
    assertThat(newest("a").phase()).isEqualTo(Phase.COMMIT);
    assertThat(unfinished("a")).isEqualTo("disk xvda: ends; not yet: xvda is broken");
    assertThat(world.host("a").devices().retired()).containsExactly(XVDB);
    world.host("a").devices().mends(XVDA);
    world.pass(NEXT_ATTEMPT);
    assertThat(world.host("a").devices().retired()).containsExactlyInAnyOrder(XVDA, XVDB);
    assertThat(unfinished("a")).isEmpty();
  }

  @Test
  void aRetireIsForgottenWhenTheDomainComesBack() {
    breaksAt(Point.SOURCE_GIVEN, "a", XVDA, false);
    assertThat(world.migrate("a", "b")).isTrue();
    world.pass(Duration.ofSeconds(5));
    world.setFaultPoints(FaultPoints.NONE);
    world.host("a").devices().mends(XVDA);
    assertThat(world.migrate("b", "a")).isTrue();
    world.settle();
    world.assertOneOwner("back again");
    world.assertNothingUnfinished("back again");
  }

  @Test
  void aGiveBack() {
    breaksAt(Point.DESTINATION_TAKEN_OVER, "b", XVDA, false);
    assertThat(world.arrives("a", "b")).isTrue();
    String refusal = world.refusal("b");
    assertThat(refusal)
        .contains("taking over xvda: xvda is broken")
        .contains("the disks are still held by b (stopping xvda: xvda is broken)")
        .contains("gives them back to a as soon as it can")
        .doesNotContain("\n");
    assertThat(newest("b").phase()).isEqualTo(Phase.TAKE_OVER);
    assertThat(unfinished("b"))
        .contains("taking over xvda: xvda is broken; b still holds its disks")
        .contains("stopping xvda: xvda is broken");
    assertThat(world.refusal("b")).as("the hook once more").contains("goes back: taking over");
    world.pass(NEXT_ATTEMPT);
    assertThat(world.disk(XVDB).writers()).as("nobody before b has stopped").doesNotContainKey("a");

    world.host("b").devices().mends(XVDA);
    world.pass(NEXT_ATTEMPT);
    assertThat(newest("b").phase()).isEqualTo(Phase.ABORT);
    assertThat(newest("b").detail()).isEqualTo("taking over xvda: xvda is broken");
    assertThat(world.disk(XVDA).writers()).containsOnlyKeys("a");
    assertThat(world.disk(XVDB).writers()).containsOnlyKeys("a");
    assertThat(unfinished("b")).isEmpty();
  }

  @Test
  void aGiveBackThatTheJournalDoesNotTake() {
    world.setFaultPoints(
        point -> {
          if (point == Point.DESTINATION_TAKEN_OVER) {
            world.host("b").disk().breaks(Operation.FORCE);
            throw new FaultException(point);
          }
        });
    assertThat(world.arrives("a", "b")).isTrue();
    assertThat(world.refusal("b")).contains("still held by b (").contains("Input/output error");
    assertThat(world.disk(XVDA).writers()).isEmpty();
    assertThat(newest("b").phase()).isEqualTo(Phase.TAKE_OVER);
    assertThat(List.of(newest("a").phase())).containsExactly(Phase.TAKE_OVER);
  }
}

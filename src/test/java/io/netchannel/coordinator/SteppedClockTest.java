package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.LoggerFactory;

/**
 * Somebody, or NTP, sets the wall clock of a host in the middle of a migration. Each run is made
 * twice, with one seed: the history without the step is the one expected, message by message.
 */
final class SteppedClockTest {
  private static final long SEED = 20260102;
  private static final Duration STEP = Duration.ofMinutes(5);

  /** A run takes some milliseconds. */
  private static final int RANDOM_RUNS = 150;

  private static final Logger logger =
      (Logger) LoggerFactory.getLogger(Coordinator.class.getPackageName());

  @BeforeAll
  static void quiet() {
    logger.setLevel(Level.OFF);
  }

  @AfterAll
  static void loud() {
    logger.setLevel(null);
  }

  @FunctionalInterface
  private interface Run {
    void run(Simulation world) throws JournalException;
  }

  /** The history of a run in which a host's clock is stepped at one of its steps, 0: at none. */
  private static List<String> history(Simulation world, Run run, Consumer<Integer> atStep)
      throws JournalException {
    int[] steps = {0};
    world.atEachStep(() -> atStep.accept(++steps[0]));
    run.run(world);
    world.settle();
    world.assertOneOwner("after a step of the clock");
    return world.history();
  }

  static Stream<Arguments> steps() {
    return Stream.of(Simulation.Guest.MIXED, Simulation.Guest.MIXED.untold())
        .flatMap(
            guest ->
                Stream.of("a", "b")
                    .flatMap(
                        host ->
                            Stream.of(STEP, STEP.negated())
                                .map(by -> Arguments.of(guest, host, by))));
  }

  @ParameterizedTest
  @MethodSource("steps")
  void atEveryStepOfAMigrationChangesNothing(Simulation.Guest guest, String host, Duration by)
      throws JournalException {
    int[] last = {0};
    List<String> expected =
        history(
            world(guest), world -> assertThat(world.migrate("a", "b")).isTrue(), s -> last[0] = s);
    assertThat(last[0]).as("points").isGreaterThan(30);
    for (int at = 1; at <= last[0]; at++) {
      int point = at;
      Simulation world = world(guest);
      assertThat(
              history(
                  world,
                  w -> assertThat(w.migrate("a", "b")).as("moved, stepped at %s", point).isTrue(),
                  step -> {
                    if (step == point) {
                      world.stepClock(host, by);
                    }
                  }))
          .as("clock of %s stepped by %s at step %d", host, by, point)
          .isEqualTo(expected);
    }
  }

  private static Simulation world(Simulation.Guest guest) throws JournalException {
    return new Simulation(guest, SEED, 0, Simulation.Restart.AT_ONCE, false);
  }

  /** Also what is lost, told again, crashes and is bounded comes at the same times. */
  @Test
  void whileMessagesAreLostAndHostsCrashChangesNothing() throws JournalException {
    Random random = new Random(SEED);
    int moved = 0;
    for (int run = 0; run < RANDOM_RUNS; run++) {
      long seed = random.nextLong();
      boolean[] went = new boolean[1];
      Run body = world -> went[0] = world.migrate("a", "b");
      List<String> expected = history(faulty(seed), body, step -> {});
      moved += went[0] ? 1 : 0;
      Random steps = new Random(seed);
      Simulation world = faulty(seed);
      assertThat(
              history(
                  world,
                  body,
                  step -> {
                    if (steps.nextInt(8) == 0) {
                      world.stepClock(
                          steps.nextBoolean() ? "a" : "b",
                          steps.nextBoolean() ? STEP : STEP.negated());
                    }
                  }))
          .as("seed %d", seed)
          .isEqualTo(expected);
    }
    assertThat(moved).as("migrations that went through").isBetween(1, RANDOM_RUNS - 1);
  }

  private static Simulation faulty(long seed) throws JournalException {
    Random plan = new Random(seed);
    List<Simulation.Guest> guests = MigrationSimulationTest.guests();
    Simulation world =
        new Simulation(
            guests.get(plan.nextInt(guests.size())),
            seed,
            plan.nextDouble() * 0.3,
            plan.nextBoolean() ? Simulation.Restart.AT_ONCE : Simulation.Restart.LATE,
            plan.nextBoolean());
    if (plan.nextBoolean()) {
      String host = plan.nextBoolean() ? "a" : "b";
      world.host(host).crashAtStep(world.host(host).steps() + 1 + plan.nextInt(120));
    }
    return world;
  }

  /** What a user saw: 300 s forward inside hook "started", and a peer blamed for "0 ms". */
  @Test
  void insideTheHookEndsNoMigration() throws Exception {
    for (FaultPoints.Point point : FaultPoints.Point.values()) {
      Simulation world = world(Simulation.Guest.MIXED);
      world.setFaultPoints(
          reached -> {
            if (reached == point) {
              world.stepClock("a", STEP);
              world.stepClock("b", STEP);
            }
          });
      assertThat(world.migrate("a", "b")).as("stepped at %s", point).isTrue();
      world.settle();
      world.assertOneOwner("stepped at " + point);
    }
  }

  /** A bound that the time has eaten up before a question is not said to be the peer's. */
  @Test
  void aQuestionWithoutTimeIsNotBlamedOnThePeer() {
    long[] now = {0};
    Deadline deadline = Deadline.after(() -> now[0], Duration.ofSeconds(55));
    now[0] = Duration.ofSeconds(56).toNanos();
    assertThatThrownBy(
            () ->
                deadline.ask(
                    bound -> {
                      throw new AssertionError("asked with " + bound);
                    }))
        .isInstanceOf(PeerException.class)
        .hasMessageContaining("the 55 s for this were over before the other host could be asked");
  }

  /** The monotonic clock of a host that has just started may be anywhere, and wrap around. */
  @Test
  void aDeadlineHoldsAcrossTheWrapOfTheMonotonicClock() {
    long[] now = {Long.MAX_VALUE - 5};
    Deadline deadline = Deadline.after(() -> now[0], Duration.ofNanos(10));
    assertThat(deadline.remaining()).isEqualTo(Duration.ofNanos(10));
    now[0] += 9;
    assertThat(deadline.hasPassed()).isFalse();
    now[0] += 1;
    assertThat(deadline.hasPassed()).isTrue();
  }
}

package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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

  @Test
  void migratesBackAtOnce() throws JournalException {
    Simulation world = new Simulation(SEED, 0, Simulation.Restart.AT_ONCE, false);
    assertThat(world.migrate("a", "b")).isTrue();
    assertThat(world.migrate("b", "a")).isTrue();
    world.settle();
    world.assertOneOwner("back at once");
  }

  @ParameterizedTest
  @CsvSource({
    "a, AT_ONCE, false",
    "a, AT_ONCE, true",
    "a, LATE, false",
    "a, LATE, true",
    "b, AT_ONCE, false",
    "b, AT_ONCE, true",
    "b, LATE, false",
    "b, LATE, true"
  })
  void crashAtEveryStep(String host, Simulation.Restart restart, boolean hookIsRetried)
      throws JournalException {
    Simulation whole = new Simulation(SEED, 0, restart, hookIsRetried);
    int first = whole.host(host).steps() + 1;
    assertThat(whole.migrate("a", "b")).isTrue();
    whole.settle();
    int last = whole.host(host).steps();
    assertThat(last - first).as("crash points").isGreaterThan(20);
    int moved = 0;
    for (int step = first; step <= last; step++) {
      String description = host + " crashes at step " + step + ", " + restart;
      Simulation world = new Simulation(SEED + step, 0, restart, hookIsRetried);
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
              seed,
              0,
              plan.nextBoolean() ? Simulation.Restart.AT_ONCE : Simulation.Restart.LATE,
              plan.nextBoolean());
      for (String host : new String[] {"a", "b"}) {
        world.host(host).crashAtStep(world.host(host).steps() + 1 + plan.nextInt(80));
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
              seed,
              plan.nextDouble() * 0.3,
              plan.nextBoolean() ? Simulation.Restart.AT_ONCE : Simulation.Restart.LATE,
              plan.nextBoolean());
      if (plan.nextBoolean()) {
        String host = plan.nextBoolean() ? "a" : "b";
        world.host(host).crashAtStep(world.host(host).steps() + 1 + plan.nextInt(120));
      }
      moved += world.migrate("a", "b") ? 1 : 0;
      world.settle();
      world.assertOneOwner("seed " + seed);
    }
    assertThat(moved).as("migrations that went through").isBetween(1, RANDOM_RUNS - 1);
  }
}

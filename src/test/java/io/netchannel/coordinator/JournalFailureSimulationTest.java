package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.netchannel.files.MemoryFiles;
import io.netchannel.files.MemoryFiles.Operation;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.LoggerFactory;

/**
 * Whatever the storage of the journals does, and wherever the power goes: one owner, and it is
 * where the guest runs; nothing is given away or taken over that the host's journal does not have
 * durably ({@link SimulatedHost#hasGiven}, {@link SimulatedDevices#takeOver}).
 */
final class JournalFailureSimulationTest {
  private static final long SEED = 20260102;
  private static final int RANDOM_RUNS = 600;
  private static final List<Operation> OPERATIONS = List.of(Operation.values());

  /** A daemon dies in this many steps after the migration has begun, as good as always. */
  private static final int STEPS = 120;

  private static final Logger logger =
      (Logger) LoggerFactory.getLogger(Coordinator.class.getPackageName());

  /** Thousands of failures on purpose say it all in the log. */
  @BeforeAll
  static void quiet() {
    logger.setLevel(Level.OFF);
  }

  @AfterAll
  static void loud() {
    logger.setLevel(null);
  }

  private static Simulation world(long seed, Random plan) throws JournalException {
    return new Simulation(
        plan.nextBoolean() ? Simulation.Guest.DISKS : Simulation.Guest.DISKS.untold(),
        seed,
        0,
        plan.nextBoolean() ? Simulation.Restart.AT_ONCE : Simulation.Restart.LATE,
        plan.nextBoolean());
  }

  private static void mayCrash(Simulation world, Random plan) {
    for (String host : List.of("a", "b")) {
      if (plan.nextBoolean()) {
        world.host(host).crashAtStep(world.host(host).steps() + 1 + plan.nextInt(STEPS));
      }
    }
  }

  private static boolean isBroken(SimulatedHost host) {
    return host.isUp() && host.coordinator().migrations().journalProblem().isPresent();
  }

  /** Somebody reads `netchannel status`, mends the disk and restarts the daemon, as it says. */
  private static void mend(Simulation world) {
    for (String name : List.of("a", "b")) {
      SimulatedHost host = world.host(name);
      host.disk().isMended();
      if (isBroken(host)) {
        world.restart(name);
      }
    }
  }

  private static void endsWell(Simulation world, String description) {
    mend(world);
    world.settle();
    world.assertOneOwner(description);
    world.assertNothingUnfinished(description);
    String other = world.guestOn().equals("a") ? "b" : "a";
    assertThat(world.migrate(world.guestOn(), other)).as(description + ", next").isTrue();
    world.settle();
    world.assertOneOwner(description + ", next");
  }

  static Stream<Arguments> hosts() {
    return Stream.of("a", "b")
        .flatMap(host -> Stream.of(false, true).map(cut -> Arguments.of(host, cut)));
  }

  /** Each call of a migration at its journal's storage fails; then daemons die, or not. */
  @ParameterizedTest
  @MethodSource("hosts")
  void everyCallFailsOnce(String host, boolean crashes) throws JournalException {
    Simulation whole =
        new Simulation(Simulation.Guest.DISKS.untold(), SEED, 0, Simulation.Restart.AT_ONCE, false);
    int first = whole.host(host).disk().operations() + 1;
    assertThat(whole.migrate("a", "b")).isTrue();
    int last = whole.host(host).disk().operations();
    assertThat(last - first).as("calls").isGreaterThan(5);
    int broken = 0;
    for (int call = first; call <= last; call++) {
      for (int life = 0; life < (crashes ? 8 : 1); life++) {
        long seed = SEED + 100L * call + life;
        Random plan = new Random(seed);
        Simulation world = world(seed, plan);
        world.host(host).disk().failsAt(call);
        if (crashes) {
          mayCrash(world, plan);
        }
        world.migrate("a", "b");
        broken += isBroken(world.host(host)) ? 1 : 0;
        world.pass(Duration.ofSeconds(plan.nextInt(40)));
        endsWell(world, "%s fails at call %d, seed %d".formatted(host, call, seed));
      }
    }
    assertThat(broken).as("journals that take nothing any more").isPositive();
  }

  @Test
  void disksThatFailFillUpAndForget() throws JournalException {
    Random random = new Random(SEED);
    int moved = 0;
    int broken = 0;
    for (int run = 0; run < RANDOM_RUNS; run++) {
      long seed = random.nextLong();
      Random plan = new Random(seed);
      Simulation world = world(seed, plan);
      for (String host : List.of("a", "b")) {
        fails(world.host(host).disk(), plan);
      }
      mayCrash(world, plan);
      moved += world.migrate("a", "b") ? 1 : 0;
      broken += isBroken(world.host("a")) || isBroken(world.host("b")) ? 1 : 0;
      world.pass(Duration.ofSeconds(plan.nextInt(90)));
      endsWell(world, "seed " + seed);
    }
    assertThat(moved).as("migrations that went through").isBetween(1, RANDOM_RUNS - 1);
    assertThat(broken).as("journals that take nothing any more").isGreaterThan(RANDOM_RUNS / 20);
  }

  private static void fails(MemoryFiles disk, Random plan) {
    switch (plan.nextInt(5)) {
      case 0 -> disk.setFailureRate(plan.nextDouble() * 0.3);
      case 1 -> disk.failsAt(disk.operations() + 1 + plan.nextInt(30));
      case 2 -> disk.breaks(OPERATIONS.get(plan.nextInt(OPERATIONS.size())));
      case 3 -> disk.setFull(true);
      default -> {
        // This one is well.
      }
    }
  }
}

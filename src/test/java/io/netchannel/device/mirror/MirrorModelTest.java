package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * The mirror itself, on legs whose requests end one by one in any order, against what a guest may
 * expect of one disk. Two and a bit regions, or ten of which most are a hole, a guest that writes,
 * reads, flushes and discards, in some runs without looking what it has open; errors at either leg,
 * a silent follower, one whose flushes fail until it is opened anew, another one in its place, one
 * that is damaged behind the mirror's back before it is verified; pauses, switches that are held,
 * an orderly close at any moment, kill -9 between any two stores of the map, loss of power with any
 * subset of unflushed blocks lost. The next process goes on with the map that it finds, at first
 * without the follower or not, and issues again what was not answered, sooner or later. After each
 * step all invariants are looked at; each run ends with a switch and a follower that has it all, or
 * is found not to.
 */
final class MirrorModelTest {
  private static final int RUNS = 1_000;

  /** What runs have been through: a test that never gets there shows nothing. */
  private final Map<MirrorState, Integer> visited = new EnumMap<>(MirrorState.class);

  private final Map<MirrorModelRun.Event, Integer> seen = new EnumMap<>(MirrorModelRun.Event.class);

  @Test
  void whateverTheOrderTheGuestHasOneDisk() {
    Optional<Long> only = Optional.ofNullable(Long.getLong("netchannel.seed"));
    if (only.isPresent()) {
      new MirrorModelRun(only.get(), true, visited, seen).run();
      return;
    }
    for (long seed = 0; seed < RUNS; seed++) {
      try {
        new MirrorModelRun(seed, false, visited, seen).run();
      } catch (AssertionError | RuntimeException e) {
        throw new AssertionError("-Dnetchannel.seed=" + seed + ": " + e.getMessage(), e);
      }
    }
    Set<MirrorState> ofSwaps =
        EnumSet.complementOf(EnumSet.of(MirrorState.JOINING, MirrorState.DROPPING));
    assertThat(visited.keySet()).isEqualTo(ofSwaps);
    assertThat(seen).containsOnlyKeys(MirrorModelRun.Event.values());
    assertThat(seen.values()).as("%s", seen).allMatch(times -> times >= 10);
  }
}

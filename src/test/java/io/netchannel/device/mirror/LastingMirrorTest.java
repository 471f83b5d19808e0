package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Whatever fails, and in whatever order: no leg that a start might choose lacks what was told. */
final class LastingMirrorTest {
  private static final int RUNS = 200;

  private final Map<MirrorState, Integer> visited = new EnumMap<>(MirrorState.class);
  private final Map<LastingMirrorRun.Event, Integer> seen =
      new EnumMap<>(LastingMirrorRun.Event.class);

  @Test
  void whoMayStartHasAll() {
    Optional<Long> only = Optional.ofNullable(Long.getLong("netchannel.seed"));
    long first = only.orElse(0L);
    for (long seed = first; seed < first + (only.isPresent() ? 1 : RUNS); seed++) {
      try {
        new LastingMirrorRun(seed, false, visited, seen).run();
      } catch (AssertionError | RuntimeException e) {
        throw new AssertionError("-Dnetchannel.seed=" + seed + ": " + e.getMessage(), e);
      }
    }
    if (only.isEmpty()) {
      assertThat(visited.keySet())
          .isEqualTo(
              EnumSet.complementOf(
                  EnumSet.of(MirrorState.RECORDING, MirrorState.ALONE, MirrorState.ABORTED)));
      assertThat(seen).containsOnlyKeys(LastingMirrorRun.Event.values());
      assertThat(seen.values()).as("%s", seen).allMatch(times -> times >= 10);
    }
  }

  /** An owner that records nothing: the legs differ, and the record says both, or the wrong one. */
  @Test
  void whatIsNotRecordedIsFound() {
    int found = 0;
    for (long seed = 0; seed < 50; seed++) {
      try {
        new LastingMirrorRun(seed, true, visited, seen).run();
      } catch (AssertionError e) {
        found++;
      }
    }
    assertThat(found).isGreaterThan(40);
  }
}

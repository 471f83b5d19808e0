package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Outcome;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Long holes: how many requests they take, and what is changed in them meanwhile. */
final class HoleCopyTest extends SteppedMirror {
  private static final int HOLE_REGIONS = 320;
  private static final int LONG = HOLE_REGIONS * REGION_BLOCKS;
  private static final int COPY_BLOCKS = RegionSpan.MOST_BYTES / BLOCK;

  private final SteppedDevice from = new SteppedDevice("leader", LONG, 0, true);
  private final SteppedDevice to = new SteppedDevice("follower", LONG, -1, true);

  @Test
  void areMadeWithFewRequests() {
    MirrorDevice mirror = mirror(from, to, settings(false, false, false, true));
    int asked = 0;
    int zeroed = 0;
    while (mirror.status().state() != MirrorState.SYNC) {
      asked += named(from, "holes").size();
      endAll(from, "");
      zeroed += named(to, "zeroes").size();
      endAll(to, "");
      pass(mirror, 1);
    }

    assertThat(asked).as("of 80 copies").isLessThanOrEqualTo(24);
    assertThat(zeroed).isEqualTo(asked);
    assertThat(mirror.status().zeroBytes()).isEqualTo((long) LONG * BLOCK);
    assertThat(to.current).isEqualTo(from.current);
  }

  @Test
  void whatIsWrittenThereMeanwhileIsCopied() {
    MirrorDevice mirror = mirror(from, to, settings(false, false, false, true));
    endAll(from, "holes");
    endAll(to, "zeroes");
    int asked = longest(from);
    assertThat(asked).isGreaterThan(COPY_BLOCKS);
    Answer whileAsked = write(mirror, at(from, asked) + 3, 7);
    endAll(from, "");
    Answer whileZeroed = write(mirror, at(to, asked) + asked - 1, 8);
    run(mirror, from, to, MirrorState.SYNC);

    assertThat(whileAsked.outcome).isEqualTo(Outcome.OK);
    assertThat(whileZeroed.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.status().staleCopies()).isEqualTo(2);
    assertThat(Arrays.stream(to.current).filter(value -> value > 0)).containsExactly(7, 8);
    assertThat(to.current).isEqualTo(from.current);
  }

  @Test
  void dataBehindThemIsReadInPartsThatThereIsMemoryFor() {
    for (int block = LONG / 2 - 1; block < LONG; block++) {
      from.current[block] = block;
    }
    MirrorDevice mirror = mirror(from, to, settings(false, false, false, true));
    int longest = 0;
    while (mirror.status().state() != MirrorState.SYNC) {
      endAll(from, "holes");
      longest =
          Math.max(
              longest,
              named(from, "reads").stream().mapToInt(HoleCopyTest::blocks).max().orElse(0));
      endAll(from, "");
      endAll(to, "");
      pass(mirror, 1);
    }

    assertThat(longest).isEqualTo(COPY_BLOCKS);
    assertThat(mirror.status().copiedBytes()).isEqualTo((LONG / 2 + 1L) * BLOCK);
    assertThat(to.current).isEqualTo(from.current);
  }

  @Test
  void longDataIsNotAskedAboutForEachCopy() {
    Arrays.fill(from.current, 9);
    MirrorDevice mirror = mirror(from, to, settings(false, false, false, true));
    int asked = 0;
    int read = 0;
    while (mirror.status().state() != MirrorState.SYNC) {
      asked += named(from, "holes").size();
      endAll(from, "holes");
      read += named(from, "reads").size();
      endAll(from, "");
      endAll(to, "");
      pass(mirror, 1);
    }

    assertThat(read).isEqualTo(LONG / COPY_BLOCKS);
    assertThat(asked).isLessThan(read / 2);
    assertThat(to.current).isEqualTo(from.current);
  }

  /** What was told of long data may be older than a discard. */
  @Test
  void aHoleThatWasDataWhenItWasAskedAboutIsCopiedAsZeros() {
    Arrays.fill(from.current, 9);
    MirrorDevice mirror = mirror(from, to, settings(false, false, false, true));
    for (int i = 0; i < 2; i++) {
      endAll(from, "");
      endAll(from, "");
      endAll(to, "");
    }
    mirror.discard((LONG - 2L * COPY_BLOCKS) * BLOCK, (long) COPY_BLOCKS * BLOCK, outcome -> {});
    run(mirror, from, to, MirrorState.SYNC);

    assertThat(Arrays.stream(to.current).filter(value -> value == 0).count())
        .isEqualTo(COPY_BLOCKS);
    assertThat(to.current).isEqualTo(from.current);
  }

  @Test
  void aFollowerThatCannotMakeZerosGetsThem() {
    to.zeroFails = true;
    MirrorDevice mirror = mirror(from, to, settings(false, false, false, true));
    run(mirror, from, to, MirrorState.SYNC);

    assertThat(to.current).isEqualTo(from.current);
  }

  /** Of the requests that it has, the one of most blocks. */
  private static int longest(SteppedDevice leg) {
    return leg.steps.stream().mapToInt(HoleCopyTest::blocks).max().orElseThrow();
  }

  /** Where the first request of so many blocks begins. */
  private static int at(SteppedDevice leg, int blocks) {
    return leg.steps.stream()
        .filter(step -> blocks(step) == blocks)
        .findFirst()
        .orElseThrow()
        .first();
  }

  private static int blocks(SteppedDevice.Step step) {
    return Integer.parseInt(step.what().substring(step.what().indexOf('+') + 1));
  }
}

package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Outcome;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Both legs are compared in sync, before the switch; {@link MirrorModelTest} has the rest. */
final class VerificationTest extends SteppedMirror {
  private static final int SPAN_BLOCKS = RegionSpan.MOST_REGIONS * REGION_BLOCKS;
  private static final long BYTES = (long) BLOCKS * BLOCK;

  private MirrorDevice verified(boolean switches) {
    MirrorDevice mirror = mirror(leader, follower, verifying(switches));
    toSync(mirror);
    return mirror;
  }

  private void toVerified(MirrorDevice mirror) {
    for (int i = 0; i < 100 && mirror.status().uncomparedBytes() > 0; i++) {
      endAll(leader, "");
      endAll(follower, "");
      pass(mirror, 1);
    }
    assertThat(mirror.status().uncomparedBytes()).isZero();
  }

  @Test
  void whatIsAlikeIsSwitchedTo() {
    MirrorDevice mirror = verified(true);
    assertThat(mirror.status().uncomparedBytes()).isEqualTo(BYTES);
    assertThat(records).as("not before it is verified").isEmpty();

    toVerified(mirror);
    assertThat(mirror.status().comparedBytes()).isEqualTo(BYTES);
    assertThat(records).hasSize(1);
  }

  @Test
  void whatDiffersEndsItBeforeTheSwitch() {
    MirrorDevice mirror = verified(true);
    follower.damage(SPAN_BLOCKS + 5);
    endAll(leader, "");
    endAll(follower, "");
    pass(mirror, 1);
    endAll(leader, "");
    endAll(follower, "");

    assertThat(mirror.status().state()).isEqualTo(MirrorState.ABORTED);
    assertThat(mirror.status().reason())
        .contains("source and target differ at byte " + (SPAN_BLOCKS + 5) * BLOCK, "begin anew");
    assertThat(records).isEmpty();
    assertThat(mirror.left()).isCompleted();
    assertThat(mirror.survivor()).isSameAs(leader);
    Answer write = write(mirror, 3, 7);
    endAll(leader, "");
    assertThat(write.outcome).isEqualTo(Outcome.OK);
    mirror.dissolve();
  }

  /** A region is compared when nothing is changing it, and changed when nobody compares it. */
  @Test
  void changesAndComparisonsOfARegionWaitForEachOther() {
    MirrorDevice mirror = mirror(leader, follower, verifying(false));
    run(mirror, MirrorState.FLUSHING);
    mirror.bandwidth(RegionSpan.MOST_BYTES); // one at a time
    Answer before = write(mirror, 0, 7);
    endAll(follower, "flushes");
    assertThat(mirror.status().state()).isEqualTo(MirrorState.SYNC);
    Answer held = write(mirror, REGION_BLOCKS, 8);
    Answer other = write(mirror, BLOCKS - 1, 9);
    assertThat(named(leader, "writes")).as("two of them").hasSize(2);
    endAll(leader, "writes");
    endAll(follower, "writes " + (BLOCKS - 1));
    assertThat(other.outcome).as("nobody compares its region yet").isEqualTo(Outcome.OK);

    assertThat(named(follower, "reads")).hasSize(1);
    assertThat(named(follower, "reads 16+64")).hasSize(1);
    endAll(leader, "reads");
    endAll(follower, "reads");
    assertThat(named(follower, "writes 16+1")).as("its turn has come").hasSize(1);
    endAll(leader, "writes");
    endAll(follower, "writes 16+1");
    assertThat(held.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.status().heldWrites()).isEqualTo(1);

    pass(mirror, 1);
    assertThat(named(follower, "reads 80+48")).hasSize(1);
    endAll(leader, "reads");
    endAll(follower, "reads");
    assertThat(named(follower, "reads")).as("region 0 is being changed").isEmpty();
    Answer locked = write(mirror, 1, 10);
    assertThat(named(leader, "writes 1+1")).as("it waits for its turn").isEmpty();
    endAll(follower, "writes 0+1");
    assertThat(before.outcome).isEqualTo(Outcome.OK);
    assertThat(named(follower, "reads 0+16")).hasSize(1);
    toVerified(mirror);
    endAll(leader, "");
    endAll(follower, "");
    assertThat(locked.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.status().state()).isEqualTo(MirrorState.SYNC);
    assertThat(follower.current).isEqualTo(leader.current);
  }

  @Test
  void aLegThatCannotBeReadIsTriedAgain() {
    for (SteppedDevice leg : List.of(leader, follower)) {
      MirrorDevice mirror = verified(true);
      failAll(leg);
      assertThat(mirror.status().state()).isEqualTo(MirrorState.PAUSED);
      assertThat(mirror.status().reason())
          .contains("verifying: reading 262144 bytes at 0 of the", "I/O error");
      endAll(leader, "");
      endAll(follower, "");
      assertThat(mirror.status().comparedBytes()).as("both, or nothing").isZero();

      int tries = 0;
      for (int second = 0; second < 100; second++) {
        pass(mirror, 1);
        endAll(follower, "flushes");
        tries += named(leg, "reads 0+").size();
        failAll(leg);
        endAll(leader, "");
        endAll(follower, "");
      }
      assertThat(tries).as("1 s to 30 s apart").isBetween(5, 15);
      toSync(mirror);
      toVerified(mirror);
      assertThat(records).hasSize(1);
      records.clear();
    }
  }

  @Test
  void aTargetThatDoesNotAnswerHoldsNoWriteForLong() {
    MirrorDevice mirror = verified(true);
    endAll(leader, "");
    Answer write = write(mirror, 0, 7);
    assertThat(named(leader, "writes")).isEmpty();
    pass(mirror, 6);

    assertThat(mirror.status().reason()).contains("has not answered for 5 s");
    endAll(leader, "writes");
    assertThat(write.outcome).isEqualTo(Outcome.OK);
    pass(mirror, 60);
    assertThat(mirror.status().state()).isEqualTo(MirrorState.PAUSED);
    endAll(follower, "");
    toSync(mirror);
    toVerified(mirror);
    assertThat(records).hasSize(1);
    assertThat(follower.current[0]).isEqualTo(7);
  }

  /** Nobody knows yet whether the target is the same. */
  @Test
  void aSourceThatFailsIsReplacedOnlyByWhatIsVerified() {
    MirrorDevice mirror = verified(false);
    Answer read = read(mirror, 9);
    leader.fail(named(leader, "reads 9+1").get(0), false, Outcome.IO_ERROR);
    assertThat(read.outcome).isEqualTo(Outcome.IO_ERROR);
    assertThat(records).isEmpty();

    toVerified(mirror);
    read = read(mirror, 9);
    failAll(leader);
    assertThat(read.outcome).isNull();
    assertThat(records).hasSize(1);
  }

  @Test
  void verifiedOnceItWaitsForTheWordToSwitch() {
    MirrorDevice mirror = verified(false);
    toVerified(mirror);
    write(mirror, 0, 7);
    endAll(leader, "");
    endAll(follower, "");
    pass(mirror, 60);
    assertThat(mirror.status().state()).isEqualTo(MirrorState.SYNC);
    assertThat(follower.steps).as("nothing is compared again").isEmpty();

    mirror.switchOver();
    assertThat(records).hasSize(1);
  }

  @Test
  void whatIsCopiedAfterwardsIsComparedAgain() {
    MirrorDevice mirror = verified(false);
    toVerified(mirror);
    mirror.pause("a person says so");
    write(mirror, 0, 7);
    endAll(leader, "");
    mirror.resume();
    toSync(mirror);

    assertThat(mirror.status().uncomparedBytes()).isEqualTo(DifferenceMap.REGION_BYTES);
    toVerified(mirror);
    assertThat(mirror.status().comparedBytes()).isEqualTo(BYTES + DifferenceMap.REGION_BYTES);
  }

  @Test
  void theNextProcessComparesAll(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("map");
    MirrorDevice killed = mirror(DifferenceMap.create(file, BYTES), verifying(false));
    toSync(killed);
    toVerified(killed);

    MirrorDevice mirror = mirror(DifferenceMap.reopen(file, BYTES, List.of()), verifying(false));
    toSync(mirror);
    assertThat(mirror.status().copiedBytes()).isZero();
    assertThat(mirror.status().uncomparedBytes()).isEqualTo(BYTES);
    toVerified(mirror);
  }

  @Test
  void itIsBoundedAsCopiesAre() {
    int regions = 64 * RegionSpan.MOST_REGIONS;
    SteppedDevice from = new SteppedDevice("leader", regions * REGION_BLOCKS, 1, true);
    SteppedDevice to = new SteppedDevice("follower", regions * REGION_BLOCKS, -1, true);
    MirrorDevice mirror = mirror(from, to, verifying(false));
    run(mirror, from, to, MirrorState.SYNC);
    assertThat(to.steps).hasSize(CopyPace.ALONE);
    assertThat(from.steps).hasSize(CopyPace.ALONE);

    mirror.bandwidth(RegionSpan.MOST_BYTES);
    endAll(from, "");
    endAll(to, "");
    long compared = mirror.status().comparedBytes();
    for (int second = 0; second < 10; second++) {
      pass(mirror, 1);
      endAll(from, "");
      endAll(to, "");
    }
    assertThat(mirror.status().comparedBytes() - compared)
        .isBetween(10L * RegionSpan.MOST_BYTES, 11L * RegionSpan.MOST_BYTES);
  }

  @Test
  void theCloseEndsIt() {
    MirrorDevice mirror = verified(true);
    Answer held = write(mirror, 0, 7);
    mirror.close();
    assertThat(held.outcome).isNotNull();
    assertThat(mirror.status().state()).isEqualTo(MirrorState.SYNC);
  }
}

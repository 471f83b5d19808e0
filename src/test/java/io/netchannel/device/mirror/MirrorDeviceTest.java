package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One rule at a time; {@link MirrorModelTest} has all of them in any order. */
final class MirrorDeviceTest extends SteppedMirror {
  @Test
  void aWriteIsAnsweredByTheLeaderWhileAllIsToBeCopied() {
    MirrorDevice mirror = mirror(true, true);

    Answer write = write(mirror, 0, 7);
    endAll(leader, "writes");

    assertThat(write.outcome).isEqualTo(Outcome.OK);
    assertThat(named(follower, "writes")).isEmpty();
  }

  @Test
  void aSilentFollowerIsGivenUpAndComesBackWhenItHasAnswered() {
    MirrorDevice mirror = mirror(false, true);
    toSync(mirror);
    Answer write = write(mirror, 0, 7);
    endAll(leader, "writes");
    assertThat(write.outcome).as("in sync both have to have it").isNull();

    pass(mirror, 6);

    assertThat(write.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.status().state()).isEqualTo(MirrorState.PAUSED);
    assertThat(mirror.status().reason()).contains("has not answered for 5 s");
    pass(mirror, 60);
    assertThat(mirror.status().state())
        .as("what it has may land yet")
        .isEqualTo(MirrorState.PAUSED);

    endAll(follower, "writes");
    pass(mirror, 1);
    toSync(mirror);
    assertThat(follower.current[0]).isEqualTo(7);
  }

  @Test
  void aLeaderThatFailsInSyncIsReplacedAndTheGuestSeesNothing() {
    MirrorDevice mirror = mirror(false, true);
    toSync(mirror);
    Answer write = write(mirror, 3, 7);
    Answer read = read(mirror, 9);
    endAll(follower, "writes");
    failAll(leader);

    assertThat(write.outcome).as("not before the record").isNull();
    assertThat(records).hasSize(1);
    records.get(0).complete(null);
    endAll(follower, "reads");

    assertThat(write.outcome).isEqualTo(Outcome.OK);
    assertThat(read.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.status().reason()).contains("the source failed");
    assertThat(mirror.left()).isCompleted();
  }

  @Test
  void aLeaderThatFailsWhileCopyingIsHeardOf() {
    MirrorDevice mirror = mirror(true, true);
    endAll(leader, "holes");
    Answer write = write(mirror, 0, 7);
    failAll(leader);

    assertThat(write.outcome).isEqualTo(Outcome.IO_ERROR);
    assertThat(records).isEmpty();
    assertThat(mirror.status().state()).isEqualTo(MirrorState.PAUSED);
    assertThat(mirror.status().reason()).contains("reading", "of the source");
  }

  @Test
  void aSwitchHoldsNoRequest() {
    MirrorDevice mirror = mirror(true, true);
    toRecord(mirror);
    Answer both = write(mirror, 0, 7);
    records.get(0).complete(null);
    Answer alone = write(mirror, 1, 8);
    endAll(follower, "writes");

    assertThat(alone.outcome).isEqualTo(Outcome.OK);
    assertThat(both.outcome).as("its buffer is the leader's").isNull();
    assertThat(mirror.left()).isNotDone();
    endAll(leader, "writes");
    assertThat(both.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.left()).isCompleted();
    assertThat(leader.current[1]).as("nothing new").isEqualTo(1);
  }

  /** A disk that was exchanged once may be exchanged again. */
  @Test
  void whereTheDiskIsIsForTheLegThatIsTheDisk() {
    MirrorDevice mirror = mirror(true, true);
    toRecord(mirror);
    assertThat(mirror.moved("nbd://one")).isCompleted();
    records.get(0).complete(null);
    assertThat(mirror.arrived()).isCompleted();
    assertThat(mirror.moved("nbd://two")).isCompleted();

    assertThat(leader.told).containsExactly("moved to nbd://one");
    assertThat(follower.told).containsExactly("arrived", "moved to nbd://two");
  }

  @Test
  void theRecordThatFailsLeavesTheLeader() {
    MirrorDevice mirror = mirror(true, true);
    toRecord(mirror);
    records.get(0).completeExceptionally(new IllegalStateException("no room in the journal"));

    assertThat(mirror.status().state()).isEqualTo(MirrorState.PAUSED);
    assertThat(mirror.status().reason()).contains("no room in the journal");
    write(mirror, 0, 7);
    assertThat(named(leader, "writes")).hasSize(1);
    assertThat(named(follower, "writes")).isEmpty();
  }

  /** Writes that overlap: no mid-point has them, clients of a server may. */
  @Test
  void overlappingWritesReachBothLegsInOneOrder() {
    MirrorDevice mirror = mirror(false, true);
    toSync(mirror);
    Answer first = write(mirror, 0, 7);
    Answer second = write(mirror, 0, 8);

    assertThat(named(leader, "writes")).hasSize(1);
    endAll(follower, "writes");
    endAll(leader, "writes");
    assertThat(first.outcome).isEqualTo(Outcome.OK);
    endAll(leader, "writes");
    endAll(follower, "writes");
    assertThat(second.outcome).isEqualTo(Outcome.OK);
    assertThat(leader.current[0]).isEqualTo(8);
    assertThat(follower.current[0]).isEqualTo(8);
    assertThat(mirror.status().heldWrites()).isEqualTo(1);
  }

  /** A region that is written all the time: three passes leave it, then one copy has it alone. */
  @Test
  void aHotRegionIsCopiedWhileItsWritesWait() {
    MirrorDevice mirror = mirror(true, true);
    int value = 10;
    Answer last = null;
    for (int i = 0; i < 200 && mirror.status().heldWrites() == 0; i++) {
      last = write(mirror, 0, value++);
      endAll(follower, "");
      endAll(leader, "holes");
      endAll(leader, "reads");
      endAll(leader, "writes");
      pass(mirror, 1);
    }
    assertThat(mirror.status().heldWrites()).isPositive();
    for (int i = 0; i < 50; i++) {
      endAll(leader, "");
      endAll(follower, "");
      pass(mirror, 1);
    }
    assertThat(last.outcome).isEqualTo(Outcome.OK);
    assertThat(records).hasSize(1);
    assertThat(follower.current[0]).isEqualTo(value - 1);
  }

  /** A follower that is always late: its bits come and go, and all is copied for ever. */
  @Test
  void aGuestThatIsQuickerThanTheFollowerIsSlowedDownInTheEnd() {
    MirrorDevice mirror = mirror(true, true);
    List<Answer> answers = overload(mirror);

    assertThat(mirror.status().throttled() || !records.isEmpty()).isTrue();
    for (int i = 0; i < 50 && records.isEmpty(); i++) {
      endAll(leader, "");
      endAll(follower, "");
      pass(mirror, 1);
    }
    assertThat(records).hasSize(1);
    assertThat(answers).allSatisfy(answer -> assertThat(answer.outcome).isEqualTo(Outcome.OK));
  }

  @Test
  void aGuestThatMayNotBeSlowedDownIsNot() {
    MirrorDevice mirror = mirror(true, false);
    overload(mirror);

    assertThat(mirror.status().throttled()).isFalse();
    assertThat(mirror.status().state()).isEqualTo(MirrorState.COPYING);
  }

  /** The oldest write at the follower ends when a newer one is there. */
  private List<Answer> overload(MirrorDevice mirror) {
    List<Answer> answers = new ArrayList<>();
    int block = 0;
    for (int i = 0; i < 300 && records.isEmpty() && !mirror.status().throttled(); i++) {
      answers.add(write(mirror, block, 100 + i));
      block = (block + 5) % BLOCKS;
      endAll(leader, "");
      while (follower.steps.size() > 1) {
        follower.end(follower.steps.get(0));
        endAll(leader, "");
      }
      pass(mirror, 1);
    }
    return answers;
  }

  @Test
  void zerosAreNotWrittenAsData() {
    for (int block = 2; block < BLOCKS; block++) {
      leader.current[block] = 0;
    }
    MirrorDevice mirror = mirror(false, true);
    toSync(mirror);

    assertThat(mirror.status().copiedBytes()).isEqualTo(2 * BLOCK);
    assertThat(mirror.status().zeroBytes()).isEqualTo((BLOCKS - 2L) * BLOCK);
    assertThat(follower.current).isEqualTo(leader.current);
  }

  @Test
  void holesAreNotRead() {
    for (int block = REGION_BLOCKS; block < BLOCKS; block++) {
      leader.current[block] = 0;
    }
    MirrorDevice mirror = mirror(false, true);
    int reads = 0;
    while (mirror.status().state() != MirrorState.SYNC) {
      endAll(leader, "holes");
      reads += named(leader, "reads").size();
      endAll(leader, "reads");
      endAll(follower, "");
      pass(mirror, 1);
    }
    assertThat(reads).as("the first four regions, of which one has data").isEqualTo(1);
    assertThat(follower.current).isEqualTo(leader.current);
  }

  @Test
  void whatIsZeroAlreadyIsNotTouched() {
    SteppedDevice blank = new SteppedDevice("follower", BLOCKS, 0, true);
    leader.current[5] = 0;
    MirrorDevice mirror = mirror(leader, blank, settings(true, false, false, true));
    int changed = 0;
    while (mirror.status().state() != MirrorState.SYNC) {
      endAll(leader, "");
      changed += named(blank, "writes").size();
      assertThat(named(blank, "zeroes")).isEmpty();
      endAll(blank, "");
      pass(mirror, 1);
    }
    assertThat(changed).isPositive();
    assertThat(blank.current).isEqualTo(leader.current);
  }

  @Test
  void whatIsAlikeIsNotWritten() {
    System.arraycopy(leader.current, 0, follower.current, 0, BLOCKS);
    follower.current[17] = 99;
    MirrorDevice mirror = mirror(leader, follower, settings(false, true, false, true));
    toSync(mirror);

    assertThat(mirror.status().copiedBytes()).isEqualTo(BLOCK);
    assertThat(follower.current).isEqualTo(leader.current);
  }

  @Test
  void aDiscardThatOneLegCannotMakeZerosOfIsUnsupported() {
    SteppedDevice poor = new SteppedDevice("follower", BLOCKS, -1, false);
    MirrorDevice mirror = mirror(leader, poor, settings(false, false, false, true));
    Answer discard = new Answer();
    mirror.discard(0, BLOCK, discard::told);

    assertThat(discard.outcome).isEqualTo(Outcome.UNSUPPORTED);
    assertThat(named(leader, "zeroes")).isEmpty();
  }

  @Test
  void aTargetThatDoesNotFitIsRefused() {
    SteppedDevice small = new SteppedDevice("follower", BLOCKS - 1, -1, true);

    assertThatThrownBy(() -> mirror(leader, small, MirrorSettings.DEFAULT))
        .hasMessageContaining("expected a target of at least %d bytes".formatted(BLOCKS * BLOCK));
  }

  /**
   * NBD clients write up to 32 MiB at a time; the follower's copies have 1 MiB at most, 8 in all.
   */
  @ParameterizedTest
  @ValueSource(ints = {0, 1 << 20, (1 << 20) + BLOCK, 9 << 20})
  void longWritesGoInParts(int lengthBytes) {
    int blocks = 160 * REGION_BLOCKS;
    SteppedDevice from = new SteppedDevice("leader", blocks, 1, true);
    SteppedDevice to = new SteppedDevice("follower", blocks, -1, true);
    MirrorDevice mirror = mirror(from, to, settings(false, false, false, true));
    Answer copying = longWrite(mirror, lengthBytes, 7);
    run(mirror, from, to, MirrorState.SYNC);
    assertThat(copying.outcome).isEqualTo(Outcome.OK);
    Answer inSync = longWrite(mirror, lengthBytes, 8);
    for (int i = 0; i < 100 && inSync.outcome == null; i++) {
      endAll(from, "");
      endAll(to, "");
    }

    assertThat(inSync.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.status().state()).isEqualTo(MirrorState.SYNC);
    assertThat(Arrays.stream(to.current).filter(value -> value == 8).count())
        .isEqualTo(lengthBytes / BLOCK);
    assertThat(to.current).isEqualTo(from.current);
  }

  private static Answer longWrite(MirrorDevice mirror, int lengthBytes, int value) {
    ByteBuffer data = ByteBuffer.allocate(lengthBytes);
    for (int at = 0; at < lengthBytes; at += BLOCK) {
      SteppedDevice.put(data, at, value);
    }
    Answer answer = new Answer();
    mirror.write(0, data, answer::told);
    return answer;
  }

  @Test
  void aPartThatFailsIsTheOutcomeAndTheLast() {
    MirrorDevice mirror = mirror(true, true);
    Answer write = longWrite(mirror, BLOCKS * BLOCK, 7);
    assertThat(write.outcome).as("of one part").isNull();
    assertThat(BLOCKS * BLOCK).isLessThanOrEqualTo(1 << 20);
    failAll(leader);
    assertThat(write.outcome).isEqualTo(Outcome.IO_ERROR);

    int blocks = 64 * REGION_BLOCKS;
    SteppedDevice from = new SteppedDevice("leader", blocks, 1, true);
    SteppedDevice to = new SteppedDevice("follower", blocks, -1, true);
    MirrorDevice longer = mirror(from, to, settings(false, false, false, true));
    Answer parts = longWrite(longer, 3 << 20, 7);
    endAll(from, "writes");
    failAll(from);
    assertThat(parts.outcome).isEqualTo(Outcome.IO_ERROR);
    assertThat(named(from, "writes")).isEmpty();
  }

  /** A device that ends each part at once: as deep as one. */
  @Test
  void manyPartsDoNotGoDeep() {
    List<Long> offsets = new ArrayList<>();
    Parts.Whole whole =
        (kind, offset, length, data, completion) -> {
          offsets.add(offset);
          completion.complete(Outcome.OK);
        };
    Answer answer = new Answer();
    new Parts(whole, MirroredRequest.Kind.DISCARD, 10, 1_000_000, 10, null, answer::told).begin();

    assertThat(answer.outcome).isEqualTo(Outcome.OK);
    assertThat(offsets).hasSize(100_000).startsWith(10L, 20L).endsWith(1_000_000L);
  }

  @Test
  void readsThatTheLeaderFailsAfterTheSwitchAreReadAgain() {
    MirrorDevice mirror = mirror(true, true);
    toRecord(mirror);
    List<Answer> reads = List.of(read(mirror, 3), read(mirror, 4));
    leader.fail(leader.steps.get(0), false, Outcome.IO_ERROR);
    records.get(0).complete(null);
    failAll(leader);
    endAll(follower, "reads");

    assertThat(reads).allSatisfy(read -> assertThat(read.outcome).isEqualTo(Outcome.OK));
    assertThat(mirror.left()).isCompleted();
  }

  /** All that is left is being changed for a long time: no reason to slow the guest down. */
  @Test
  void aPassThatFindsNothingToCopyDoesNotCountAtOnce() {
    MirrorDevice mirror = mirror(true, true);
    Answer discard = new Answer();
    mirror.discard(0, (long) BLOCKS * BLOCK, discard::told);
    for (int i = 0; i < 20; i++) {
      read(mirror, i);
      endAll(leader, "reads");
    }

    assertThat(mirror.status().passes()).isLessThanOrEqualTo(2);
    assertThat(mirror.status().heldWrites()).isZero();
  }

  /** The guest may not flush for days, and nothing else asks the target. */
  @Test
  void aTargetThatHasLostWritesIsNotInSync() {
    MirrorDevice mirror = mirror(false, true);
    toSync(mirror);
    long copied = mirror.status().copiedBytes();
    follower.lostWrites = true;
    pass(mirror, 0);
    assertThat(mirror.status().state()).isEqualTo(MirrorState.PAUSED);
    assertThat(mirror.status().leftBytes()).as("all of it").isEqualTo((long) BLOCKS * BLOCK);
    mirror.switchOver();
    assertThat(records).isEmpty();

    follower.lostWrites = false;
    toRecord(mirror);
    assertThat(mirror.status().copiedBytes()).isEqualTo(2 * copied);
  }

  /** As files, NBD servers and other hosts' devices do until they are opened anew. */
  @Test
  void aTargetThatFailsEveryFlushIsNotCopiedToAgainAndAgain() {
    MirrorDevice mirror = mirror(false, true);
    toSync(mirror);
    Answer flush = flush(mirror);
    endAll(leader, "");
    failAll(follower);
    assertThat(flush.outcome).isEqualTo(Outcome.OK);
    long copied = mirror.status().copiedBytes();
    for (int i = 0; i < 100; i++) {
      pass(mirror, 1);
      endAll(leader, "");
      assertThat(follower.steps).allMatch(step -> step.what().endsWith("flushes"));
      failAll(follower);
      assertThat(mirror.status().state()).isEqualTo(MirrorState.PAUSED);
    }
    assertThat(follower.flushes).as("1 s to 30 s apart").isBetween(5, 15);
    assertThat(mirror.status().reason()).contains("flushing the target", "opened anew");

    toSync(mirror);
    assertThat(mirror.status().copiedBytes()).as("all of it").isEqualTo(2 * copied);
  }
}

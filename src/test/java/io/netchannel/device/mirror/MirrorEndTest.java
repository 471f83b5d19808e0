package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.util.concurrent.Uninterruptibles;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.Extents;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.Outcome;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How a mirror ends, what holds its end up, and how the next process goes on. */
final class MirrorEndTest extends SteppedMirror {
  @Test
  void whenItIsBeingRecordedItCannotBeAborted() {
    MirrorDevice mirror = mirror(true, true);
    toRecord(mirror);

    assertThat(mirror.abort()).isFalse();
    records.get(0).complete(null);
    assertThat(mirror.abort()).isFalse();
    assertThat(mirror.status().state()).isEqualTo(MirrorState.ALONE);
  }

  @Test
  void abortLeavesTheLeaderAloneAndWaitsForWhatTheFollowerHas() {
    MirrorDevice mirror = mirror(false, true);
    toSync(mirror);
    Answer write = write(mirror, 0, 7);
    endAll(leader, "writes");

    assertThat(mirror.abort()).isTrue();
    assertThat(write.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.left()).isNotDone();
    endAll(follower, "writes");
    assertThat(mirror.left()).isCompleted();
  }

  /** Which leg is the disk is not known before, and an answer would be one of them's. */
  @Test
  void theCloseWaitsForARecordThatIsBeingMade() throws Exception {
    MirrorDevice mirror = mirror(true, true);
    toRecord(mirror);
    Answer write = write(mirror, 0, 7);
    endAll(leader, "writes");
    Thread closing = new Thread(mirror::close);
    closing.start();
    while (closing.getState() != Thread.State.WAITING) {
      Thread.onSpinWait();
    }
    assertThat(write.outcome).as("the follower does not have it").isNull();
    follower.fail(named(follower, "writes").get(0), false, Outcome.IO_ERROR);
    assertThat(write.outcome).isNull();
    records.get(0).complete(null);
    closing.join();

    assertThat(write.outcome).isEqualTo(Outcome.IO_ERROR);
    assertThat(mirror.status().state()).isEqualTo(MirrorState.ALONE);
  }

  /** The next process finds out which leg is the disk, and issues again what was not answered. */
  @Test
  void aRecordOfWhichNobodyKnowsKeepsNoClose() throws Exception {
    MirrorDevice mirror = mirror(true, true);
    toRecord(mirror);
    records.get(0).completeExceptionally(new UnknownSwitchException("a failed sync", null));
    assertThat(mirror.status().state()).isEqualTo(MirrorState.RECORDING);
    assertThat(mirror.abort()).isFalse();
    Answer both = write(mirror, 0, 7);
    endAll(leader, "writes");
    assertThat(both.outcome).isNull();
    endAll(follower, "writes");
    assertThat(both.outcome).isEqualTo(Outcome.OK);
    Answer one = write(mirror, 1, 8);
    follower.fail(named(follower, "writes").get(0), false, Outcome.IO_ERROR);
    mirror.keepPlace();
    CompletableFuture.runAsync(mirror::close).get(60, TimeUnit.SECONDS);

    assertThat(one.outcome).as("the leader alone has it").isNull();
    assertThat(leader.closes).isEqualTo(1);
    assertThat(follower.closes).isEqualTo(1);
    assertThat(leader.placesKept).isEqualTo(1);
    assertThat(follower.placesKept).isEqualTo(1);
  }

  @Test
  void theCloseEndsEveryRequest() {
    MirrorDevice mirror = mirror(false, true);
    toSync(mirror);
    List<Answer> answers =
        List.of(write(mirror, 0, 7), write(mirror, 0, 8), read(mirror, 4), flush(mirror));
    mirror.close();

    assertThat(answers).allSatisfy(answer -> assertThat(answer.outcome).isNotNull());
    assertThat(mirror.left()).isCompletedExceptionally();
    assertThat(budget.use().users()).isZero();
  }

  /** He has the guest's memory, which is another's when the mirror is closed. */
  @Test
  void theCloseWaitsForWhoIsOnHisWayToALeg() throws Exception {
    CountDownLatch isOnHisWay = new CountDownLatch(1);
    CountDownLatch goesOn = new CountDownLatch(1);
    Device slowToReach =
        new ForwardingDevice(follower) {
          @Override
          public void write(long offsetBytes, ByteBuffer data, Completion completion) {
            if (Thread.currentThread().getName().equals("guest")) {
              isOnHisWay.countDown();
              Uninterruptibles.awaitUninterruptibly(goesOn);
            }
            super.write(offsetBytes, data, completion);
          }
        };
    MirrorDevice mirror = mirror(leader, slowToReach, settings(false, false, false, true));
    toSync(mirror);
    Thread guest = new Thread(() -> write(mirror, 0, 7), "guest");
    guest.start();
    isOnHisWay.await();
    Thread closing = new Thread(mirror::close);
    closing.start();
    while (closing.getState() != Thread.State.WAITING) {
      assertThat(closing.isAlive()).as("it waits").isTrue();
      Thread.onSpinWait();
    }
    assertThat(follower.closes).as("nothing is begun there meanwhile").isEqualTo(1);
    assertThat(budget.use().users()).isEqualTo(1);
    goesOn.countDown();
    guest.join();
    closing.join();

    assertThat(budget.use().users()).isZero();
  }

  /** A leg may complete before it has returned, and what that leads to is the guest's to choose. */
  @Test
  void whoIsOnHisWayMayCloseIt() throws Exception {
    AtomicReference<MirrorDevice> closed = new AtomicReference<>();
    Device closesOnTheWay =
        new ForwardingDevice(follower) {
          @Override
          public void write(long offsetBytes, ByteBuffer data, Completion completion) {
            Optional.ofNullable(closed.get()).ifPresent(MirrorDevice::close);
            super.write(offsetBytes, data, completion);
          }
        };
    MirrorDevice mirror = mirror(leader, closesOnTheWay, settings(false, false, false, true));
    toSync(mirror);
    closed.set(mirror);
    Answer write =
        CompletableFuture.supplyAsync(() -> write(mirror, 0, 7)).get(60, TimeUnit.SECONDS);

    assertThat(write.outcome).isEqualTo(Outcome.IO_ERROR);
    assertThat(budget.use().users()).isZero();
  }

  /** Nobody has its request, and it never ends. */
  @Test
  void aLegThatThrowsHoldsUpNoClose() throws Exception {
    Device throwing =
        new ForwardingDevice(follower) {
          @Override
          public void write(long offsetBytes, ByteBuffer data, Completion completion) {
            if (data.remaining() == BLOCK) {
              throw new IllegalStateException("of a test");
            }
            super.write(offsetBytes, data, completion);
          }
        };
    MirrorDevice mirror = mirror(leader, throwing, settings(false, false, false, true));
    toSync(mirror);
    assertThatThrownBy(() -> write(mirror, 0, 7)).hasMessage("of a test");
    CompletableFuture.runAsync(mirror::close).get(60, TimeUnit.SECONDS);

    assertThat(budget.use().users()).isZero();
  }

  @Test
  void theMemoryOfACopyIsNobodyElsesUntilItHasEnded() {
    CompletableFuture<Extents> holes = new CompletableFuture<>();
    Device late =
        new ForwardingDevice(leader) {
          @Override
          public CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
            return holes;
          }
        };
    MirrorDevice mirror = mirror(late, follower, settings(false, false, false, true));
    mirror.close();
    assertThat(budget.use().users()).as("the leader tells yet").isEqualTo(1);
    holes.complete(Extents.ALL_DATA);

    assertThat(budget.use().users()).isZero();
  }

  /** The follower alone has it, and the map is the next mirror's. */
  @Test
  void whatFailsAtTheLeaderInACloseMayDiffer(@TempDir Path directory) throws IOException {
    System.arraycopy(leader.current, 0, follower.current, 0, BLOCKS);
    DifferenceMap map = found(directory, -1);
    Device failing =
        new ForwardingDevice(leader) {
          @Override
          public void close() {
            leader.fail(named(leader, "writes").get(0), false, Outcome.IO_ERROR);
            super.close();
          }
        };
    MirrorDevice mirror =
        begun(
            new MirrorDevice(
                failing,
                follower,
                map,
                settings(false, false, false, true),
                budget,
                this::record,
                () -> nanos));
    toSync(mirror);
    Answer write = write(mirror, 0, 7);
    endAll(follower, "writes");
    mirror.close();

    assertThat(write.outcome).isEqualTo(Outcome.IO_ERROR);
    assertThat(map.isSet(0)).isTrue();
  }

  /** What was flushed before the kill is not known. */
  @Test
  void aFoundMapWithoutABitIsFlushedAgain(@TempDir Path directory) throws IOException {
    System.arraycopy(leader.current, 0, follower.current, 0, BLOCKS);
    MirrorDevice mirror = mirror(found(directory, -1), settings(false, false, false, true));

    assertThat(mirror.status().state()).isEqualTo(MirrorState.FLUSHING);
    assertThat(follower.steps)
        .extracting(SteppedDevice.Step::what)
        .containsExactly("follower flushes");
    assertThat(leader.steps).as("nothing to copy").isEmpty();
    endAll(follower, "flushes");
    assertThat(mirror.status().state()).isEqualTo(MirrorState.SYNC);
  }

  /** The process before has written there, or not. */
  @Test
  void aTargetThatWasZeroIsNotWhenTheMapWasFound(@TempDir Path directory) throws IOException {
    Arrays.fill(leader.current, 0);
    Arrays.fill(follower.current, 0);
    follower.current[3] = 7;
    MirrorDevice mirror = mirror(found(directory, 0), settings(true, false, false, true));
    toSync(mirror);

    assertThat(follower.current).isEqualTo(leader.current);
  }

  @Test
  void anotherDevicesMapIsRefused() {
    DifferenceMap map = DifferenceMap.inMemory((long) (BLOCKS + 1) * BLOCK);

    assertThatThrownBy(() -> mirror(map, MirrorSettings.DEFAULT))
        .hasMessageContaining("expected the map of a device of %d bytes".formatted(BLOCKS * BLOCK));
  }

  @Test
  void aSwitchThatIsHeldWaits() {
    MirrorDevice mirror = mirror(true, true);
    assertThat(mirror.holdSwitch()).isTrue();
    toSync(mirror);
    mirror.switchOver();
    assertThat(records).isEmpty();
    mirror.releaseSwitch();

    assertThat(records).hasSize(1);
    assertThat(mirror.holdSwitch()).as("it is being recorded").isFalse();
    records.get(0).complete(null);
    assertThat(mirror.holdSwitch()).isFalse();
  }

  @Test
  void aReleaseSwitchesNothingThatWasNotToSwitch() {
    MirrorDevice mirror = mirror(false, true);
    assertThat(mirror.holdSwitch()).isTrue();
    toSync(mirror);
    mirror.releaseSwitch();

    assertThat(mirror.status().state()).isEqualTo(MirrorState.SYNC);
  }

  /** The guest is about to leave with it: what would follow it there is not the target. */
  @Test
  void aLeaderThatFailsWhileTheSwitchIsHeldIsHeardOf() {
    MirrorDevice mirror = mirror(true, true);
    assertThat(mirror.holdSwitch()).isTrue();
    toSync(mirror);
    Answer read = read(mirror, 9);
    Answer write = write(mirror, 3, 7);
    Answer late = write(mirror, 4, 8);
    follower.end(named(follower, "writes 3").get(0));
    failAll(leader);

    assertThat(records).isEmpty();
    assertThat(List.of(read.outcome, write.outcome, late.outcome)).containsOnly(Outcome.IO_ERROR);
    mirror.releaseSwitch();
    run(mirror, MirrorState.RECORDING);
    assertThat(follower.current).as("copied again").isEqualTo(leader.current);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aMirrorThatIsOverIsTakenAway(boolean switched) {
    MirrorDevice mirror = mirror(false, true);
    assertThatThrownBy(mirror::survivor).hasMessageContaining("found one that is COPYING");
    toSync(mirror);
    Answer write = write(mirror, 0, 7);
    if (switched) {
      mirror.switchOver();
      records.get(0).complete(null);
    } else {
      mirror.abort();
    }
    SteppedDevice survivor = switched ? follower : leader;
    SteppedDevice left = switched ? leader : follower;
    assertThat(mirror.survivor()).isSameAs(survivor);
    endAll(survivor, "writes");
    assertThatThrownBy(mirror::dissolve).hasMessageContaining("has nothing under way");
    assertThat(left.closes).isZero();
    mirror.keepPlace();
    endAll(left, "writes");
    assertThat(write.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.left()).isCompleted();
    write(mirror, 5, 9);
    assertThatThrownBy(mirror::dissolve).as("the last one's").hasMessageContaining("under way");
    endAll(survivor, "writes");

    mirror.dissolve();
    assertThat(left.closes).isEqualTo(1);
    assertThat(budget.use().users()).isZero();
    write(mirror, 1, 8);
    mirror.tick();
    mirror.dissolve();
    mirror.close();
    assertThat(survivor.steps).as("whoever comes late").hasSize(1);
    endAll(survivor, "writes");
    assertThat(survivor.closes).as("it is its new user's").isZero();
    assertThat(left.closes).isEqualTo(1);
    assertThat(survivor.placesKept).isEqualTo(1);
    assertThat(left.placesKept).as("nobody comes again").isZero();
  }

  @Test
  void aMirrorThatIsClosedIsNotDissolved() {
    MirrorDevice mirror = mirror(false, true);
    mirror.abort();
    endAll(leader, "");
    mirror.close();
    mirror.dissolve();

    assertThat(leader.closes).isEqualTo(1);
    assertThat(follower.closes).isEqualTo(1);
  }

  /** Its next user waits for it, and the leg that was left may hang. */
  @Test
  void theDiskIsClosedFirst() {
    List<Integer> followerCloses = new ArrayList<>();
    Device hung =
        new ForwardingDevice(leader) {
          @Override
          public void close() {
            followerCloses.add(follower.closes);
            super.close();
          }
        };
    MirrorDevice mirror = mirror(hung, follower, settings(false, false, true, true));
    toRecord(mirror);
    write(mirror, 0, 7);
    records.get(0).complete(null);
    mirror.close();

    assertThat(followerCloses).containsExactly(1);
  }

  /** As a process before has left it: one region may differ, or none when it is negative. */
  private static DifferenceMap found(Path directory, long region) throws IOException {
    Path file = directory.resolve("map");
    DifferenceMap before = DifferenceMap.create(file, (long) BLOCKS * BLOCK);
    for (long each = 0; each < before.regions(); each++) {
      before.clear(each);
    }
    if (region >= 0) {
      before.set(region * DifferenceMap.REGION_BYTES, 1);
    }
    return DifferenceMap.reopen(file, (long) BLOCKS * BLOCK, List.of());
  }
}

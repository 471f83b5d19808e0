package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Outcome;
import io.netchannel.device.mirror.MirrorOwner.Members;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/**
 * What a lasting mirror leaves behind at its legs: when it is closed, and when a leg is dropped.
 */
final class LastingMirrorEndTest extends SteppedMirror {
  private final List<Members> members = new ArrayList<>();

  private MirrorDevice mirror() {
    return MirrorDevice.lasting(
        leader,
        follower,
        Optional.empty(),
        DifferenceMap.inMemory(leader.geometry().sizeBytes()),
        MirrorSettings.lasting(false, Duration.ofSeconds(5)),
        budget,
        new Owner(),
        () -> nanos);
  }

  private MirrorDevice inSync() {
    MirrorDevice mirror = mirror();
    mirror.beginInSync();
    return mirror;
  }

  private final class Owner implements MirrorOwner {
    @Override
    public CompletableFuture<Void> recordSwitch() {
      throw new AssertionError("a lasting mirror is not switched");
    }

    @Override
    public CompletableFuture<Void> recordMembers(Members named) {
      members.add(named);
      return record();
    }
  }

  @Test
  void itIsQuietWhenNothingIsUnderWayOrWaits() {
    MirrorDevice mirror = inSync();
    assertThat(mirror.isQuiet()).isTrue();
    Answer first = write(mirror, 0, 7);
    Answer second = write(mirror, 0, 8);
    assertThat(mirror.isQuiet()).isFalse();
    endAll(leader, "writes");
    endAll(follower, "writes");
    assertThat(first.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.isQuiet()).as("the second one has been sent").isFalse();
    endAll(leader, "writes");
    endAll(follower, "writes");
    assertThat(second.outcome).isEqualTo(Outcome.OK);
    assertThat(mirror.isQuiet()).isTrue();
  }

  /** It may still send what the buffer has by then. */
  @Test
  void theGuestsBufferIsFreeWhenTheLegThatWasGivenUpHasEnded() {
    MirrorDevice mirror = inSync();
    Answer write = write(mirror, 0, 7);
    Answer flush = flush(mirror);
    endAll(follower, "");
    pass(mirror, 6);
    assertThat(members).containsExactly(Members.FOLLOWER);
    records.get(0).complete(null);
    assertThat(mirror.leader()).isSameAs(follower);
    assertThat(flush.outcome).as("it has no buffer").isEqualTo(Outcome.OK);
    assertThat(write.outcome).as("the leg that was the leader has the buffer").isNull();
    failAll(leader);
    assertThat(write.outcome).isEqualTo(Outcome.OK);
  }

  @Test
  void whyRequestsWaitForARecordIsSaid() {
    MirrorDevice mirror = inSync();
    Answer write = write(mirror, 0, 7);
    endAll(follower, "");
    pass(mirror, 6);
    assertThat(mirror.problem().orElseThrow())
        .contains("wait until it is recorded", "has not answered for 5 s");
    records.get(0).complete(null);
    assertThat(mirror.problem()).isEmpty();
    failAll(leader);
    assertThat(write.outcome).isEqualTo(Outcome.OK);
  }

  /** Nobody was told of both: the leader is up to date, as it was recorded before. */
  @Test
  void whatWasCertainlyNotRecordedOfBothLeavesTheLeaderAlone() {
    MirrorDevice mirror = copied();
    assertThat(members).containsExactly(Members.BOTH);
    records.get(0).completeExceptionally(new IllegalStateException("nowhere"));
    assertThat(mirror.status().state()).isEqualTo(MirrorState.PAUSED);
    assertThat(mirror.leader()).isSameAs(leader);
  }

  /** One leg may have been told of both: there is no record of both to go back to. */
  @Test
  void whatMayBeRecordedOfBothIsReplacedBeforeAnythingElse() {
    MirrorDevice mirror = copied();
    records.get(0).completeExceptionally(new UnknownSwitchException("somewhere", null));
    for (int tries = 1; tries < 4; tries++) {
      pass(mirror, 2);
      assertThat(members).hasSize(tries + 1).endsWith(Members.LEADER);
      records.get(tries).completeExceptionally(new IllegalStateException("nowhere"));
      assertThat(mirror.status().state()).isEqualTo(MirrorState.DROPPING);
    }
    pass(mirror, 2);
    records.get(4).complete(null);
    assertThat(mirror.status().state()).isEqualTo(MirrorState.PAUSED);
    assertThat(mirror.leader()).isSameAs(leader);
  }

  private MirrorDevice copied() {
    MirrorDevice mirror = mirror();
    mirror.resume();
    run(mirror, MirrorState.JOINING);
    return mirror;
  }

  /** The legs are closed one after the other: what comes then would be at the second one only. */
  @Test
  void whatWaitsForItsTurnGoesToNoLegAfterTheClose() {
    MirrorDevice mirror = inSync();
    var unused = write(mirror, 0, 7);
    Answer second = write(mirror, 0, 8);
    mirror.close();
    endAll(leader, "writes");
    endAll(follower, "writes");
    assertThat(leader.steps).isEmpty();
    assertThat(follower.steps).isEmpty();
    assertThat(second.outcome).isNull();
    assertThat(follower.current[0]).isEqualTo(leader.current[0]);
  }
}

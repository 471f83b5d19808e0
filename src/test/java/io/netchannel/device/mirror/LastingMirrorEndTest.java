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

/** What a lasting mirror leaves behind at its legs: when it is closed, and when a leg is dropped. */
final class LastingMirrorEndTest extends SteppedMirror {
  private final List<Members> members = new ArrayList<>();

  private MirrorDevice inSync() {
    MirrorDevice mirror =
        MirrorDevice.lasting(
            leader,
            follower,
            Optional.empty(),
            DifferenceMap.inMemory(leader.geometry().sizeBytes()),
            MirrorSettings.lasting(false, Duration.ofSeconds(5)),
            budget,
            new Owner(),
            () -> nanos);
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

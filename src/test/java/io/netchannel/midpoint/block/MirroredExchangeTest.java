package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.Device;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.mirror.MirrorDevice;
import io.netchannel.device.mirror.MirrorSettings;
import io.netchannel.device.mirror.MirrorState;
import io.netchannel.midpoint.block.SharedRings.Request;
import io.netchannel.vdevice.block.BlockOperation;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A mirror under a guest, from its insertion to the survivor that takes its place; doWork is called
 * by hand.
 */
final class MirroredExchangeTest {
  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;

  private final Storage storage = new Storage(64 * SECTOR_BYTES);
  private final SharedRings rings = new SharedRings(1);
  private final SimulatedHost host = new SimulatedHost(new Random(1), storage, false);
  private final Storage target = new Storage(64 * SECTOR_BYTES);
  private final ScriptedDevice leader = host.device;
  private final ScriptedDevice follower = new ScriptedDevice(target.host());
  private final BufferBudget budget = new BufferBudget(16L * BufferBudget.UNIT_BYTES);
  private MirrorDevice mirror;
  private long nextId;

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void theSurvivorTakesTheMirrorsPlaceUnderLoad(boolean switched) {
    toSync();
    write(1);
    if (switched) {
      mirror.switchOver();
    } else {
      mirror.abort();
    }
    ScriptedDevice survivor = switched ? follower : leader;
    ScriptedDevice left = switched ? leader : follower;
    assertThat(left.running).hasSize(1);
    left.completeAll();
    assertThat(mirror.left()).isCompleted();

    write(2);
    CompletableFuture<Void> ended = host.midPoint.exchange(before -> mirror.survivor());
    write(3);
    assertThat(survivor.running).as("through the mirror and past it").isNotEmpty();
    assertThat(ended).isNotDone();
    assertThatThrownBy(mirror::dissolve).hasMessageContaining("nothing under way");
    complete(survivor);
    assertThat(ended).isCompleted();
    assertThat(answers()).isEqualTo(3);

    mirror.dissolve();
    assertThat(left.closed).isTrue();
    assertThat(survivor.closed).isFalse();
    assertThat(budget.use().users()).isZero();
    write(4);
    complete(survivor);
    assertThat(answers()).isEqualTo(4);

    mirror.close();
    assertThat(survivor.closed).as("it is the mid-point's").isFalse();
    host.midPoint.close();
    assertThat(survivor.closed).isTrue();
  }

  /** The daemon ends at that moment: nobody has dissolved the mirror, so it closes both. */
  @Test
  void aMidPointThatIsClosedMeanwhileLeavesTheMirrorToItsOwner() {
    toSync();
    mirror.switchOver();
    write(1);
    CompletableFuture<Void> ended = host.midPoint.exchange(before -> mirror.survivor());
    host.work();
    host.midPoint.close();

    assertThatThrownBy(ended::join).hasMessageContaining("was closed");
    assertThat(follower.closed).isTrue();
    assertThat(leader.closed).isFalse();
    mirror.close();
    assertThat(leader.closed).isTrue();
    assertThat(budget.use().users()).isZero();
  }

  private void toSync() {
    host.await(host.midPoint.serve(leader, 1));
    host.disk.connect(rings);
    host.work();
    CompletableFuture<Void> inserted = host.midPoint.exchange(this::around);
    host.work();
    assertThat(inserted).isCompleted();
    mirror.resume();
    for (int i = 0; i < 100 && mirror.status().state() != MirrorState.SYNC; i++) {
      leader.completeAll();
      follower.completeAll();
      host.nanos += 100_000_000;
      mirror.tick();
    }
    assertThat(mirror.status().state()).isEqualTo(MirrorState.SYNC);
  }

  private Device around(Device before) {
    mirror =
        new MirrorDevice(
            before,
            follower,
            new MirrorSettings(false, false, false, true, false, MirrorSettings.LEG_TIMEOUT),
            budget,
            () -> CompletableFuture.completedFuture(null),
            () -> host.nanos);
    return mirror;
  }

  private void write(int sector) {
    rings.push(
        0,
        new Request(
            nextId++,
            BlockOperation.WRITE,
            (long) sector * SECTOR_BYTES,
            SECTOR_BYTES,
            DiskModel.content(nextId)));
    host.work();
  }

  private void complete(ScriptedDevice device) {
    device.completeAll();
    host.work();
  }

  private int answers() {
    return rings.queues.get(0).responses.size();
  }
}

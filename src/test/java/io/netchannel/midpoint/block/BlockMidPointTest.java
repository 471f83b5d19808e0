package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.Outcome;
import io.netchannel.midpoint.MidPoint.State;
import io.netchannel.midpoint.block.ScriptedDevice.Kind;
import io.netchannel.midpoint.block.SharedRings.Request;
import io.netchannel.midpoint.block.SharedRings.Response;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.ResponseStatus;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One behaviour each; doWork is called by hand. */
final class BlockMidPointTest {
  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;
  private static final Duration BOUND = Duration.ofSeconds(10);

  private final Storage storage = new Storage(64 * SECTOR_BYTES);
  private final SharedRings rings = new SharedRings(1);
  private final SimulatedHost host = new SimulatedHost(new Random(1), storage, false);
  private long nextId;

  private void connect() {
    host.await(host.midPoint.serve(host.device, 1));
    host.disk.connect(rings);
    host.work();
    assertThat(host.disk.state()).isEqualTo(VirtualDevice.State.CONNECTED);
  }

  private Request push(BlockOperation operation, int sector, int sectors, byte[] data) {
    Request request =
        new Request(
            nextId++, operation, (long) sector * SECTOR_BYTES, (long) sectors * SECTOR_BYTES, data);
    rings.push(0, request);
    return request;
  }

  private Request write(int sector, long stamp) {
    return push(BlockOperation.WRITE, sector, 1, DiskModel.content(stamp));
  }

  private Request read(int sector) {
    return push(BlockOperation.READ, sector, 1, new byte[SECTOR_BYTES]);
  }

  private List<ResponseStatus> statuses() {
    return rings.queues.get(0).responses.stream().map(Response::status).toList();
  }

  private void finish() {
    for (int i = 0; i < 20; i++) {
      host.work();
      host.device.completeAll();
    }
    host.work();
  }

  @Test
  void outcomesBecomeStatuses() {
    connect();
    for (Outcome outcome : Outcome.values()) {
      read(outcome.name().length());
      host.work();
      host.device.complete(0, outcome, true);
      host.work();
    }
    assertThat(statuses())
        .containsExactly(
            ResponseStatus.OKAY,
            ResponseStatus.ERROR,
            ResponseStatus.ERROR,
            ResponseStatus.NOT_SUPPORTED);
    assertThat(host.midPoint.status().errors()).isEqualTo(3);
  }

  @Test
  void aBadGrantIsAnErrorAndReachesNoDevice() {
    connect();
    push(BlockOperation.WRITE, 0, 1, null);
    host.work();
    assertThat(statuses()).containsExactly(ResponseStatus.ERROR);
    assertThat(host.device.calls).isEmpty();
  }

  @Test
  void aBarrierIsAlone() {
    connect();
    write(1, 11);
    push(BlockOperation.WRITE_BARRIER, 5, 1, DiskModel.content(12));
    write(9, 13);
    host.work();
    assertThat(host.device.calls).containsExactly(Kind.WRITE);
    finish();
    assertThat(host.device.calls)
        .containsExactly(Kind.WRITE, Kind.FLUSH, Kind.WRITE, Kind.FLUSH, Kind.WRITE);
    assertThat(statuses()).hasSize(3).containsOnly(ResponseStatus.OKAY);
  }

  @Test
  void aFlushWaitsForNothingAndItsDataIsBetweenTwoFlushes() {
    connect();
    write(1, 11);
    push(BlockOperation.FLUSH, 1, 0, new byte[0]);
    push(BlockOperation.FLUSH, 5, 1, DiskModel.content(12));
    host.work();
    assertThat(host.device.calls).containsExactly(Kind.WRITE, Kind.FLUSH, Kind.FLUSH);
    host.device.completeAll();
    host.work();
    host.device.completeAll();
    finish();
    assertThat(host.device.calls)
        .containsExactly(Kind.WRITE, Kind.FLUSH, Kind.FLUSH, Kind.WRITE, Kind.FLUSH);
  }

  @Test
  void aFailedFirstFlushLeavesTheDataUnwritten() {
    connect();
    push(BlockOperation.FLUSH, 5, 1, DiskModel.content(12));
    host.work();
    host.device.complete(0, Outcome.IO_ERROR, false);
    finish();
    assertThat(host.device.calls).containsExactly(Kind.FLUSH);
    assertThat(statuses()).containsExactly(ResponseStatus.ERROR);
  }

  @Test
  void overlappingRequestsGoOneAfterTheOther() {
    connect();
    write(3, 1);
    write(3, 2);
    read(3);
    write(4, 3);
    host.work();
    host.work();
    assertThat(host.device.running).hasSize(2);
    finish();
    assertThat(host.device.calls).containsExactly(Kind.WRITE, Kind.WRITE, Kind.WRITE, Kind.READ);
    assertThat(statuses()).hasSize(4).containsOnly(ResponseStatus.OKAY);
  }

  @Test
  void aSealThatTakesTooLongIsUndoneAndServingGoesOn() {
    connect();
    write(3, 1);
    host.work();
    write(4, 2);
    CompletableFuture<BlockManifest> sealing = host.midPoint.seal(BOUND);
    host.work();
    assertThat(host.midPoint.status().state()).isEqualTo(State.SEALING);
    host.nanos += BOUND.toNanos() + 1;
    host.work();
    assertThat(sealing).isCompletedExceptionally();
    assertThatThrownBy(sealing::join)
        .hasCauseInstanceOf(TimeoutException.class)
        .hasMessageContaining("1 requests");
    finish();
    assertThat(host.midPoint.status().state()).isEqualTo(State.SERVING);
    assertThat(statuses()).containsExactly(ResponseStatus.OKAY, ResponseStatus.OKAY);
  }

  @Test
  void aSealWithoutFlushFails() {
    connect();
    CompletableFuture<BlockManifest> sealing = host.midPoint.seal(BOUND);
    host.work();
    host.device.complete(0, Outcome.IO_ERROR, false);
    host.work();
    assertThatThrownBy(sealing::join).hasMessageContaining("could not be flushed");
    assertThat(host.midPoint.status().state()).isEqualTo(State.SERVING);
  }

  @Test
  void theManifestTellsHowFarEachRequestHadCome() {
    connect();
    read(1);
    host.work();
    host.device.completeAll();
    host.work();
    write(2, 22);
    write(3, 33);
    host.work();
    host.device.complete(0, Outcome.OK, true);
    write(4, 44);
    CompletableFuture<BlockManifest> sealing = host.midPoint.seal(BOUND);
    host.work();
    host.device.complete(0, Outcome.NO_SPACE, false);
    BlockManifest manifest = host.await(sealing);
    assertThat(manifest.entries())
        .extracting(BlockManifest.Entry::state)
        .containsExactly(
            BlockManifest.State.ANSWERED,
            BlockManifest.State.DONE,
            BlockManifest.State.FAILED,
            BlockManifest.State.UNISSUED);
    assertThat(manifest.incomplete()).isEqualTo(2);
    assertThat(manifest.entries())
        .extracting(entry -> entry.payload().remaining())
        .containsExactly(SECTOR_BYTES, 16, 0, SECTOR_BYTES);
    assertThat(host.await(host.midPoint.seal(BOUND))).isSameAs(manifest);
  }

  /**
   * What an older answer tells must not be believed after a newer write that was seen and
   * forgotten.
   */
  @Test
  void anAnswerLosesItsDataToALaterWrite() {
    SharedRings two = new SharedRings(2);
    host.await(host.midPoint.serve(host.device, 1));
    host.disk.connect(two);
    host.work();
    two.push(0, new Request(1, BlockOperation.READ, 0, SECTOR_BYTES, new byte[SECTOR_BYTES]));
    finish();
    two.push(1, new Request(1, BlockOperation.WRITE, 0, SECTOR_BYTES, DiskModel.content(9)));
    finish();
    two.queues.get(1).responseConsumer = 1;
    host.work();
    BlockManifest manifest = host.await(host.midPoint.seal(BOUND));
    assertThat(manifest.entries()).hasSize(1);
    assertThat(manifest.entries().get(0).operation()).isEqualTo(BlockOperation.READ);
    assertThat(manifest.entries().get(0).payload().hasRemaining()).isFalse();
  }

  @Test
  void sealingWhatServesNothingGivesAnEmptyManifest() {
    assertThat(host.await(host.midPoint.seal(BOUND)).pending()).isZero();
    assertThat(host.midPoint.status().state()).isEqualTo(State.SEALED);
    host.await(host.midPoint.unseal(1));
    assertThat(host.midPoint.status().state()).isEqualTo(State.EXPECTING);
    host.await(host.midPoint.serve(host.device, 1));
    assertThat(host.await(host.midPoint.seal(BOUND)).pending()).isZero();
  }

  @Test
  void requestsAfterTheSealStayOnTheRingUntilTheUnseal() {
    connect();
    assertThat(host.device.rests).isFalse();
    host.await(host.midPoint.seal(BOUND));
    assertThat(host.device.rests).as("another host may go on").isTrue();
    write(1, 1);
    finish();
    assertThat(host.disk.untaken()).isEqualTo(1);
    host.await(host.midPoint.unseal(3));
    assertThat(host.device.rests).isFalse();
    finish();
    assertThat(statuses()).containsExactly(ResponseStatus.OKAY);
    assertThat(host.midPoint.status().generation()).isEqualTo(3);
  }

  @Test
  void aFrontendThatGoesWithRequestsAtTheDevice() {
    connect();
    write(1, 1);
    write(1, 2);
    host.work();
    host.disk.disconnect(VirtualDevice.State.GONE);
    host.work();
    assertThat(host.midPoint.status().state()).isEqualTo(State.SERVING);
    assertThat(host.device.closed).isFalse();
    host.device.completeAll();
    host.work();
    assertThat(host.midPoint.status().state()).isEqualTo(State.RETIRED);
    assertThat(host.midPoint.retired()).isCompleted();
    assertThat(host.device.calls).containsExactly(Kind.WRITE);
    assertThat(host.device.closed).isTrue();
    assertThat(host.disk.nodesRemoved).isTrue();
  }

  @Test
  void aClosedFrontendMayComeBack() {
    connect();
    write(1, 1);
    host.work();
    host.disk.disconnect(VirtualDevice.State.CLOSED);
    finish();
    SharedRings again = new SharedRings(1);
    again.push(0, new Request(0, BlockOperation.WRITE, 0, SECTOR_BYTES, DiskModel.content(5)));
    host.disk.connect(again);
    finish();
    assertThat(again.queues.get(0).responses).hasSize(1);
    assertThat(host.midPoint.status().replayed()).isZero();
  }

  @Test
  void aManifestOfALargerDiskIsRefused() {
    BlockManifest.Entry entry =
        new BlockManifest.Entry(
            1,
            1,
            BlockOperation.DISCARD,
            0,
            SECTOR_BYTES,
            BlockManifest.State.UNISSUED,
            ByteBuffer.allocate(0));
    CompletableFuture<Void> taken =
        host.midPoint.takeOver(host.device, 2, new BlockManifest(1, 1L << 40, 0, List.of(entry)));
    host.work();
    assertThatThrownBy(taken::join).hasMessageContaining("the device is smaller");
    assertThat(host.midPoint.status().state()).isEqualTo(State.EXPECTING);
    assertThat(host.device.closed).as("nobody else closes it").isTrue();
  }

  @Test
  void aDeviceThatItDoesNotTakeIsClosedAndTheOneInUseIsNot() {
    connect();
    List<ScriptedDevice> others = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      others.add(new ScriptedDevice(storage.host()));
    }
    BlockManifest nothing = new BlockManifest(1, 0, 0, List.of());
    List<CompletableFuture<Void>> refused =
        List.of(
            host.midPoint.serve(others.get(0), 2),
            host.midPoint.takeOver(others.get(1), 2, nothing),
            host.midPoint.recover(others.get(2), 2, false));
    host.work();
    assertThat(refused).allMatch(CompletableFuture::isCompletedExceptionally);
    assertThat(others).extracting(other -> other.closed).containsExactly(true, true, true, false);
    assertThat(host.device.closed).isFalse();
    host.midPoint.close();
    assertThat(host.midPoint.takeOver(others.get(3), 2, nothing)).isCompletedExceptionally();
    assertThat(others.get(3).closed).as("refused as the mid-point is closed").isTrue();
  }

  private static BlockManifest.Entry entry(
      long sequence,
      BlockOperation operation,
      int sector,
      BlockManifest.State state,
      byte[] payload) {
    return new BlockManifest.Entry(
        sequence,
        1,
        operation,
        (long) sector * SECTOR_BYTES,
        SECTOR_BYTES,
        state,
        ByteBuffer.wrap(payload));
  }

  /** A read that is done; a write that is done; a write that the destination has to do. */
  private BlockManifest manifest(boolean unissued) {
    ByteBuffer digests = SectorDigests.of(ByteBuffer.wrap(DiskModel.content(22)));
    byte[] digest = new byte[digests.remaining()];
    digests.get(0, digest);
    List<BlockManifest.Entry> entries =
        new ArrayList<>(
            List.of(
                entry(1, BlockOperation.READ, 1, BlockManifest.State.DONE, DiskModel.content(11)),
                entry(2, BlockOperation.WRITE, 2, BlockManifest.State.ANSWERED, digest)));
    if (unissued) {
      entries.add(
          entry(3, BlockOperation.WRITE, 3, BlockManifest.State.UNISSUED, DiskModel.content(33)));
    }
    return new BlockManifest(1, 64L * SECTOR_BYTES, 0, entries);
  }

  /** The guest at the destination resubmits what the manifest has. */
  private void resubmit(boolean unissued) {
    host.disk.connect(rings);
    host.work();
    Request read = read(1);
    write(2, 22);
    if (unissued) {
      write(3, 33);
    }
    finish();
    assertThat(DiskModel.stampOf(read.data(), 0)).isEqualTo(11);
    assertThat(host.midPoint.status().replayed()).isEqualTo(rings.queues.get(0).responses.size());
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aStagedManifestIsTakenOverAsAnyOther(boolean unissued) {
    host.await(host.midPoint.stage(manifest(unissued)));
    assertThat(host.midPoint.status().state()).isEqualTo(State.EXPECTING);
    assertThat(host.midPoint.status().adopted()).isZero();
    // Equal and not the same: it has come over the network twice.
    BlockManifest again = BlockManifest.decode(manifest(unissued).encode());
    host.await(host.midPoint.takeOver(host.device, 2, again));
    assertThat(host.midPoint.status().adopted()).isEqualTo(again.pending());
    assertThat(host.device.calls).hasSize(unissued ? 1 : 0);
    resubmit(unissued);
  }

  @Test
  void theManifestThatIsTakenOverCountsAndNotTheStagedOne() {
    host.await(host.midPoint.stage(new BlockManifest(1, 64L * SECTOR_BYTES, 0, List.of())));
    host.await(
        host.midPoint.stage(
            new BlockManifest(
                1,
                64L * SECTOR_BYTES,
                0,
                List.of(
                    entry(
                        1,
                        BlockOperation.READ,
                        1,
                        BlockManifest.State.DONE,
                        DiskModel.content(99))))));
    host.await(host.midPoint.takeOver(host.device, 2, manifest(true)));
    resubmit(true);
  }

  @Test
  void stagingMayBeDoneAgainAndServingForgetsIt() {
    host.await(host.midPoint.stage(manifest(true)));
    host.await(host.midPoint.stage(manifest(false)));
    host.await(host.midPoint.serve(host.device, 2));
    assertThat(host.device.calls).isEmpty();
    CompletableFuture<Void> late = host.midPoint.stage(manifest(false));
    host.work();
    assertThatThrownBy(late::join)
        .hasCauseInstanceOf(IllegalStateException.class)
        .hasMessageContaining("cannot stage a manifest, it is SERVING");
  }

  @Test
  void retiringDropsWhatIsStaged() {
    host.await(host.midPoint.stage(manifest(true)));
    host.await(host.midPoint.retire());
    assertThat(host.midPoint.status().state()).isEqualTo(State.RETIRED);
    CompletableFuture<Void> late = host.midPoint.takeOver(host.device, 2, manifest(true));
    host.work();
    assertThat(late).isCompletedExceptionally();
    assertThat(host.device.calls).isEmpty();
  }

  private static BlockManifest.Entry pending(BlockOperation operation, int sector, int sectors) {
    return new BlockManifest.Entry(
        sector + 1,
        1,
        operation,
        (long) sector * SECTOR_BYTES,
        (long) sectors * SECTOR_BYTES,
        BlockManifest.State.FAILED,
        ByteBuffer.allocate(0));
  }

  private void arriveWith(BlockManifest.Entry... pending) {
    host.await(
        host.midPoint.takeOver(
            host.device,
            2,
            new BlockManifest(1, host.device.geometry().sizeBytes(), 0, List.of(pending))));
    host.disk.connect(rings);
    host.work();
  }

  @Test
  void tellsHowFarAGuestThatArrivedHasCome() {
    arriveWith(
        pending(BlockOperation.READ, 1, 1),
        pending(BlockOperation.WRITE, 4, 4),
        pending(BlockOperation.FLUSH, 0, 0));
    assertThat(host.milestones).containsExactly("connected");
    // Cut and merged otherwise than before.
    push(BlockOperation.FLUSH, 0, 0, new byte[0]);
    read(1);
    push(BlockOperation.WRITE, 4, 2, twoSectors(1, 2));
    finish();
    assertThat(host.milestones).containsExactly("connected", "first request");
    push(BlockOperation.WRITE, 6, 2, twoSectors(3, 4));
    finish();
    assertThat(host.milestones)
        .containsExactly("connected", "first request", "all pending answered");
    host.nanos += Duration.ofMillis(SimulatedHost.LIMITS.replayMillis()).toNanos();
    read(9);
    finish();
    assertThat(host.milestones).as("nothing more after that").hasSize(3);
  }

  @Test
  void doesNotWaitForWhatAGuestThatArrivedHasSeenAnswered() {
    arriveWith(pending(BlockOperation.READ, 1, 1), pending(BlockOperation.WRITE, 4, 2));
    read(1);
    finish();
    host.nanos += Duration.ofMillis(SimulatedHost.LIMITS.replayMillis()).toNanos();
    host.work();
    assertThat(host.milestones)
        .containsExactly(
            "connected",
            "first request",
            "all pending answered but what the guest has not sent again: 1024 bytes, 0 flushes");
  }

  @Test
  void aPlainStartHasNoMilestones() {
    connect();
    write(1, 1);
    finish();
    assertThat(host.milestones).isEmpty();
  }

  @Test
  void theReplayMapExpires() {
    connect();
    write(1, 1);
    finish();
    host.disk.disconnect(VirtualDevice.State.PREPARED);
    SharedRings again = new SharedRings(1);
    host.disk.connect(again);
    finish();
    assertThat(host.disk.state()).isEqualTo(VirtualDevice.State.CONNECTED);
    host.nanos += Duration.ofMillis(SimulatedHost.LIMITS.replayMillis()).toNanos();
    host.work();
    again.push(0, new Request(0, BlockOperation.WRITE, 512, SECTOR_BYTES, DiskModel.content(1)));
    finish();
    assertThat(host.midPoint.status().replayed()).isZero();
    assertThat(host.device.calls).containsExactly(Kind.WRITE, Kind.WRITE);
  }

  @Test
  void aWriteTakesItsRangeOutOfTheReplayMap() {
    connect();
    write(1, 1);
    read(2);
    finish();
    host.disk.disconnect(VirtualDevice.State.PREPARED);
    SharedRings again = new SharedRings(1);
    host.disk.connect(again);
    finish();
    again.push(0, new Request(0, BlockOperation.WRITE, 512, 1024, twoSectors(2, 3)));
    again.push(0, new Request(1, BlockOperation.WRITE, 512, SECTOR_BYTES, DiskModel.content(1)));
    Request read = new Request(2, BlockOperation.READ, 1024, SECTOR_BYTES, new byte[512]);
    again.push(0, read);
    finish();
    assertThat(host.midPoint.status().replayed()).isZero();
    assertThat(DiskModel.stampOf(read.data(), 0)).isEqualTo(3);
    host.await(host.midPoint.seal(BOUND));
    assertThat(DiskModel.stampOf(storage.bytes, 512)).isEqualTo(1);
  }

  @Test
  void resubmissionsAreAnsweredFromTheReplayMap() {
    connect();
    write(1, 1);
    read(2);
    finish();
    host.disk.disconnect(VirtualDevice.State.PREPARED);
    SharedRings again = new SharedRings(1);
    host.disk.connect(again);
    finish();
    again.push(0, new Request(0, BlockOperation.WRITE, 512, SECTOR_BYTES, DiskModel.content(1)));
    again.push(0, new Request(1, BlockOperation.READ, 1024, SECTOR_BYTES, new byte[512]));
    finish();
    assertThat(host.midPoint.status().replayed()).isEqualTo(2);
    assertThat(host.device.calls).containsExactly(Kind.WRITE, Kind.READ);
    assertThat(again.queues.get(0).responses).hasSize(2);
  }

  private static byte[] twoSectors(long first, long second) {
    byte[] both = Arrays.copyOf(DiskModel.content(first), 2 * SECTOR_BYTES);
    System.arraycopy(DiskModel.content(second), 0, both, SECTOR_BYTES, SECTOR_BYTES);
    return both;
  }

  @Test
  void moreRequestsThanMemory() {
    Storage large = new Storage(8 << 20);
    SimulatedHost small = new SimulatedHost(new Random(1), large, false);
    small.await(small.midPoint.serve(small.device, 1));
    small.disk.connect(rings);
    small.work();
    for (int i = 0; i < 8; i++) {
      push(BlockOperation.READ, i * 2048, 2048, new byte[1 << 20]);
    }
    small.work();
    small.work();
    assertThat(small.device.running).as("3 MiB of buffers").hasSize(3);
    for (int i = 0; i < 20; i++) {
      small.work();
      small.device.completeAll();
    }
    assertThat(statuses()).hasSize(8).containsOnly(ResponseStatus.OKAY);
    assertThat(small.await(small.midPoint.seal(BOUND)).entries())
        .extracting(entry -> entry.payload().hasRemaining())
        .containsExactly(false, false, false, false, false, true, true, true);
  }

  /** A frontend that never tells what it has seen. */
  @Test
  void aDiskThatHoldsNoMoreIsRelieved() {
    connect();
    host.disk.maxHeld = 5;
    for (int i = 0; i < 100; i++) {
      write(i % 60, i);
      finish();
    }
    assertThat(statuses()).hasSize(100);
  }

  /** A domain's end closes its mid-points, and the end of its migration retires them. */
  @Test
  void whatWasClosedIsAsGoodAsRetired() {
    connect();
    write(1, 11);
    host.work();
    CompletableFuture<Void> before = host.midPoint.retire();
    host.midPoint.close();
    assertThat(host.device.running).isEmpty();
    assertThat(host.device.closed).isTrue();
    assertThat(before).isCompleted();
    assertThat(host.midPoint.retire()).isCompleted();
  }

  @Test
  void commandsThatDoNotFitFail() {
    connect();
    CompletableFuture<Void> again = host.midPoint.serve(host.device, 1);
    host.work();
    assertThatThrownBy(again::join)
        .hasCauseInstanceOf(IllegalStateException.class)
        .hasMessageContaining("cannot start serving, it is SERVING");
    host.midPoint.close();
    assertThat(host.midPoint.unseal(1)).isCompletedExceptionally();
    assertThat(host.midPoint.retired()).isCompletedExceptionally();
    assertThat(host.disk.closed).isTrue();
    assertThat(host.disk.nodesRemoved).isFalse();
  }
}

package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.Outcome;
import io.netchannel.midpoint.MidPoint.State;
import io.netchannel.midpoint.block.ScriptedDevice.Kind;
import io.netchannel.midpoint.block.SharedRings.Request;
import io.netchannel.midpoint.block.SharedRings.Response;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.ResponseStatus;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** Another device under a guest that goes on; doWork is called by hand. */
final class BlockMidPointExchangeTest {
  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;

  private final Storage storage = new Storage(64 * SECTOR_BYTES);
  private final SharedRings rings = new SharedRings(1);
  private final SimulatedHost host = new SimulatedHost(new Random(1), storage, false);
  private final ScriptedDevice other = new ScriptedDevice(new Storage(64 * SECTOR_BYTES).host());
  private long nextId;

  private void connect() {
    host.await(host.midPoint.serve(host.device, 1));
    host.disk.connect(rings);
    host.work();
  }

  private void write(int sector) {
    push(BlockOperation.WRITE, sector, 1);
  }

  private void push(BlockOperation operation, int sector, int sectors) {
    rings.push(
        0,
        new Request(
            nextId++,
            operation,
            (long) sector * SECTOR_BYTES,
            (long) sectors * SECTOR_BYTES,
            sectors == 0 ? new byte[0] : DiskModel.content(nextId)));
    host.work();
  }

  private CompletableFuture<Void> exchange() {
    CompletableFuture<Void> ended = host.midPoint.exchange(before -> other);
    host.work();
    return ended;
  }

  @Test
  void whatIsIssuedFromThenOnGoesToTheNewOne() {
    connect();
    write(1);
    CompletableFuture<Void> ended = exchange();
    write(2);

    assertThat(host.device.running).hasSize(1);
    assertThat(other.running).hasSize(1);
    assertThat(ended).isNotDone();
    other.completeAll();
    host.work();
    assertThat(answers()).as("nothing waits for the exchange").isEqualTo(1);
    assertThat(ended).isNotDone();
    host.device.completeAll();
    host.work();
    assertThat(ended).isCompleted();
    assertThat(answers()).isEqualTo(2);
    assertThat(host.device.closed).isFalse();
  }

  @Test
  void aRequestThatWasHeldGoesToTheNewOneWhenTheOldOneHasDoneWhatIsBeforeIt() {
    connect();
    write(1);
    write(1);
    CompletableFuture<Void> ended = exchange();
    assertThat(other.running).isEmpty();
    host.device.completeAll();
    host.work();

    assertThat(ended).isCompleted();
    assertThat(other.calls).containsExactly(Kind.WRITE);
  }

  /** Its data goes after its first flush, its second flush after that: to whichever is there. */
  @Test
  void aRequestOfSeveralStepsGoesOnAtTheNewOne() {
    connect();
    push(BlockOperation.FLUSH, 5, 1);
    CompletableFuture<Void> ended = exchange();
    host.device.completeAll();
    host.work();
    assertThat(ended).isCompleted();
    other.completeAll();
    host.work();
    other.completeAll();
    host.work();
    assertThat(host.device.calls).containsExactly(Kind.FLUSH);
    assertThat(other.calls).containsExactly(Kind.WRITE, Kind.FLUSH);
    assertThat(answers()).isEqualTo(1);
  }

  @Test
  void twoExchangesWaitForAllBefore() {
    connect();
    write(1);
    CompletableFuture<Void> first = exchange();
    write(2);
    ScriptedDevice third = new ScriptedDevice(new Storage(64 * SECTOR_BYTES).host());
    CompletableFuture<Void> second = host.midPoint.exchange(before -> third);
    host.work();
    other.completeAll();
    host.work();
    assertThat(second).as("the first device has one yet").isNotDone();
    host.device.completeAll();
    host.work();
    assertThat(first).isCompleted();
    assertThat(second).isCompleted();
  }

  @Test
  void whatCannotBeMadeChangesNothing() {
    connect();
    CompletableFuture<Void> ended =
        host.midPoint.exchange(
            before -> {
              throw new IllegalArgumentException("the target is smaller");
            });
    host.work();
    assertThatThrownBy(ended::join).hasMessageContaining("the target is smaller");
    write(1);
    assertThat(host.device.running).hasSize(1);
  }

  @Test
  void aSealedDiskKeepsItsDevice() {
    connect();
    CompletableFuture<BlockManifest> sealed = host.midPoint.seal(Duration.ofSeconds(10));
    host.work();
    host.device.completeAll();
    host.work();
    assertThat(sealed).isCompleted();
    assertThat(host.midPoint.status().state()).isEqualTo(State.SEALED);

    assertThatThrownBy(exchange()::join).hasMessageContaining("cannot exchange the device");
  }

  @Test
  void aMidPointThatIsClosedLeavesNobodyWaiting() {
    connect();
    write(1);
    CompletableFuture<Void> ended = exchange();
    host.midPoint.close();

    assertThatThrownBy(ended::join).hasMessageContaining("was closed");
    assertThat(other.closed).isTrue();
  }

  @Test
  void errorsOfTheNewOneAreTheGuests() {
    connect();
    var unused = exchange();
    write(1);
    other.complete(0, Outcome.IO_ERROR, false);
    host.work();
    assertThat(rings.queues.get(0).responses)
        .extracting(Response::status)
        .containsExactly(ResponseStatus.ERROR);
  }

  private int answers() {
    return rings.queues.get(0).responses.size();
  }
}

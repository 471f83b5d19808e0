package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.midpoint.ManifestBudget;
import io.netchannel.midpoint.MidPointMemory;
import io.netchannel.midpoint.block.SharedRings.Request;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.ResponseStatus;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Several mid-points and less memory than they ask for. */
final class BlockMidPointMemoryTest {
  private static final int MIB = 1 << 20;
  private static final Duration BOUND = Duration.ofSeconds(10);

  /** A guest and its mid-point. */
  private static final class Guest {
    final SharedRings rings = new SharedRings(1);
    final SimulatedHost host;
    private long nextId;

    Guest(MidPointMemory memory) {
      host = new SimulatedHost(new Storage(4 * MIB), memory);
      host.await(host.midPoint.serve(host.device, 1));
      host.disk.connect(rings);
      host.work();
    }

    void push(BlockOperation operation, int offset, int bytes) {
      rings.push(0, new Request(nextId++, operation, offset, bytes, new byte[bytes]));
    }

    List<ResponseStatus> statuses() {
      return rings.queues.get(0).responses.stream().map(SharedRings.Response::status).toList();
    }

    int atDevice() {
      return host.device.running.size();
    }

    /** One look of its thread, and one of the device. */
    void step() {
      host.work();
      host.device.completeAll();
    }
  }

  private static MidPointMemory memory(int slabs, long manifestBytes) {
    return new MidPointMemory(
        new BufferBudget((long) slabs * MIB), new ManifestBudget(manifestBytes));
  }

  @Test
  void requestsWaitOnTheirRingsUntilAnotherGuestGivesMemoryBack() {
    MidPointMemory memory = memory(1, MIB);
    Guest first = new Guest(memory);
    Guest second = new Guest(memory);
    for (int i = 0; i < 3; i++) {
      first.push(BlockOperation.READ, i * MIB, MIB);
      second.push(BlockOperation.WRITE, i * MIB, MIB);
    }
    for (int i = 0; i < 2; i++) {
      first.host.work();
      second.host.work();
    }
    assertThat(first.atDevice()).isEqualTo(1);
    assertThat(second.atDevice()).isZero();
    assertThat(second.host.midPoint.status().taken())
        .as("one, which tells how much is missing")
        .isEqualTo(1);
    assertThat(memory.buffers().use().waiting()).as("the first one has all there is").hasSize(1);
    for (int i = 0; i < 12; i++) {
      first.step();
      second.step();
    }
    assertThat(first.statuses()).hasSize(3).containsOnly(ResponseStatus.OKAY);
    assertThat(second.statuses()).hasSize(3).containsOnly(ResponseStatus.OKAY);
    assertThat(memory.buffers().use().inUseBytes()).isLessThanOrEqualTo(MIB);
  }

  /** The younger one must not have what the older one needs, and wait for that one itself. */
  @Test
  void anOlderRequestWithoutMemoryIsNotWaitedForByAYoungerOneThatHasIt() {
    Guest guest = new Guest(memory(1, MIB));
    guest.push(BlockOperation.WRITE, 0, 4096);
    guest.push(BlockOperation.WRITE, 0, MIB);
    guest.push(BlockOperation.WRITE, 4096, 4096);
    for (int i = 0; i < 12; i++) {
      guest.step();
    }
    assertThat(guest.statuses()).hasSize(3).containsOnly(ResponseStatus.OKAY);
  }

  /** Its device never answers, and it asks for all there is. */
  @Test
  void aGuestWithHungStorageKeepsNobodyElseWaiting() {
    MidPointMemory memory = memory(4, MIB);
    Guest hung = new Guest(memory);
    Guest other = new Guest(memory);
    for (int i = 0; i < 4; i++) {
      hung.push(BlockOperation.READ, i * MIB, MIB);
    }
    for (int i = 0; i < 6; i++) {
      hung.host.work();
    }
    assertThat(hung.atDevice()).isEqualTo(3);
    for (int i = 0; i < 8; i++) {
      other.push(BlockOperation.READ, i % 4 * MIB, MIB);
    }
    for (int i = 0; i < 30; i++) {
      other.step();
    }
    assertThat(other.statuses()).hasSize(8).containsOnly(ResponseStatus.OKAY);
  }

  @Test
  void aRetiredDiskGivesAllBack() {
    MidPointMemory memory = memory(4, MIB);
    Guest guest = new Guest(memory);
    guest.push(BlockOperation.READ, 0, 4096);
    guest.step();
    guest.step();
    assertThat(memory.buffers().use().inUseBytes()).isEqualTo(MIB);
    guest.host.await(guest.host.midPoint.retire());
    assertThat(memory.buffers().use().inUseBytes()).isZero();
    assertThat(memory.buffers().use().users()).isZero();
  }

  /** The budget of the host it goes to. */
  @Test
  void aManifestHasNoMoreDataThanItsDestinationHasRoomFor() {
    int bytes = 16 << 10;
    Guest guest = new Guest(memory(8, 100L * bytes));
    for (int i = 0; i < 4; i++) {
      guest.push(BlockOperation.READ, i * bytes, bytes);
    }
    for (int i = 0; i < 8; i++) {
      guest.step();
    }
    BlockManifest manifest =
        guest.host.await(guest.host.midPoint.seal(BOUND, 2L * bytes + 1, known -> {}));
    assertThat(manifest.entries().stream().map(entry -> entry.payload().remaining()))
        .as("the newest")
        .containsExactly(0, 0, bytes, bytes);
    guest.host.await(guest.host.midPoint.unseal(2));
    assertThat(guest.statuses()).hasSize(4).containsOnly(ResponseStatus.OKAY);
  }

  /** Many are sealed at once: what they hand over has a bound, and the newest keep their data. */
  @Test
  void manifestsKeepToTheirBudgetAndLoseTheOldestDataFirst() {
    int bytes = 16 << 10;
    MidPointMemory memory = memory(8, 3L * bytes);
    List<Guest> guests = IntStream.range(0, 8).mapToObj(i -> new Guest(memory)).toList();
    List<BlockManifest> manifests = new ArrayList<>();
    for (Guest guest : guests) {
      for (int i = 0; i < 4; i++) {
        guest.push(BlockOperation.READ, i * bytes, bytes);
      }
      for (int i = 0; i < 8; i++) {
        guest.step();
      }
      manifests.add(guest.host.await(guest.host.midPoint.seal(BOUND)));
      assertThat(memory.manifests().inUseBytes()).isLessThanOrEqualTo(3L * bytes);
    }
    assertThat(manifests).allMatch(manifest -> manifest.pending() == 4);
    assertThat(manifests.get(0).entries().stream().map(entry -> entry.payload().remaining()))
        .as("half of what there was")
        .containsExactly(0, 0, 0, bytes);
    assertThat(manifests.get(0)).isEqualTo(BlockManifest.decode(manifests.get(0).encode()));
    guests.forEach(guest -> guest.host.await(guest.host.midPoint.unseal(2)));
    assertThat(memory.manifests().inUseBytes()).isZero();
    for (Guest guest : guests) {
      assertThat(guest.statuses()).hasSize(4).containsOnly(ResponseStatus.OKAY);
    }
    assertThat(ByteBuffer.allocate(0)).isEqualTo(manifests.get(0).entries().get(0).payload());
  }
}

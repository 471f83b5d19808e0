package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.midpoint.block.SharedRings.Request;
import io.netchannel.midpoint.block.SimulatedHost.Killed;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.ResponseStatus;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class InflightRecoveryTest {
  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;

  /**
   * Ends the process at each store to the table in turn, and again at each store of what follows:
   * the next process answers every request, none twice (the rings throw), and no write is lost.
   */
  @Test
  void everyPrefixOfTheStoresIsRecovered() {
    int total = run(Integer.MAX_VALUE, Integer.MAX_VALUE);
    assertThat(total).as("stores of the whole run").isGreaterThan(60);
    for (int first = 1; first <= total; first++) {
      int rest = run(first, Integer.MAX_VALUE);
      // Every third, another third each time: all pairs would take a minute.
      for (int second = 1 + first % 3; second <= rest; second += 3) {
        run(first, second);
      }
    }
  }

  /** Returns the stores made after the last kill that happened. */
  private static int run(int firstKill, int secondKill) {
    Storage storage = new Storage(64 * SECTOR_BYTES);
    SimulatedHost host = new SimulatedHost(new Random(firstKill), storage, false);
    SharedRings rings = new SharedRings(2);
    host.await(host.midPoint.serve(host.device, 1));
    host.disk.connect(rings);
    host.work();
    host.stores = 0;
    for (int i = 0; i < 6; i++) {
      // Sector 8 is written again and again: order and loss show.
      rings.push(i % 2, write(i, i < 3 ? 8 : 8 + i, 100 + i));
    }
    int[] kills = {firstKill, secondKill};
    int next = 0;
    host.killAtStore(kills[next]);
    boolean pushedMore = false;
    for (int step = 0; step < 60; step++) {
      try {
        host.work();
        if (step % 3 == 2) {
          host.device.completeAll();
        }
        if (step == 8 && !pushedMore) {
          pushedMore = true;
          seeAll(rings);
          // Ids 0 and 1 are free again once answered.
          for (int queue = 0; queue < 2; queue++) {
            if (!rings.queues.get(queue).outstanding.containsKey((long) queue)) {
              rings.push(queue, write(queue, 20 + queue, 200 + queue));
            }
          }
        }
      } catch (Killed killed) {
        host.stores = 0;
        next++;
        boolean again = next < kills.length;
        try {
          if (again) {
            host.restart(rings, 1, false, kills[next]);
          } else {
            host.restart(rings, 1, false);
          }
        } catch (Killed duringRecovery) {
          next++;
          host.restart(rings, 1, false);
        }
      }
    }
    for (SharedRings.Queue queue : rings.queues) {
      assertThat(queue.outstanding).as("never answered, killed at %s", firstKill).isEmpty();
      assertThat(queue.responses)
          .allSatisfy(response -> assertThat(response.status()).isEqualTo(ResponseStatus.OKAY));
    }
    int stores = host.stores;
    host.await(host.midPoint.seal(Duration.ofSeconds(1)));
    for (int i = 3; i < 6; i++) {
      assertThat(DiskModel.stampOf(storage.bytes, (8 + i) * SECTOR_BYTES)).isEqualTo(100 + i);
    }
    return stores;
  }

  private static void seeAll(SharedRings rings) {
    for (SharedRings.Queue queue : rings.queues) {
      queue.responseConsumer = queue.responses.size();
    }
  }

  private static Request write(long id, int sector, long stamp) {
    return new Request(
        id,
        BlockOperation.WRITE,
        (long) sector * SECTOR_BYTES,
        SECTOR_BYTES,
        DiskModel.content(stamp));
  }

  /** A daemon finds the requests that one of the version before has left. */
  @Test
  void theFileOfADiskStaysAsItIs(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("7-51728");
    BlockMidPoint.inflight(file, BlockLimits.defaults()).close();
    ByteBuffer found = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.nativeOrder());
    assertThat(found.capacity()).isEqualTo(4096 + 1024 * 4288);
    assertThat(found.getLong(0)).isEqualTo(0x4e43494e464c5431L);
    assertThat(found.getInt(8)).isEqualTo(1);
    assertThat(found.getInt(12)).isEqualTo(1024);
  }
}

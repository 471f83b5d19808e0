package io.netchannel.midpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.midpoint.SharedRings.Request;
import io.netchannel.midpoint.SimulatedHost.Killed;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.ResponseStatus;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class InflightTableTest {
  private static final int SECTOR_BYTES = MidPointLimits.SECTOR_BYTES;

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

  @Test
  void aFileIsFoundAgain(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("inflight").resolve("7-51728");
    MidPointLimits limits = new MidPointLimits(4, 1 << 20, 1, 0);
    try (InflightTable table = InflightTable.open(file, limits)) {
      table.consumed(3, -2);
      assertThat(table.nextSequence()).isEqualTo(1);
    }
    try (InflightTable table = InflightTable.open(file, limits)) {
      assertThat(table.slots()).isEqualTo(4);
      assertThat(table.requestConsumers()[3]).isEqualTo(-2);
      assertThat(table.recovered()).isEmpty();
      table.remove();
    }
    assertThat(file).doesNotExist();
  }

  @Test
  void aFileOfSomethingElseIsRefused(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("7-51728");
    Files.write(file, List.of("something else entirely"));
    assertThatThrownBy(() -> InflightTable.open(file, MidPointLimits.defaults()))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("expected an in-flight table of version 1")
        .hasMessageContaining("remove the file");
  }

  @Test
  void consumersWrapAround() {
    InflightTable table = InflightTable.inMemory(new MidPointLimits(4, 1 << 20, 1, 0));
    SharedRings rings = new SharedRings(1);
    rings.push(0, write(1, 0, 1));
    MemoryDisk disk = MemoryDisk.restarted(rings);
    disk.reattach(List.of(), new int[1]);
    table.consumed(0, Integer.MAX_VALUE);
    disk.poll(new CapturingHandler(request -> table.take(request, 1, 1, Integer.MIN_VALUE)), 1);
    table.consumed(0, Integer.MAX_VALUE);
    assertThat(table.requestConsumers()[0]).isEqualTo(Integer.MIN_VALUE);
  }

  /**
   * What is mapped there has its room from the start: at a peak the lack of it ends the process.
   */
  @Test
  void aFullFileSystemIsRefusedAtTheStart(@TempDir Path directory) throws Exception {
    Path small = Files.createDirectory(directory.resolve("small"));
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small.toString());
    try {
      Path file = small.resolve("1-51728");
      assertThatThrownBy(() -> InflightTable.open(file, MidPointLimits.defaults()))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("1-51728")
          .hasMessageContaining("make room");
      assertThat(file).doesNotExist();
    } finally {
      run("umount", "-l", small.toString());
    }
  }

  /** As an earlier version has made it. */
  @Test
  void holesAreFilledAndWhatIsThereStays(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("1-51728");
    MidPointLimits limits = MidPointLimits.defaults();
    int bytes = InflightLayout.fileBytes(limits.maxPending());
    byte[] before;
    try (InflightTable table = InflightTable.open(file, limits)) {
      table.consumed(1, 7);
      before = Files.readAllBytes(file);
    }
    try (RandomAccessFile holes = new RandomAccessFile(file.toFile(), "rw")) {
      holes.setLength(InflightLayout.HEADER_BYTES);
      holes.setLength(bytes);
    }
    assertThat(allocated(file)).isLessThan(bytes);
    try (InflightTable table = InflightTable.open(file, limits)) {
      assertThat(table.requestConsumers()[1]).isEqualTo(7);
    }
    assertThat(allocated(file)).isGreaterThanOrEqualTo(bytes);
    assertThat(Files.readAllBytes(file)).isEqualTo(before);
  }

  private static long allocated(Path file) throws Exception {
    return 512 * Long.parseLong(run("stat", "-c", "%b", file.toString()).strip());
  }

  private static String run(String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(said).isZero();
    return said;
  }
}

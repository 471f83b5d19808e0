package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.midpoint.block.BlockManifest.Entry;
import io.netchannel.midpoint.block.BlockManifest.State;
import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class ReplayMapTest {
  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;
  private static final int SECTORS = 24;

  /** What a map may say of any range, against a disk that is a plain array. */
  @Test
  void agreesWithADisk() {
    int[] hits = new int[2];
    Seeds.forEach(4000, random -> check(random, hits));
    assertThat(hits[0]).as("reads answered").isGreaterThan(200);
    assertThat(hits[1]).as("writes confirmed").isGreaterThan(400);
  }

  private static void check(Random random, int[] hits) {
    byte[] disk = new byte[SECTORS * SECTOR_BYTES];
    boolean[] undefined = new boolean[SECTORS];
    List<Entry> entries = new ArrayList<>();
    for (int i = 0; i < 1 + random.nextInt(10); i++) {
      entries.add(entry(random, i, disk, undefined));
    }
    ReplayMap map = ReplayMap.of(entries);
    for (int i = 0; i < 25; i++) {
      int count = 1 + random.nextInt(4);
      int first = random.nextInt(SECTORS - count + 1);
      long offset = (long) first * SECTOR_BYTES;
      byte[] there = Arrays.copyOfRange(disk, first * SECTOR_BYTES, (first + count) * SECTOR_BYTES);
      switch (random.nextInt(3)) {
        case 0 -> {
          byte[] read = new byte[count * SECTOR_BYTES];
          if (map.answerRead(offset, ByteBuffer.wrap(read))) {
            hits[0]++;
            assertDefined(undefined, first, count);
            assertThat(read).isEqualTo(there);
          }
        }
        case 1 -> {
          byte[] data = there.clone();
          boolean same = random.nextInt(3) != 0;
          if (!same) {
            data[random.nextInt(data.length)] ^= 1;
          }
          if (map.confirmWrite(offset, ByteBuffer.wrap(data))) {
            hits[1]++;
            assertDefined(undefined, first, count);
            assertThat(data).isEqualTo(there);
          } else {
            // Written then.
            map.remove(offset, data.length);
            System.arraycopy(data, 0, disk, first * SECTOR_BYTES, data.length);
            Arrays.fill(undefined, first, first + count, false);
          }
        }
        default -> {
          map.remove(offset, there.length);
          byte[] data = content(random, count);
          System.arraycopy(data, 0, disk, first * SECTOR_BYTES, data.length);
          Arrays.fill(undefined, first, first + count, false);
        }
      }
    }
  }

  private static void assertDefined(boolean[] undefined, int first, int count) {
    for (int sector = first; sector < first + count; sector++) {
      assertThat(undefined[sector]).as("sector %s has no known content", sector).isFalse();
    }
  }

  private static Entry entry(Random random, int sequence, byte[] disk, boolean[] undefined) {
    int count = 1 + random.nextInt(6);
    int first = random.nextInt(SECTORS - count + 1);
    byte[] data = content(random, count);
    boolean givenUp = random.nextInt(6) == 0;
    ByteBuffer none = ByteBuffer.allocate(0);
    BlockOperation operation = BlockOperation.READ;
    State state = random.nextBoolean() ? State.DONE : State.ANSWERED;
    ByteBuffer payload = none;
    switch (random.nextInt(4)) {
      case 0 -> {
        for (int sector = first; sector < first + count; sector++) {
          // A read makes an undefined range known; for the test, only defined ones are read.
          if (undefined[sector]) {
            return entry(random, sequence, disk, undefined);
          }
        }
        payload =
            ByteBuffer.wrap(
                Arrays.copyOfRange(disk, first * SECTOR_BYTES, (first + count) * SECTOR_BYTES));
      }
      case 1, 2 -> {
        operation = BlockOperation.WRITE;
        if (random.nextInt(5) == 0) {
          state = State.FAILED;
          Arrays.fill(undefined, first, first + count, true);
        } else {
          payload = SectorDigests.of(ByteBuffer.wrap(data));
          System.arraycopy(data, 0, disk, first * SECTOR_BYTES, data.length);
          Arrays.fill(undefined, first, first + count, false);
        }
      }
      default -> {
        operation = BlockOperation.DISCARD;
        Arrays.fill(undefined, first, first + count, true);
      }
    }
    return new Entry(
        sequence,
        1,
        operation,
        (long) first * SECTOR_BYTES,
        (long) count * SECTOR_BYTES,
        state,
        givenUp ? none : payload);
  }

  private static byte[] content(Random random, int sectors) {
    byte[] data = new byte[sectors * SECTOR_BYTES];
    for (int i = 0; i < sectors; i++) {
      // Few different contents, so that equal ones meet.
      Arrays.fill(data, i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES, (byte) random.nextInt(4));
    }
    return data;
  }

  @Test
  void splitAndMergedResubmissionsAreFound() {
    byte[] data = content(new Random(1), 4);
    Entry left = known(1, 0, Arrays.copyOfRange(data, 0, 2 * SECTOR_BYTES));
    Entry right = known(2, 2 * SECTOR_BYTES, Arrays.copyOfRange(data, 2 * SECTOR_BYTES, 2048));
    ReplayMap map = ReplayMap.of(List.of(left, right));
    assertThat(map.confirmWrite(512, ByteBuffer.wrap(data, 512, 1024))).isTrue();
    assertThat(map.confirmWrite(512, ByteBuffer.wrap(data, 512, 1024))).isFalse();
    assertThat(map.confirmWrite(0, ByteBuffer.wrap(data, 0, 512))).isTrue();
    assertThat(map.isEmpty()).isFalse();
    assertThat(map.confirmWrite(1536, ByteBuffer.wrap(data, 1536, 512))).isTrue();
    assertThat(map.isEmpty()).isTrue();
  }

  private static Entry known(long sequence, long offset, byte[] data) {
    ByteBuffer digests = SectorDigests.of(ByteBuffer.wrap(data));
    return new Entry(sequence, 1, BlockOperation.WRITE, offset, data.length, State.DONE, digests);
  }
}

package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.Inheritance;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DifferenceMapTest {
  private static final long REGION = DifferenceMap.REGION_BYTES;

  @Test
  void aMapOfOneTebibyteTakesTwoMebibytes() {
    assertThat(DifferenceMap.bytesFor(1L << 40)).isBetween(2 << 20, (2 << 20) + 64);
    assertThat(DifferenceMap.bytesFor(512)).isEqualTo(64 + Long.BYTES);
  }

  @Test
  void aDeviceOfMoreThanAPebibyteIsRefused() {
    assertThatThrownBy(() -> DifferenceMap.bytesFor(1L << 51)).hasMessageContaining("1 PiB");
  }

  /** Borders of words and of blocks of words, ranges within and over many of them. */
  @Test
  void itIsASetOfRegions() {
    Random random = new Random(5);
    long regions = 9_000;
    long size = (regions - 1) * REGION + 512;
    DifferenceMap map = DifferenceMap.inMemory(size);
    BitSet model = new BitSet();
    model.set(0, (int) regions);
    for (int step = 0; step < 20_000; step++) {
      int region = random.nextInt((int) regions);
      if (random.nextInt(3) > 0) {
        int last = Math.min((int) regions - 1, region + random.nextInt(200));
        for (int each = region; each <= last; each++) {
          map.clear(each);
          model.clear(each);
        }
      } else {
        long offset = region * REGION + random.nextInt(100) * 512L;
        long length = Math.min(size - offset, 512L * (1 + random.nextInt(9_000)));
        if (length > 0) {
          map.set(offset, length);
          model.set(region, (int) ((offset + length - 1) / REGION) + 1);
          assertThat(map.nextSet(region, region + 1L)).as("the first of them").isEqualTo(region);
        }
      }
      long from = random.nextInt((int) regions);
      int next = model.nextSetBit((int) from);
      assertThat(map.nextSet(from, regions)).isEqualTo(next < 0 ? regions : next);
      assertThat(map.isSet(from)).isEqualTo(model.get((int) from));
      assertThat(map.count()).isEqualTo(model.cardinality());
    }
  }

  @Test
  void theNextProcessFindsIt() throws IOException {
    ByteBuffer memory = ByteBuffer.allocateDirect(DifferenceMap.bytesFor(100 * REGION));
    DifferenceMap map = DifferenceMap.allDiffering(memory, 100 * REGION, () -> {});
    for (int region = 0; region < 100; region++) {
      map.clear(region);
    }
    map.set(70 * REGION, 1);

    DifferenceMap found = DifferenceMap.reopen(memory.duplicate(), 100 * REGION, () -> {});
    assertThat(found.count()).isEqualTo(1);
    assertThat(found.nextSet(0, 100)).isEqualTo(70);
  }

  @Test
  void anotherDevicesMapAndNoneAreRefused() {
    ByteBuffer memory = ByteBuffer.allocateDirect(DifferenceMap.bytesFor(100 * REGION));
    assertThatThrownBy(() -> DifferenceMap.reopen(memory, 100 * REGION, () -> {}))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("found something else");
    DifferenceMap.allDiffering(memory, 100 * REGION, () -> {});
    assertThatThrownBy(() -> DifferenceMap.reopen(memory, 99 * REGION, () -> {}))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("version 2 of a device of 6553600 bytes");
  }

  @Test
  void aFileIsFoundAgainWithTheBitsAsTheyWere(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("maps").resolve("xvdb");
    DifferenceMap map = DifferenceMap.create(file, 100 * REGION);
    for (int region = 0; region < 100; region++) {
      map.clear(region);
    }
    map.set(70 * REGION, 1);

    DifferenceMap found = DifferenceMap.reopen(file, 100 * REGION, List.of());
    assertThat(found.count()).isEqualTo(1);
    assertThat(found.isSet(70)).isTrue();
    assertThat(found.isFound()).isTrue();
    assertThat(map.isFound()).isFalse();
    found.set(3 * REGION, REGION);
    assertThat(map.isSet(3)).as("the same memory").isTrue();
  }

  @Test
  void itIsOfTwoStoragesAndOfNoOthers(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("xvdb");
    Optional<UUID> leader = Optional.of(new UUID(1, 2));
    Optional<UUID> follower = Optional.of(new UUID(3, 4));
    DifferenceMap map = DifferenceMap.create(file, 100 * REGION);
    assertThat(map.isOf(leader, follower)).as("nobody's yet").isFalse();
    map.beginAnew(leader, follower);
    map.clear(3);

    DifferenceMap found = DifferenceMap.reopen(file, 100 * REGION, List.of());
    assertThat(found.isOf(leader, follower)).isTrue();
    assertThat(found.isFull()).isFalse();
    assertThat(found.isOf(follower, follower)).isFalse();
    assertThat(found.isOf(leader, Optional.of(new UUID(3, 5)))).isFalse();
    assertThat(found.isOf(leader, Optional.empty())).isFalse();
    found.beginAnew(leader, Optional.empty());
    assertThat(found.isFull()).isTrue();
    assertThat(found.isOf(leader, Optional.empty())).as("of one that is not known").isFalse();
  }

  /** It may have reached one of the legs. */
  @Test
  void whatWasNotAnsweredMayDiffer(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("xvdb");
    DifferenceMap.create(file, 100 * REGION).clearAll();
    List<Inheritance.Change> unanswered =
        List.of(new Inheritance.Change(3 * REGION - 512, 1024), new Inheritance.Change(0, 512));
    DifferenceMap found = DifferenceMap.reopen(file, 100 * REGION, unanswered);
    assertThat(found.count()).isEqualTo(3);
    assertThat(found.isSet(0) && found.isSet(2) && found.isSet(3)).isTrue();
  }

  /** Nobody may have begun with it. */
  @Test
  void aFileThatWasNotFinishedIsNone(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("xvdb");
    assertThatThrownBy(() -> DifferenceMap.reopen(file, 100 * REGION, List.of()))
        .isInstanceOf(NoSuchFileException.class);
    Files.write(file, new byte[48]);
    assertThatThrownBy(() -> DifferenceMap.reopen(file, 100 * REGION, List.of()))
        .isInstanceOf(NoSuchFileException.class)
        .hasMessageContaining("not finished");
    assertThat(DifferenceMap.create(file, 100 * REGION).count()).isEqualTo(100);
  }

  @Test
  void aFileOfAnotherDeviceOrOfSomethingElseIsRefusedAndStays(@TempDir Path directory)
      throws IOException {
    Path file = directory.resolve("xvdb");
    DifferenceMap.create(file, 100 * REGION);
    byte[] before = Files.readAllBytes(file);
    assertThatThrownBy(() -> DifferenceMap.reopen(file, 10_000 * REGION, List.of()))
        .isInstanceOf(IOException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining("remove it");
    assertThatThrownBy(() -> DifferenceMap.reopen(file, 99 * REGION, List.of()))
        .hasMessageContaining("version 2 of a device of 6553600 bytes");
    assertThat(Files.readAllBytes(file)).isEqualTo(before);
    Files.write(file, new byte[] {1});
    assertThatThrownBy(() -> DifferenceMap.reopen(file, 99 * REGION, List.of()))
        .hasMessageContaining("found something else");
  }

  /** A mirror that is not closed yet goes on with the one that it has. */
  @Test
  void aNewFileLeavesTheOneBeforeAlone(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("xvdb");
    DifferenceMap before = DifferenceMap.create(file, 100 * REGION);
    before.clear(5);
    DifferenceMap map = DifferenceMap.create(file, 10 * REGION);
    map.clear(6);

    assertThat(before.isSet(5)).isFalse();
    assertThat(before.isSet(6)).isTrue();
    assertThat(DifferenceMap.reopen(file, 10 * REGION, List.of()).count()).isEqualTo(9);
  }
}

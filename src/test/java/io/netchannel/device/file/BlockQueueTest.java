package io.netchannel.device.file;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class BlockQueueTest {
  @TempDir Path sysfs;

  /** Values of glibc's makedev(). */
  @ParameterizedTest
  @CsvSource({"0xfe00, 254, 0", "0x801, 8, 1", "0x10fe00, 254, 256", "0x110302, 259, 258"})
  void splitsADeviceNumber(String rdev, long major, long minor) {
    assertThat(BlockQueue.major(Long.decode(rdev))).isEqualTo(major);
    assertThat(BlockQueue.minor(Long.decode(rdev))).isEqualTo(minor);
  }

  @Test
  void aPartitionUsesTheQueueOfItsDisk() throws Exception {
    Path disk = sysfs.resolve("devices/vda");
    Files.createDirectories(disk.resolve("vda1"));
    Files.createDirectories(disk.resolve("queue"));
    Files.writeString(disk.resolve("queue/discard_granularity"), "4096\n");
    Files.writeString(disk.resolve("queue/discard_max_bytes"), "2147483136\n");
    Files.createSymbolicLink(sysfs.resolve("254:0"), disk);
    Files.createSymbolicLink(sysfs.resolve("254:1"), disk.resolve("vda1"));
    assertThat(BlockQueue.of(sysfs, 0xfe00).discardGranularityBytes()).isEqualTo(4096);
    assertThat(BlockQueue.of(sysfs, 0xfe01).discardGranularityBytes()).isEqualTo(4096);
  }

  @Test
  void aDiskWithoutDiscardOrWithoutSysfsHasNone() throws Exception {
    Path queue = sysfs.resolve("254:0/queue");
    Files.createDirectories(queue);
    Files.writeString(queue.resolve("discard_granularity"), "512\n");
    Files.writeString(queue.resolve("discard_max_bytes"), "0\n");
    assertThat(BlockQueue.of(sysfs, 0xfe00).discardGranularityBytes()).isZero();
    assertThat(BlockQueue.of(sysfs, 0x0801).discardGranularityBytes()).isZero();
  }
}

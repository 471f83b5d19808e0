package io.netchannel.device.file;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What sysfs says about a block device's request queue (Documentation/ABI/stable/sysfs-block).
 *
 * @param directory the queue's directory; a partition uses that of its disk
 */
record BlockQueue(Path directory) {
  private static final Path SYSFS = Path.of("/sys/dev/block");

  static BlockQueue of(long rdev) {
    return of(SYSFS, rdev);
  }

  static BlockQueue of(Path sysfs, long rdev) {
    Path device = sysfs.resolve(major(rdev) + ":" + minor(rdev));
    Path own = device.resolve("queue");
    if (Files.isDirectory(own)) {
      return new BlockQueue(own);
    }
    // A partition's directory lies within its disk's; ".." must follow the symbolic link.
    try {
      return new BlockQueue(device.toRealPath().resolveSibling("queue"));
    } catch (IOException e) {
      return new BlockQueue(own);
    }
  }

  /** 0 when the device does not discard. */
  int discardGranularityBytes() {
    long most = number("discard_max_bytes");
    long granularity = number("discard_granularity");
    return most > 0 && granularity > 0 && granularity <= Integer.MAX_VALUE ? (int) granularity : 0;
  }

  /** Whether it makes zeros by itself; if not, the kernel would write them, as anybody can. */
  boolean canZero() {
    return number("write_zeroes_max_bytes") > 0;
  }

  private long number(String file) {
    try {
      return Long.parseLong(Files.readString(directory.resolve(file)).strip());
    } catch (IOException | NumberFormatException e) {
      return 0; // no such ability in this kernel
    }
  }

  /** The split of a dev_t as glibc's sys/sysmacros.h makes it. */
  static long major(long rdev) {
    return (rdev >>> 8 & 0xfffL) | (rdev >>> 32 & ~0xfffL & 0xffffffffL);
  }

  static long minor(long rdev) {
    return (rdev & 0xffL) | (rdev >>> 12 & 0xffffff00L);
  }
}

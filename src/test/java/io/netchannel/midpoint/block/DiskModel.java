package io.netchannel.midpoint.block;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A plain disk and what a guest may find on it. Per sector, the writes with the time they were
 * submitted and the time the guest saw them answered. A sector read between two times may have the
 * content of any write that began before the read's end and that no other write, wholly later than
 * it, had replaced before the read began. While writes are outstanding together every order of them
 * is legal.
 */
final class DiskModel {
  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;
  private static final long NEVER = Long.MAX_VALUE;

  /** One write to a sector. */
  static final class Version {
    final long stamp;
    final long start;
    long end = NEVER;

    /**
     * False when it failed, or was a discard: it may have happened and replaces nothing for sure.
     */
    boolean sure;

    Version(long stamp, long start) {
      this.stamp = stamp;
      this.start = start;
    }
  }

  private final List<List<Version>> sectors = new ArrayList<>();
  private long now = 1;

  DiskModel(int count) {
    for (int i = 0; i < count; i++) {
      Version blank = new Version(0, 0);
      blank.end = 0;
      blank.sure = true;
      sectors.add(new ArrayList<>(List.of(blank)));
    }
  }

  long tick() {
    return ++now;
  }

  Version begin(int sector, long stamp) {
    Version version = new Version(stamp, tick());
    sectors.get(sector).add(version);
    return version;
  }

  void end(Version version, boolean sure) {
    version.end = tick();
    version.sure = sure;
  }

  void check(int sector, byte[] bytes, int offset, long readStart, String what) {
    long stamp = stampOf(bytes, offset);
    List<Version> versions = sectors.get(sector);
    for (Version version : versions) {
      if (version.stamp == stamp && !replaced(version, versions, readStart)) {
        return;
      }
    }
    StringBuilder legal = new StringBuilder();
    for (Version version : versions) {
      legal
          .append(' ')
          .append(version.stamp)
          .append(replaced(version, versions, readStart) ? "(replaced)" : "(legal)");
    }
    throw new AssertionError(
        what + ": sector " + sector + " has " + stamp + ", expected one of" + legal);
  }

  private static boolean replaced(Version version, List<Version> versions, long readStart) {
    for (Version later : versions) {
      if (later.sure && later.end < readStart && version.end < later.start) {
        return true;
      }
    }
    return false;
  }

  /** The content of a sector: nothing but its stamp; 0 for zeros. */
  static byte[] content(long stamp) {
    byte[] bytes = new byte[SECTOR_BYTES];
    for (int i = 0; i < SECTOR_BYTES; i++) {
      bytes[i] = (byte) (stamp >>> (8 * (i % 8)));
    }
    return bytes;
  }

  static long stampOf(byte[] bytes, int offset) {
    long stamp = 0;
    for (int i = 7; i >= 0; i--) {
      stamp = stamp << 8 | (bytes[offset + i] & 0xff);
    }
    if (!Arrays.equals(content(stamp), Arrays.copyOfRange(bytes, offset, offset + SECTOR_BYTES))) {
      throw new AssertionError("a torn sector");
    }
    return stamp;
  }
}

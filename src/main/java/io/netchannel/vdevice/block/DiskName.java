package io.netchannel.vdevice.block;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A disk's name in the guest and its number on xenbus (docs/man/xen-vbd-interface.7): "xvdb" is
 * 51728.
 */
public final class DiskName {
  private static final Pattern NAME = Pattern.compile("(xvd|sd|hd)([a-z]{1,2})(\\d{0,3})");

  private static final int XVD_MAJOR = 202;
  private static final int SD_MAJOR = 8;
  private static final int FIRST_IDE_MAJOR = 3;
  private static final int SECOND_IDE_MAJOR = 22;

  /** Disks and partitions a 16-bit number has room for; xvd goes on in the extended form. */
  private static final int SMALL_DISKS = 16;

  private static final int SMALL_PARTITIONS = 16;
  private static final int IDE_DISKS = 4;
  private static final int IDE_PARTITIONS = 64;
  private static final int EXTENDED = 1 << 28;
  private static final int EXTENDED_PARTITIONS = 256;

  private DiskName() {}

  /**
   * The number of a disk or partition.
   *
   * @throws IllegalArgumentException when it is no name a guest would understand
   */
  public static int devid(String name) {
    Matcher matcher = NAME.matcher(name);
    if (!matcher.matches()) {
      throw refuse(name);
    }
    int disk = 0;
    for (char letter : matcher.group(2).toCharArray()) {
      disk = disk * 26 + (letter - 'a' + 1);
    }
    disk--;
    int partition = matcher.group(3).isEmpty() ? 0 : Integer.parseInt(matcher.group(3));
    return switch (matcher.group(1)) {
      case "xvd" ->
          disk < SMALL_DISKS && partition < SMALL_PARTITIONS
              ? XVD_MAJOR << 8 | disk << 4 | partition
              : EXTENDED | disk << 8 | checked(name, partition, EXTENDED_PARTITIONS);
      case "sd" ->
          SD_MAJOR << 8
              | checked(name, disk, SMALL_DISKS) << 4
              | checked(name, partition, SMALL_PARTITIONS);
      case "hd" ->
          (checked(name, disk, IDE_DISKS) < 2 ? FIRST_IDE_MAJOR : SECOND_IDE_MAJOR) << 8
              | (disk & 1) << 6
              | checked(name, partition, IDE_PARTITIONS);
      default -> throw refuse(name);
    };
  }

  private static int checked(String name, int value, int bound) {
    if (value >= bound) {
      throw refuse(name);
    }
    return value;
  }

  private static IllegalArgumentException refuse(String name) {
    return new IllegalArgumentException(
        "\"%s\" is no disk's name: expected xvda, xvdb, ... (or sda to sdp, hda to hdd), a partition's"
                .formatted(name)
            + " number after it");
  }
}

package io.netchannel.vdevice.block;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The numbers of virtual block devices (docs/man/xen-vbd-interface.7): {@code xvda} to {@code xvdp}
 * are major 202 with 16 minors each, further disks the extended form that Linux, FreeBSD and NetBSD
 * know.
 */
public final class VbdNumber {
  /** Linux' major of xvd devices. */
  private static final int XVD_MAJOR = 202;

  /** Minors per disk, i.e. the disk itself and 15 partitions. */
  private static final int XVD_SHIFT = 4;

  /** Disks that fit below minor 256. */
  private static final int XVD_DISKS = 16;

  private static final int EXTENDED = 1 << 28;

  /** Minors per disk of the extended form. */
  private static final int EXTENDED_SHIFT = 8;

  /** One past the highest disk index of the extended form: 20 bits. */
  private static final int EXTENDED_DISKS = 1 << 20;

  private static final int LETTERS = 26;
  private static final Pattern TARGET = Pattern.compile("xvd([a-z]{1,5})(\\d*)");

  private VbdNumber() {}

  /**
   * The number of a whole disk.
   *
   * @param target "xvda" to "xvdp", "xvdq", ..., "xvdaa", ...
   * @throws IllegalArgumentException when it names no whole xvd disk
   */
  public static int of(String target) {
    Matcher matcher = TARGET.matcher(target);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "\"%s\" is no name of a Xen virtual disk: expected xvda, xvdb, ...".formatted(target));
    }
    if (!matcher.group(2).isEmpty()) {
      throw new IllegalArgumentException(
          "\"%s\" is a partition: only whole disks such as xvd%s are served"
              .formatted(target, matcher.group(1)));
    }
    long index = -1;
    for (char letter : matcher.group(1).toCharArray()) {
      index = (index + 1) * LETTERS + (letter - 'a');
    }
    if (index >= EXTENDED_DISKS) {
      throw new IllegalArgumentException(
          "\"%s\" is disk %d; Xen numbers up to %d".formatted(target, index, EXTENDED_DISKS - 1));
    }
    return index < XVD_DISKS
        ? XVD_MAJOR << 8 | (int) index << XVD_SHIFT
        : EXTENDED | (int) index << EXTENDED_SHIFT;
  }

  /**
   * The name of a whole disk, in reverse of {@link #of}.
   *
   * @throws IllegalArgumentException when the number is not that of a whole xvd disk
   */
  public static String target(int devid) {
    int index = -1;
    if ((devid & EXTENDED) != 0 && devid >>> 29 == 0 && (devid & 0xff) == 0) {
      index = (devid & ~EXTENDED) >>> EXTENDED_SHIFT;
    } else if (devid >>> 8 == XVD_MAJOR && (devid & 0xf) == 0) {
      index = (devid & 0xff) >>> XVD_SHIFT;
    }
    if (index < 0) {
      throw new IllegalArgumentException(
          "%d is not the number of a whole xvd disk (xen-vbd-interface.7)".formatted(devid));
    }
    StringBuilder letters = new StringBuilder();
    for (int rest = index; rest >= 0; rest = rest / LETTERS - 1) {
      letters.insert(0, (char) ('a' + rest % LETTERS));
    }
    return "xvd" + letters;
  }
}

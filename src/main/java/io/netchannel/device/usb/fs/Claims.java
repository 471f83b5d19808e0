package io.netchannel.device.usb.fs;

import java.util.ArrayList;
import java.util.List;

/**
 * Which interfaces of a device are ours. All of the present configuration are, always: the kernel
 * would claim one by itself at the first transfer, with a warning, and only if no driver has it. Of
 * one thread.
 */
final class Claims {
  private final Usbfs usbfs;
  private final List<Integer> claimed = new ArrayList<>();

  Claims(Usbfs usbfs) {
    this.usbfs = usbfs;
  }

  /**
   * Claims these, from the kernel's drivers too, but not from another program; none is ours yet.
   *
   * @return 0; or of the first that could not be claimed the negative error number: those before it
   *     are ours still
   */
  int claimAll(Iterable<Integer> interfaces) {
    for (int each : interfaces) {
      int result = usbfs.claim(each);
      if (result < 0) {
        return result;
      }
      claimed.add(each);
    }
    return 0;
  }

  /** None is ours any more, and none a driver's. */
  void releaseAll() {
    for (int each : claimed) {
      var unused = usbfs.release(each); // fails of a device that is gone, and of what a reset took
    }
    claimed.clear();
  }

  /** None is ours any more, and the kernel's drivers have what they know. */
  void giveBackAll() {
    List<Integer> all = List.copyOf(claimed);
    releaseAll();
    for (int each : all) {
      var unused = usbfs.connect(each); // no driver may want it, which is no error of ours
    }
  }
}

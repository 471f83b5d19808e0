package io.netchannel.device.usb.fs;

import io.netchannel.device.usb.UrbStatus;
import java.nio.file.Path;
import java.util.Optional;

/** What the kernel's numbers for URBs mean (Linux, Documentation/driver-api/usb/error-codes). */
final class KernelStatus {
  private KernelStatus() {}

  /**
   * Of a URB that was reaped, or a packet of one.
   *
   * @param status 0 or a negative error number
   * @param killed whether somebody here has asked for its end, or for what ends it
   */
  static UrbStatus ofReaped(int status, boolean killed) {
    return switch (-status) {
      case 0 -> UrbStatus.OK;
      case Errno.EXDEV -> UrbStatus.MISSED_FRAME;
      case Errno.ENODEV, Errno.ESHUTDOWN -> UrbStatus.NO_DEVICE;
      case Errno.EINVAL -> UrbStatus.INVALID;
      case Errno.EPIPE -> UrbStatus.STALL;
      case Errno.EOVERFLOW -> UrbStatus.OVERFLOW;
      // The kernel takes usbfs away from a device that is unplugged before it says so.
      case Errno.ENOENT, Errno.ECONNRESET -> killed ? UrbStatus.CANCELLED : UrbStatus.NO_DEVICE;
      case Errno.EREMOTEIO -> UrbStatus.SHORT;
      default -> UrbStatus.PROTOCOL;
    };
  }

  /**
   * Of a call that was refused.
   *
   * @param result a negative error number
   */
  static UrbStatus ofRefused(int result) {
    return switch (-result) {
      case Errno.ENODEV, Errno.ESHUTDOWN -> UrbStatus.NO_DEVICE;
      // No such endpoint, interface or setting, or not configured: what a device stalls.
      case Errno.ENOENT, Errno.EHOSTUNREACH, Errno.EPIPE -> UrbStatus.STALL;
      case Errno.EINVAL -> UrbStatus.INVALID;
      default -> UrbStatus.PROTOCOL;
    };
  }

  /**
   * Why a URB was refused, and what to do; empty where it is the guest's doing, or the device is
   * gone.
   *
   * @param errno positive
   * @param node of the device
   */
  static Optional<String> advice(int errno, Path node) {
    return switch (errno) {
      case Errno.ENODEV,
          Errno.ESHUTDOWN,
          Errno.ENOENT,
          Errno.EHOSTUNREACH,
          Errno.EINVAL,
          Errno.EPIPE ->
          Optional.empty();
      case Errno.ENOSPC ->
          Optional.of(
              "its bus has no room for a periodic transfer beside those of other devices; plug it"
                  + " into another bus");
      case Errno.EBUSY ->
          Optional.of(
              "another program has claimed the interface, as fuser -v %s tells".formatted(node));
      default -> Optional.of(LinuxUsbfs.describe(errno));
    };
  }
}

package io.netchannel.vdevice.usb;

/**
 * Status of a response: USBIF_STATUS_* of io/usbif.h, which are Linux' error numbers, negative. A
 * frontend takes any other for SHUTDOWN.
 */
final class UsbifStatus {
  static final int OK = 0;
  static final int NODEV = -19;
  static final int INVAL = -22;
  static final int STALL = -32;
  static final int IOERROR = -71;
  static final int BABBLE = -75;
  static final int SHUTDOWN = -108;

  /** ECONNRESET: it was unlinked. */
  static final int CANCELLED_ERRNO = 104;

  /** EREMOTEIO: less came than was asked for. */
  private static final int SHORT_ERRNO = 121;

  private UsbifStatus() {}

  /**
   * The status for Linux' error number, positive. Of a short transfer there is none: the guest's
   * USB core sees from the length that it is one (Linux, hcd.c, usb_hcd_giveback_urb).
   */
  static int of(int errno) {
    return switch (errno) {
      case 0, SHORT_ERRNO -> OK;
      case -NODEV, -INVAL, -STALL, -IOERROR, -BABBLE -> -errno;
      default -> SHUTDOWN;
    };
  }
}

package io.netchannel.device.usb;

/** What became of a URB, or of one packet of an isochronous one; with Linux' number for it. */
public enum UrbStatus {
  OK(0),
  /** The packet of this frame was lost or never tried (EXDEV). Of packets only. */
  MISSED_FRAME(18),
  /** The device is not there any more (ENODEV). */
  NO_DEVICE(19),
  /** The request makes no sense (EINVAL). */
  INVALID(22),
  /** The endpoint halted, or the device refused a control request (EPIPE). */
  STALL(32),
  /** A kind of error on the bus, also one of this host or the way to it (EPROTO, EIO). */
  PROTOCOL(71),
  /** The device sent more than was asked for (EOVERFLOW). */
  OVERFLOW(75),
  /** Unlinked before it was done; what had arrived is there (ECONNRESET, ENOENT). */
  CANCELLED(104),
  /** Less came than was asked for, with {@link Urb#shortNotOk} (EREMOTEIO). */
  SHORT(121);

  private final int errno;

  UrbStatus(int errno) {
    this.errno = errno;
  }

  /** Linux' number, positive; 0 for {@link #OK}. */
  public int errno() {
    return errno;
  }
}

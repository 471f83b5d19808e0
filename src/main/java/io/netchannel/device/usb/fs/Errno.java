package io.netchannel.device.usb.fs;

/** Linux' error numbers that usbfs gives (asm-generic/errno.h). */
final class Errno {
  static final int EPERM = 1;
  static final int ENOENT = 2;
  static final int EINTR = 4;
  static final int EAGAIN = 11;
  static final int ENOMEM = 12;
  static final int EACCES = 13;
  static final int EBUSY = 16;
  static final int EXDEV = 18;
  static final int ENODEV = 19;
  static final int EINVAL = 22;
  static final int ENOSPC = 28;
  static final int EPIPE = 32;
  static final int EOVERFLOW = 75;
  static final int ECONNRESET = 104;
  static final int ESHUTDOWN = 108;
  static final int EHOSTUNREACH = 113;
  static final int EREMOTEIO = 121;

  private Errno() {}
}

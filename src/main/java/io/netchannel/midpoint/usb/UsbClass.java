package io.netchannel.midpoint.usb;

/** Classes of devices and interfaces (USB-IF, "Defined Class Codes"). */
final class UsbClass {
  static final int COMMUNICATIONS = 0x02;
  static final int HID = 0x03;
  static final int MASS_STORAGE = 0x08;
  static final int HUB = 0x09;
  static final int COMMUNICATIONS_DATA = 0x0a;
  static final int WIRELESS = 0xe0;
  static final int VENDOR_SPECIFIC = 0xff;

  private UsbClass() {}
}

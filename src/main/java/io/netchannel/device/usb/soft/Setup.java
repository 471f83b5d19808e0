package io.netchannel.device.usb.soft;

import io.netchannel.device.usb.Urb;

/**
 * A control request (USB 2.0, 9.3).
 *
 * @param type bmRequestType
 * @param length most bytes of its data
 */
record Setup(int type, int request, int value, int index, int length) {

  static Setup of(Urb urb) {
    return new Setup(
        urb.setupByte(0),
        urb.setupByte(1),
        urb.setupShort(2),
        urb.setupShort(4),
        urb.setupShort(6));
  }

  /** Whether it is this request: its type and its number. */
  boolean is(int otherType, int otherRequest) {
    return type == otherType && request == otherRequest;
  }
}

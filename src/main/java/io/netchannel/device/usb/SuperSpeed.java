package io.netchannel.device.usb;

import java.nio.ByteBuffer;

/**
 * A device faster than a guest's port, which is one of USB 2, is shown to it at high speed. There
 * bMaxPacketSize0 is in bytes, not a power of two (USB 3.2, 9.6.1), and Linux takes no device with
 * another value than 64. Bulk streams are never asked for: usbif knows none.
 */
public final class SuperSpeed {
  private static final int MAX_PACKET_SIZE_0 = 7;
  private static final byte EXPONENT_OF_512 = 9;
  private static final byte HIGH_SPEED_BYTES = 64;

  // GET_DESCRIPTOR of the device descriptor (USB 2.0, 9.4.3).
  private static final int GET_DESCRIPTOR = 0x0680;
  private static final int DEVICE_DESCRIPTOR = 0x0100;

  private SuperSpeed() {}

  /** Makes these, which begin with a device descriptor, those of a device at high speed. */
  public static void atHighSpeed(byte[] descriptors) {
    atHighSpeed(ByteBuffer.wrap(descriptors));
  }

  /** The same for what a device has answered to {@code urb}, up to the end of {@code data}. */
  public static void atHighSpeed(Urb urb, ByteBuffer data) {
    if (urb.setupShort(0) == GET_DESCRIPTOR && urb.setupShort(2) == DEVICE_DESCRIPTOR) {
      atHighSpeed(data);
    }
  }

  private static void atHighSpeed(ByteBuffer descriptors) {
    int at = descriptors.position() + MAX_PACKET_SIZE_0;
    if (at < descriptors.limit() && descriptors.get(at) == EXPONENT_OF_512) {
      descriptors.put(at, HIGH_SPEED_BYTES);
    }
  }
}

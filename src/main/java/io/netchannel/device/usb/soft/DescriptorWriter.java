package io.netchannel.device.usb.soft;

import io.netchannel.device.usb.UrbType;
import java.io.ByteArrayOutputStream;

/** Writes the descriptors of a device with one configuration (USB 2.0, 9.6). */
final class DescriptorWriter {
  private static final int VENDOR = 0x1209; // pid.codes
  private static final int SELF_POWERED = 0xc0;
  private static final int CONFIGURATION_BYTES = 9;

  private final ByteArrayOutputStream device = new ByteArrayOutputStream();
  private final ByteArrayOutputStream rest = new ByteArrayOutputStream();
  private int interfaces;

  /**
   * @param usbVersion in binary-coded decimals
   * @param usbClass 0 when each interface has one of its own
   * @param product of the vendor pid.codes
   */
  DescriptorWriter(int usbVersion, int usbClass, int product) {
    write(
        device,
        1, // DEVICE
        low(usbVersion),
        high(usbVersion),
        usbClass,
        0,
        0,
        64, // bMaxPacketSize0
        low(VENDOR),
        high(VENDOR),
        low(product),
        high(product),
        0,
        1, // bcdDevice 1.00
        Model.MANUFACTURER,
        Model.PRODUCT,
        Model.SERIAL,
        1); // configurations
  }

  /** One alternate setting. */
  DescriptorWriter setting(
      int number, int alternate, int endpoints, int usbClass, int subclass, int protocol) {
    interfaces = Math.max(interfaces, number + 1);
    return other(4, number, alternate, endpoints, usbClass, subclass, protocol, 0);
  }

  /** An endpoint of the setting before. */
  DescriptorWriter endpoint(int address, UrbType type, int maxPacketBytes, int interval) {
    return other(5, address, attributes(type), low(maxPacketBytes), high(maxPacketBytes), interval);
  }

  /**
   * Any other one.
   *
   * @param type bDescriptorType
   */
  DescriptorWriter other(int type, int... content) {
    write(rest, type, content);
    return this;
  }

  /** All of them, the device's first. */
  byte[] bytes() {
    int total = CONFIGURATION_BYTES + rest.size();
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.writeBytes(device.toByteArray());
    write(all, 2, low(total), high(total), interfaces, 1, 0, SELF_POWERED, 0);
    all.writeBytes(rest.toByteArray());
    return all.toByteArray();
  }

  static int low(int value) {
    return value & 0xff;
  }

  static int high(int value) {
    return value >> 8 & 0xff;
  }

  private static int attributes(UrbType type) {
    return switch (type) {
      case CONTROL -> 0;
      case ISOCHRONOUS -> 1;
      case BULK -> 2;
      case INTERRUPT -> 3;
    };
  }

  private static void write(ByteArrayOutputStream to, int type, int... content) {
    to.write(content.length + 2);
    to.write(type);
    for (int each : content) {
      to.write(each);
    }
  }
}

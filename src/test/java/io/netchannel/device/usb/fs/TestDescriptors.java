package io.netchannel.device.usb.fs;

import java.io.ByteArrayOutputStream;

/** Makes descriptors as devices send them (USB 2.0, 9.6). */
public final class TestDescriptors {
  static final int INTERRUPT_IN = 0x81;
  static final int BULK_OUT = 0x02;
  static final int BULK_IN = 0x82;
  static final int PARKED_IN = 0x83;
  static final int ISO_IN = 0x84;

  private static final int ISO = 1;
  private static final int BULK = 2;
  private static final int INTERRUPT = 3;

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

  private TestDescriptors() {}

  /** One configuration: interface 0 with bulk and interrupt, interface 1 with two settings. */
  public static byte[] usual() {
    return device(0x1209, 0x0003, 0, 64, 1).configuration(1).bytes.toByteArray();
  }

  /** The same of a device at SuperSpeed. */
  public static byte[] superSpeed() {
    return device(0x1209, 0x0003, 0, 9, 1).configuration(1).bytes.toByteArray();
  }

  public static byte[] of(int vendor, int product) {
    return device(vendor, product, 0, 64, 1).configuration(1).bytes.toByteArray();
  }

  /** Configurations 1 and 2. */
  public static byte[] ofTwoConfigurations() {
    return device(0x1209, 0x0003, 0, 64, 2).configuration(1).configuration(2).bytes.toByteArray();
  }

  public static byte[] hub() {
    return device(0x1d6b, 0x0002, 9, 64, 1).configuration(1).bytes.toByteArray();
  }

  private static TestDescriptors device(
      int vendor, int product, int deviceClass, int maxPacket, int configurations) {
    return new TestDescriptors()
        .add(18, 1, 0, 2, deviceClass, 0, 0, maxPacket)
        .add(vendor & 0xff, vendor >> 8, product & 0xff, product >> 8)
        .add(0, 1, 1, 2, 3, configurations);
  }

  private TestDescriptors configuration(int value) {
    byte[] interfaces = new TestDescriptors().interfaces().bytes.toByteArray();
    int total = 9 + interfaces.length;
    add(9, 2, total & 0xff, total >> 8, 2, value, 0, 0x80, 50).bytes.writeBytes(interfaces);
    return this;
  }

  private TestDescriptors interfaces() {
    return interfaceSetting(0, 0, 4)
        .endpoint(INTERRUPT_IN, INTERRUPT, 8)
        .endpoint(BULK_OUT, BULK, 512)
        .endpoint(BULK_IN, BULK, 512)
        .endpoint(PARKED_IN, BULK, 512)
        .interfaceSetting(1, 0, 0)
        .interfaceSetting(1, 1, 1)
        .endpoint(ISO_IN, ISO, 192);
  }

  private TestDescriptors interfaceSetting(int number, int alternate, int endpoints) {
    return add(9, 4, number, alternate, endpoints, 0xff, 0, 0, 0);
  }

  private TestDescriptors endpoint(int address, int type, int packet) {
    return add(7, 5, address, type, packet & 0xff, packet >> 8, 4);
  }

  private TestDescriptors add(int... values) {
    for (int value : values) {
      bytes.write(value);
    }
    return this;
  }
}

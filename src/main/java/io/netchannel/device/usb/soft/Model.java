package io.netchannel.device.usb.soft;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/**
 * What a device says that it is.
 *
 * @param product its name
 * @param serial its serial number
 */
record Model(UsbSpeed speed, Descriptors descriptors, String product, String serial) {
  static final int MANUFACTURER = 1;
  static final int PRODUCT = 2;
  static final int SERIAL = 3;

  private static final int DEVICE_BYTES = 18;
  private static final byte[] LANGUAGES = {4, 3, 0x09, 0x04}; // English, of the United States

  /**
   * The answer to GET_DESCRIPTOR.
   *
   * @param type of the descriptor
   * @return empty when it has none such
   */
  Optional<byte[]> descriptor(int type, int index) {
    byte[] all = descriptors.bytes();
    return switch (type) {
      case 1 -> Optional.of(Arrays.copyOf(all, DEVICE_BYTES));
      case 2 ->
          index == 0
              ? Optional.of(Arrays.copyOfRange(all, DEVICE_BYTES, all.length))
              : Optional.empty();
      case 3 -> string(index);
      default -> Optional.empty();
    };
  }

  private Optional<byte[]> string(int index) {
    return switch (index) {
      case 0 -> Optional.of(LANGUAGES.clone());
      case MANUFACTURER -> Optional.of(string("Netchannel"));
      case PRODUCT -> Optional.of(string(product));
      case SERIAL -> Optional.of(string(serial));
      default -> Optional.empty();
    };
  }

  private static byte[] string(String text) {
    byte[] units = text.getBytes(StandardCharsets.UTF_16LE);
    byte[] descriptor = new byte[2 + units.length];
    descriptor[0] = (byte) descriptor.length;
    descriptor[1] = 3;
    System.arraycopy(units, 0, descriptor, 2, units.length);
    return descriptor;
  }
}

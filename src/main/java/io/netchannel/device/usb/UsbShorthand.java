package io.netchannel.device.usb;

import java.util.regex.Pattern;

/** What people may write in short for the source of a USB device of this host. */
public final class UsbShorthand {
  /** As sysfs names what is at a port: bus, then the ports on the way; options may follow. */
  private static final Pattern PORT = Pattern.compile("\\d+-\\d+(\\.\\d+)*(,.*)?");

  /** As {@code lsusb} names a device; its serial number may follow. */
  private static final Pattern ID = Pattern.compile("\\p{XDigit}{4}:\\p{XDigit}{4}(,.*)?");

  private UsbShorthand() {}

  /**
   * The source that a text stands for.
   *
   * @param text "3-1.2" or "3-1.2,driver=keep" for {@code usb:port=...}, "1209:0003" or
   *     "1209:0003,serial=NC42" for {@code usb:id=...}; anything else is a source already
   */
  public static String expand(String text) {
    if (PORT.matcher(text).matches()) {
      return "usb:port=" + text;
    }
    return ID.matcher(text).matches() ? "usb:id=" + text : text;
  }
}

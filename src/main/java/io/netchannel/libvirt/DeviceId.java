package io.netchannel.libvirt;

/**
 * Which of a domain's devices: an element of Netchannel's {@code <devices>} and the attribute that
 * tells it from the others of its kind.
 *
 * @param element "disk" or "usb"
 * @param attribute "target" or "port"
 * @param value of that attribute
 */
public record DeviceId(String element, String attribute, String value) {
  static final String DISK = "disk";
  static final String TARGET = "target";
  static final String USB = "usb";
  static final String PORT = "port";

  /** What is called so: "xvdb" is a disk, "usb1" a USB port. */
  static DeviceId of(String target) {
    return target.startsWith(USB)
        ? usb(Integer.parseInt(target.substring(USB.length())))
        : disk(target);
  }

  /** A disk, by the guest's name for it: "xvdb". */
  public static DeviceId disk(String target) {
    return new DeviceId(DISK, TARGET, target);
  }

  /** What is at a USB port of the guest. */
  public static DeviceId usb(int port) {
    return new DeviceId(USB, PORT, Integer.toString(port));
  }

  @Override
  public String toString() {
    return element.equals(USB) ? "USB port " + value : element + " " + value;
  }
}

package io.netchannel.device.usb;

/** Speeds that usbif knows (io/usbif.h, enum usb_device_speed); a faster device runs at HIGH. */
public enum UsbSpeed {
  LOW(1, "1.5M"),
  FULL(2, "12M"),
  HIGH(3, "480M");

  private final int number;
  private final String text;

  UsbSpeed(int number, String text) {
    this.number = number;
    this.text = text;
  }

  /** As a plug event has it; 0 there is nothing plugged. */
  public int number() {
    return number;
  }

  /** As {@code lsusb -t} writes it. */
  public String text() {
    return text;
  }
}

package io.netchannel.device.usb;

/** Kinds of transfers, in the order of usbif's pipe types (io/usbif.h, bits 30 and 31). */
public enum UrbType {
  ISOCHRONOUS,
  INTERRUPT,
  CONTROL,
  BULK
}

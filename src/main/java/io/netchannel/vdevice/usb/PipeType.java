package io.netchannel.vdevice.usb;

/** Kinds of transfers, with their numbers in a pipe (io/usbif.h, bits 30 and 31). */
public enum PipeType {
  ISOCHRONOUS(0),
  INTERRUPT(1),
  CONTROL(2),
  BULK(3);

  private final int number;

  PipeType(int number) {
    this.number = number;
  }

  public int number() {
    return number;
  }

  /** That of a pipe; each of the four numbers means one. */
  static PipeType of(int pipe) {
    return switch (pipe >>> UrbLayout.TYPE_SHIFT) {
      case 0 -> ISOCHRONOUS;
      case 1 -> INTERRUPT;
      case 2 -> CONTROL;
      default -> BULK;
    };
  }
}

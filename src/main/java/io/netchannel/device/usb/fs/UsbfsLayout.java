package io.netchannel.device.usb.fs;

/**
 * What usbfs takes and gives, on a 64-bit Linux (linux/usbdevice_fs.h).
 *
 * <pre>
 *   struct usbdevfs_urb, 56 bytes, then a packet's descriptor for each of an isochronous one:
 *
 *    0      1          4        8       16       24              28              32
 *    | type | endpoint | status | flags | buffer | buffer_length | actual_length |
 *    32            36                  40            44      48            56
 *    | start_frame | number_of_packets | error_count | signr | usercontext |
 *
 *   struct usbdevfs_iso_packet_desc, 12 bytes: length, actual_length, status
 * </pre>
 */
final class UsbfsLayout {
  static final int TYPE = 0;
  static final int ENDPOINT = 1;
  static final int STATUS = 4;
  static final int FLAGS = 8;
  static final int BUFFER = 16;
  static final int BUFFER_LENGTH = 24;
  static final int ACTUAL_LENGTH = 28;
  static final int START_FRAME = 32;
  static final int NUMBER_OF_PACKETS = 36;
  static final int ERROR_COUNT = 40;
  static final int SIGNAL = 44;
  static final int USER_CONTEXT = 48;
  static final int URB_BYTES = 56;

  static final int PACKET_LENGTH = 0;
  static final int PACKET_ACTUAL_LENGTH = 4;
  static final int PACKET_STATUS = 8;
  static final int PACKET_BYTES = 12;

  static final byte TYPE_ISO = 0;
  static final byte TYPE_INTERRUPT = 1;
  static final byte TYPE_CONTROL = 2;
  static final byte TYPE_BULK = 3;

  static final int FLAG_SHORT_NOT_OK = 1;
  static final int FLAG_ISO_ASAP = 2;

  /** A control transfer's buffer begins with its setup packet. */
  static final int SETUP_BYTES = 8;

  static final long SETINTERFACE = 0x80085504L;
  static final long SETCONFIGURATION = 0x80045505L;
  static final long SUBMITURB = 0x8038550AL;
  static final long DISCARDURB = 0x550BL;
  static final long REAPURBNDELAY = 0x4008550DL;
  static final long RELEASEINTERFACE = 0x80045510L;

  /** An ioctl for one interface, in a struct usbdevfs_ioctl {ifno 4, ioctl_code 4, data 8}. */
  static final long IOCTL = 0xC0105512L;

  static final long RESET = 0x5514L;
  static final long CLEAR_HALT = 0x80045515L;

  /** Of {@link #IOCTL}: the kernel's drivers may have the interface. */
  static final int CONNECT = 0x5517;

  /** With a struct usbdevfs_disconnect_claim {interface 4, flags 4, driver 256}. */
  static final long DISCONNECT_CLAIM = 0x8108551BL;

  static final int DISCONNECT_CLAIM_BYTES = 264;
  static final int DISCONNECT_CLAIM_FLAGS = 4;
  static final int DISCONNECT_CLAIM_DRIVER = 8;

  /** Takes the interface from any driver but the one named. */
  static final int EXCEPT_DRIVER = 2;

  private UsbfsLayout() {}
}

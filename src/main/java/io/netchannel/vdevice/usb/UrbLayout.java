package io.netchannel.vdevice.usb;

/**
 * Where the fields of the slots are (io/usbif.h), all little endian. Both rings have one page; the
 * layout is the same for all guests.
 *
 * <pre>
 *   0   2         4     8      10      12                                        20
 *   id  segments  pipe  flags  length  setup: 8 bytes                            segments: 16 of 8
 *                                      interval, start frame, packets, segments     struct usbif_urb_request
 *                                      id to unlink                                 bytes: 148
 *
 *   0   2            4       8       12
 *   id  start frame  status  actual  errors                                      struct usbif_urb_response
 *
 *   0   2     3
 *   id  port  speed                                                              struct usbif_conn_response
 *
 *   0       4       8       12
 *   offset  length  actual  status                                               struct usb_iso_packet_descriptor
 * </pre>
 *
 * The last is the guest kernel's own (Linux, include/linux/usb.h): io/usbif.h has none.
 */
public final class UrbLayout {
  /** Those of a request, the larger one. */
  public static final int SLOT_BYTES = 148;

  public static final int RESPONSE_BYTES = 16;

  /** A slot of the ring of plug events; the request is an id alone. */
  public static final int PLUG_SLOT_BYTES = 4;

  /** Of data and of packet descriptors together (USBIF_MAX_SEGMENTS_PER_REQUEST). */
  public static final int MAX_SEGMENTS = 16;

  /** Grant reference (32), offset in its page (16), length (16). */
  public static final int SEGMENT_BYTES = 8;

  public static final int ID = 0;

  // ---- a request
  public static final int SEGMENT_COUNT = 2;
  public static final int PIPE = 4;
  public static final int FLAGS = 8;

  /** Of the data; 65536 bytes do not fit and say 0: the sum of the segments counts. */
  public static final int LENGTH = 10;

  /** 8 bytes that mean something else for each type of pipe. */
  public static final int SETUP = 12;

  public static final int SEGMENTS = 20;

  /** Shifts within the 8 bytes of {@link #SETUP}: of interrupt and isochronous transfers. */
  public static final int INTERVAL_SHIFT = 0;

  public static final int PACKET_COUNT_SHIFT = 32;
  public static final int TABLE_SEGMENT_COUNT_SHIFT = 48;

  /** ... and of a request to unlink. */
  public static final int UNLINK_ID_SHIFT = 0;

  /** In {@link #FLAGS}: less than asked for is an error. */
  public static final int SHORT_NOT_OK = 1;

  // ---- a pipe
  public static final int PORT_MASK = 0x1f;
  public static final int UNLINK = 0x20;
  public static final int IN = 0x80;
  public static final int ADDRESS_SHIFT = 8;
  public static final int ADDRESS_MASK = 0x7f;
  public static final int ENDPOINT_SHIFT = 15;
  public static final int ENDPOINT_MASK = 0xf;
  public static final int TYPE_SHIFT = 30;

  // ---- a response
  public static final int RESPONSE_START_FRAME = 2;
  public static final int RESPONSE_STATUS = 4;
  public static final int RESPONSE_ACTUAL = 8;
  public static final int RESPONSE_ERRORS = 12;

  // ---- a plug event
  public static final int PLUG_PORT = 2;
  public static final int PLUG_SPEED = 3;

  // ---- a packet descriptor
  public static final int PACKET_BYTES = 16;
  public static final int PACKET_OFFSET = 0;
  public static final int PACKET_LENGTH = 4;
  public static final int PACKET_ACTUAL = 8;
  public static final int PACKET_STATUS = 12;

  private UrbLayout() {}
}

package io.netchannel.wire;

import com.google.common.collect.ImmutableSet;

/** Numbers of URBs that both sides agree on; {@code device.usb} has the same, as types. */
public final class UrbFormat {
  /** As usbif's pipe types (io/usbif.h, bits 30 and 31). */
  public static final int ISOCHRONOUS = 0;

  public static final int INTERRUPT = 1;
  public static final int CONTROL = 2;
  public static final int BULK = 3;

  /** Bit of an endpoint's address and of a setup's first byte: towards the host. */
  public static final int IN = 0x80;

  /** Of data: 16 segments of a page (io/usbif.h). */
  public static final int MAX_BYTES = 16 * 4096;

  /** Of an isochronous URB (Linux, devio.c). */
  public static final int MAX_PACKETS = 128;

  /** A packet's length. */
  public static final int PACKET_BYTES = 2;

  /** What became of a packet: bytes that it moved, and its status. */
  public static final int PACKET_OUTCOME_BYTES = 3;

  /** Of URB and URB_REPLY. */
  public static final int MAX_PAYLOAD_BYTES = MAX_BYTES + MAX_PACKETS * PACKET_OUTCOME_BYTES;

  /**
   * Linux' numbers of errors: none, EXDEV of packets only, ENODEV, EINVAL, EPIPE, EPROTO,
   * EOVERFLOW, ECONNRESET, EREMOTEIO.
   */
  private static final ImmutableSet<Integer> STATUS =
      ImmutableSet.of(0, 18, 19, 22, 32, 71, 75, 104, 121);

  private UrbFormat() {}

  /** What a URB has of the window. */
  public static int windowBytes(int dataBytes, int packets) {
    return dataBytes + packets * PACKET_OUTCOME_BYTES;
  }

  static void checkStatus(int status) throws WireException {
    if (!STATUS.contains(status)) {
      throw new WireException(
          "expected one of %s as a URB's status, found %d".formatted(STATUS, status));
    }
  }
}

package io.netchannel.device.usb.redir;

/**
 * What both sides can (usbredirproto.h, usb_redir_cap_*); the layout of packets depends on it.
 *
 * @param bits as in the hello packet
 */
record Capabilities(int bits) {
  private static final int CONNECT_DEVICE_VERSION = 1 << 1;
  private static final int DEVICE_DISCONNECT_ACK = 1 << 3;
  private static final int EP_INFO_MAX_PACKET_SIZE = 1 << 4;
  private static final int WIDE_IDS = 1 << 5;
  private static final int WIDE_BULK_LENGTH = 1 << 6;

  /** Before the peer's hello nothing may be used. */
  static final Capabilities NONE = new Capabilities(0);

  /** What is known here: neither streams, nor filters, nor buffered bulk. */
  static final Capabilities OURS =
      new Capabilities(
          CONNECT_DEVICE_VERSION
              | DEVICE_DISCONNECT_ACK
              | EP_INFO_MAX_PACKET_SIZE
              | WIDE_IDS
              | WIDE_BULK_LENGTH);

  Capabilities and(int others) {
    return new Capabilities(bits & others);
  }

  /** Ids of 64 bits instead of 32. */
  boolean wideIds() {
    return has(WIDE_IDS);
  }

  int connectBytes() {
    return has(CONNECT_DEVICE_VERSION) ? 10 : 8;
  }

  int endpointInfoBytes() {
    return has(EP_INFO_MAX_PACKET_SIZE) ? 160 : 96;
  }

  int bulkHeaderBytes() {
    return has(WIDE_BULK_LENGTH) ? 10 : 8;
  }

  int maxBulkBytes() {
    return has(WIDE_BULK_LENGTH) ? Integer.MAX_VALUE : 0xffff;
  }

  boolean acknowledgesDisconnect() {
    return has(DEVICE_DISCONNECT_ACK);
  }

  private boolean has(int capability) {
    return (bits & capability) != 0;
  }
}

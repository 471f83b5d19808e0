package io.netchannel.device.nbd;

import java.nio.ByteBuffer;

/**
 * The header of a server's reply to an option.
 *
 * @param type NBD_REP_*
 * @param lengthBytes of the payload that follows
 */
record OptionReply(int type, int lengthBytes) {
  /** A server's text and numbers for one export are far below this. */
  static final int MAX_PAYLOAD_BYTES = 64 * 1024;

  /**
   * Reads {@link NbdProtocol#OPTION_REPLY_BYTES} bytes.
   *
   * @param option the one that was asked for
   */
  static OptionReply parse(ByteBuffer header, int option) throws NbdProtocolException {
    long magic = header.getLong();
    int answered = header.getInt();
    int type = header.getInt();
    int length = header.getInt();
    if (magic != NbdProtocol.OPTION_REPLY_MAGIC) {
      throw new NbdProtocolException(
          "expected the magic %x of an option's reply, found %x"
              .formatted(NbdProtocol.OPTION_REPLY_MAGIC, magic));
    }
    if (answered != option) {
      throw new NbdProtocolException(
          "expected a reply to option %d, found one to %d".formatted(option, answered));
    }
    if (length < 0 || length > MAX_PAYLOAD_BYTES) {
      throw new NbdProtocolException(
          "expected an option's reply of at most %d bytes, found one of %s"
              .formatted(MAX_PAYLOAD_BYTES, Integer.toUnsignedString(length)));
    }
    return new OptionReply(type, length);
  }

  boolean isError() {
    return (type & NbdProtocol.REP_ERROR_BIT) != 0;
  }
}

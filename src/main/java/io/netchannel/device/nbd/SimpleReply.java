package io.netchannel.device.nbd;

import java.nio.ByteBuffer;

/** The header of a server's reply to a request; read without making an object. */
final class SimpleReply {
  private SimpleReply() {}

  /** Reads magic and error number; {@link #handle} follows. */
  static int error(ByteBuffer header) throws NbdProtocolException {
    int magic = header.getInt();
    if (magic != NbdProtocol.SIMPLE_REPLY_MAGIC) {
      throw new NbdProtocolException(
          "expected the magic %x of a simple reply, found %x"
              .formatted(NbdProtocol.SIMPLE_REPLY_MAGIC, magic));
    }
    return header.getInt();
  }

  static long handle(ByteBuffer header) {
    return header.getLong();
  }
}

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

  /** Never throws but {@link NbdProtocolException}, whatever the bytes. */
  static void fuzz(byte[] data) {
    ByteBuffer replies = ByteBuffer.wrap(data);
    NbdRequests requests = new NbdRequests();
    while (replies.remaining() >= NbdProtocol.SIMPLE_REPLY_BYTES) {
      try {
        var outcome = NbdProtocol.outcomeOf(error(replies));
        var request = requests.find(handle(replies));
        if (request != null || outcome == null) {
          throw new AssertionError("found a request that was never made");
        }
      } catch (NbdProtocolException e) {
        return; // what a server that breaks the protocol gets
      }
    }
  }
}

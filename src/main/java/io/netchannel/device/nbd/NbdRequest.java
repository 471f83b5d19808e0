package io.netchannel.device.nbd;

import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;

/**
 * A request to an NBD server, from its submission to its outcome. Used again and again, so that a
 * busy disk makes no garbage. What is longer than the server takes goes in parts, one after the
 * other.
 */
final class NbdRequest {
  /** Below the least bound of any server that takes lengths of 32 bits at all: 2 GiB. */
  private static final int MAX_TRIM_BYTES = 1 << 30;

  /** What QEMU asks for at a time, so every server knows it; a short work also by writing. */
  private static final int MAX_ZEROES_BYTES = NbdProtocol.DEFAULT_MAX_PAYLOAD_BYTES;

  /** NBD_CMD_*. */
  int command;

  /** NBD_CMD_FLAG_*, but FUA. */
  int flags;

  long handle;
  Completion completion;

  /** What is read to or written from; null when nothing is. */
  ByteBuffer data;

  /** The whole request: position and limit of {@link #data}, which the end restores. */
  int dataPosition;

  int dataLimit;
  long offsetBytes;
  long lengthBytes;

  /** The part that is being done: how far before its start, and how long. */
  long doneBytes;

  int partBytes;

  /** The part's header as it goes over the wire; direct. */
  final ByteBuffer header;

  /** Of a flush: {@link NbdRequests#writes} when it was sent, all of which it makes durable. */
  long covers;

  /** Whether the part is written to the connection as a whole. */
  boolean sent;

  /** The reply to the part when it came before {@link #sent} was noted. */
  Outcome early;

  /** Neighbours among what is outstanding, in the order of submission; or the next idle one. */
  NbdRequest previous;

  NbdRequest next;

  /** The next that waits to be sent. */
  NbdRequest nextToSend;

  NbdRequest(ByteBuffer header) {
    this.header = header;
  }

  /**
   * Makes the part that follows {@link #doneBytes} ready to be sent.
   *
   * @param writeThrough whether what is written is to be durable when it is answered
   */
  void prepare(int maximumPayloadBytes, boolean writeThrough) {
    long left = lengthBytes - doneBytes;
    // The wire has 32 bits for the length of any request, and less for what carries data.
    int most =
        switch (command) {
          case NbdProtocol.CMD_TRIM -> MAX_TRIM_BYTES;
          case NbdProtocol.CMD_WRITE_ZEROES -> MAX_ZEROES_BYTES;
          default -> maximumPayloadBytes;
        };
    partBytes = (int) Math.min(left, most);
    header.clear();
    header.putInt(NbdProtocol.REQUEST_MAGIC);
    int fua = writeThrough && isWrite() ? NbdProtocol.CMD_FLAG_FUA : 0;
    header.putShort((short) (flags | fua));
    header.putShort((short) command);
    header.putLong(handle);
    header.putLong(command == NbdProtocol.CMD_FLUSH ? 0 : offsetBytes + doneBytes);
    header.putInt(partBytes);
    header.flip();
    if (data != null) {
      int start = dataPosition + (int) doneBytes;
      data.limit(start + partBytes).position(start);
    }
    sent = false;
    early = null;
  }

  /** Whether it leaves something that a server's crash may take back. */
  boolean isWrite() {
    return command == NbdProtocol.CMD_WRITE || command == NbdProtocol.CMD_WRITE_ZEROES;
  }

  /** Leaves the buffer as its owner gave it. */
  void restoreData() {
    if (data != null) {
      data.limit(dataLimit).position(dataPosition);
    }
  }
}

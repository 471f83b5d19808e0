package io.netchannel.server.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;

/** What comes from a client during the handshake. */
final class ClientInput {
  /** More than the longest option that is looked at. */
  private static final int BUFFER_BYTES = 64 * 1024;

  private final ReadableByteChannel channel;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES).flip();

  ClientInput(ReadableByteChannel channel) {
    this.channel = channel;
  }

  /**
   * Waits for this many bytes, which the caller then takes.
   *
   * @throws EOFException when the client has closed the connection before
   */
  ByteBuffer require(int bytes) throws IOException {
    while (buffer.remaining() < bytes) {
      buffer.compact();
      try {
        receive(buffer);
      } finally {
        buffer.flip();
      }
    }
    return buffer;
  }

  void skip(int bytes) throws IOException {
    int left = bytes;
    while (left > 0) {
      int part = Math.min(left, BUFFER_BYTES);
      ByteBuffer skipped = require(part);
      skipped.position(skipped.position() + part);
      left -= part;
    }
  }

  private void receive(ByteBuffer target) throws IOException {
    if (channel.read(target) < 0) {
      throw new EOFException("the client closed the connection");
    }
  }
}

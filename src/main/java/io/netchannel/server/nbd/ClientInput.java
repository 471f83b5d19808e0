package io.netchannel.server.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;

/** What comes from a client, many requests with one read where it sends many. */
final class ClientInput {
  /** 32 writes of 4 KiB with their headers, and some more. */
  static final int BUFFER_BYTES = 256 * 1024;

  /** Data of at least so much is read straight to where it belongs; below, a copy is cheaper. */
  private static final int DIRECT_READ_BYTES = 16 * 1024;

  /** Done before each wait for the client. */
  @FunctionalInterface
  interface BeforeWaiting {
    void run() throws IOException;
  }

  private final ReadableByteChannel channel;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES).flip();
  private BeforeWaiting beforeWaiting = () -> {};

  ClientInput(ReadableByteChannel channel) {
    this.channel = channel;
  }

  void beforeWaiting(BeforeWaiting action) {
    beforeWaiting = action;
  }

  int buffered() {
    return buffer.remaining();
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

  /** Fills {@code target}, and leaves its limit and position as they were. */
  void readTo(ByteBuffer target) throws IOException {
    int start = target.position();
    while (target.hasRemaining()) {
      int count = Math.min(buffer.remaining(), target.remaining());
      target.put(target.position(), buffer, buffer.position(), count);
      target.position(target.position() + count);
      buffer.position(buffer.position() + count);
      if (target.remaining() >= DIRECT_READ_BYTES) {
        receive(target);
      } else if (target.hasRemaining()) {
        require(target.remaining());
      }
    }
    target.position(start);
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
    beforeWaiting.run();
    if (channel.read(target) < 0) {
      throw new EOFException("the client closed the connection");
    }
  }
}

package io.netchannel.server.nbd;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * A connection of an event loop for a thread that waits: a handshake is a conversation, and written
 * as one. Reads from the socket only when the thread wants more.
 */
final class HandshakePipe implements ByteChannel {
  private final Channel channel;

  /** Guarded by this. */
  private final Deque<ByteBuf> arrived = new ArrayDeque<>();

  private boolean ended;

  /**
   * @param channel does not read by itself
   */
  HandshakePipe(Channel channel) {
    this.channel = channel;
  }

  /** By the event loop. */
  synchronized void arrive(ByteBuf data) {
    arrived.add(data);
    notifyAll();
  }

  /** By the event loop: nothing more comes. */
  synchronized void end() {
    ended = true;
    notifyAll();
  }

  @Override
  public int read(ByteBuffer target) throws IOException {
    ByteBuf next = next();
    if (next == null) {
      return -1;
    }
    int count = Math.min(next.readableBytes(), target.remaining());
    int limit = target.limit();
    next.readBytes(target.limit(target.position() + count));
    target.limit(limit);
    if (!next.isReadable()) {
      drop();
    }
    return count;
  }

  /** Null at the end. */
  private synchronized ByteBuf next() throws IOException {
    while (arrived.isEmpty() && !ended) {
      channel.read();
      try {
        wait();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted during the handshake");
      }
    }
    return arrived.peek();
  }

  private synchronized void drop() {
    arrived.remove().release();
  }

  /** What was not read, for who goes on. */
  synchronized ByteBuf rest(ByteBuffer first) {
    ByteBuf rest = Unpooled.buffer(first.remaining());
    rest.writeBytes(first);
    for (ByteBuf each = arrived.poll(); each != null; each = arrived.poll()) {
      rest.writeBytes(each);
      each.release();
    }
    return rest;
  }

  @Override
  public int write(ByteBuffer data) {
    int count = data.remaining();
    var unused = channel.writeAndFlush(Unpooled.copiedBuffer(data));
    data.position(data.limit());
    return count;
  }

  @Override
  public boolean isOpen() {
    return channel.isOpen();
  }

  @Override
  public void close() {
    var unused = channel.close();
  }
}

package io.netchannel.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import java.nio.ByteBuffer;

/**
 * Puts frames that are sent together into few buffers: a system call, and with TLS a record, costs
 * more than a copy of a few KiB. Used on the channel's event loop only.
 */
public final class FrameWriter {
  /**
   * Of one buffer; 7 frames with a page each, and two TLS records. The longest that Netty keeps at
   * hand for a thread (io.netty.allocator.maxCachedBufferCapacity): each flush needs one.
   */
  private static final int BUFFER_BYTES = 32 << 10;

  /** Longer payloads are sent from where they are. */
  public static final int COPY_BYTES = 16 << 10;

  private final Channel channel;
  private final FrameHeader header = new FrameHeader();
  private ByteBuf open;

  public FrameWriter(Channel channel) {
    this.channel = channel;
  }

  /** To be filled by the caller and given to the next call. */
  public FrameHeader header() {
    return header;
  }

  /** A frame without payload. */
  public void add() {
    header.encode(room(FrameHeader.BYTES));
  }

  /** A frame whose payload is short. The caller keeps {@code payload}. */
  public void addCopy(ByteBuf payload) {
    ByteBuf out = room(FrameHeader.BYTES + payload.readableBytes());
    header.encode(out);
    out.writeBytes(payload, payload.readerIndex(), payload.readableBytes());
  }

  /** A frame with a payload of any length; {@code payload} is released when it has been sent. */
  public void add(ByteBuf payload) {
    if (payload.readableBytes() <= COPY_BYTES) {
      addCopy(payload);
      payload.release();
    } else {
      add();
      push();
      var unused = channel.write(payload, channel.voidPromise());
    }
  }

  /**
   * A frame with a payload that the caller keeps as it is until the frame has been answered; long
   * ones are sent from where they are. Its position and limit are left as they are.
   */
  public void add(ByteBuffer payload) {
    int bytes = payload.remaining();
    if (bytes <= COPY_BYTES) {
      ByteBuf out = room(FrameHeader.BYTES + bytes);
      header.encode(out);
      int position = payload.position();
      out.writeBytes(payload);
      payload.position(position);
    } else {
      add();
      push();
      var unused = channel.write(Unpooled.wrappedBuffer(payload), channel.voidPromise());
    }
  }

  /**
   * A frame whose payload begins with something short, with the rest as in {@link
   * #add(ByteBuffer)}. The caller keeps {@code first} as well.
   */
  public void add(ByteBuf first, ByteBuffer rest) {
    int bytes = rest.remaining();
    int together = first.readableBytes() + (bytes <= COPY_BYTES ? bytes : 0);
    ByteBuf out = room(FrameHeader.BYTES + together);
    header.encode(out);
    out.writeBytes(first, first.readerIndex(), first.readableBytes());
    if (bytes <= COPY_BYTES) {
      int position = rest.position();
      out.writeBytes(rest);
      rest.position(position);
    } else {
      push();
      var unused = channel.write(Unpooled.wrappedBuffer(rest), channel.voidPromise());
    }
  }

  public void preamble(Preamble preamble) {
    preamble.encode(room(Preamble.BYTES));
  }

  /** Sends all that was added. */
  public void flush() {
    push();
    channel.flush();
  }

  /** Forgets what was added since the last flush: the channel is closed. */
  public void drop() {
    if (open != null) {
      open.release();
      open = null;
    }
  }

  private ByteBuf room(int bytes) {
    if (open != null && open.writableBytes() < bytes) {
      push();
    }
    if (open == null) {
      open = channel.alloc().directBuffer(Math.max(BUFFER_BYTES, bytes));
    }
    return open;
  }

  private void push() {
    if (open != null) {
      ByteBuf full = open;
      open = null;
      var unused = channel.write(full, channel.voidPromise());
    }
  }
}

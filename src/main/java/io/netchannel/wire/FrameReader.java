package io.netchannel.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;

/**
 * Takes a connection's bytes apart as they arrive, in pieces of any size. A payload goes straight
 * to where the receiver wants it: that is its only copy. Not thread-safe; after an exception it
 * must not be used again.
 */
public final class FrameReader {
  /** Who gets the frames. */
  public interface Receiver {

    /** The other side's preamble: always the first call. */
    void preamble(Preamble theirs) throws WireException;

    /**
     * Whether there is room for this frame, whose header has passed its checks: the first that is
     * asked of it. Otherwise nothing more is read until {@link FrameReader#resume} asks again.
     */
    default boolean ready(FrameHeader header) throws WireException {
      return true;
    }

    /**
     * Where a payload goes: for a header that has passed its checks and has a payload. The bytes of
     * a frame whose rest never comes may have been written to it.
     *
     * @return a buffer with as many bytes remaining as {@code header} announces; its position and
     *     limit are used up
     */
    ByteBuffer target(FrameHeader header) throws WireException;

    /** The whole frame is there; {@code header} is valid during the call. */
    void frame(FrameHeader header) throws WireException;
  }

  private final Receiver receiver;
  private final FrameHeader header = new FrameHeader();
  private final ByteBuf fixed = Unpooled.buffer(FrameHeader.BYTES, FrameHeader.BYTES);
  private int maxPayloadBytes;
  private int version;
  private int fixedBytes = Preamble.BYTES;
  private boolean preambleRead;
  private boolean held;
  private ByteBuffer target;

  /** Whether the payload before was one that is received where it belongs. */
  private boolean longPayloads;

  /** Over the rest of the target, and on its way to be read. */
  private ByteBuf place;

  public FrameReader(Receiver receiver) {
    this.receiver = receiver;
  }

  /** What a frame may be from now on; called from within {@link Receiver#preamble}. */
  public void limit(Preamble agreed) {
    maxPayloadBytes = agreed.maxPayloadBytes();
    version = agreed.newest();
  }

  /**
   * Where the socket's next bytes may go without a copy, to be given to {@link #read} next: an
   * empty buffer over what is missing of a long payload; or, where another such may come, one for
   * its header alone. Null when there is no such.
   */
  public ByteBuf place() {
    place = null;
    if (target == null) {
      boolean isHeaderNext = longPayloads && !fixed.isReadable() && !held;
      return isHeaderNext
          ? PooledByteBufAllocator.DEFAULT.directBuffer(FrameHeader.BYTES, FrameHeader.BYTES)
          : null;
    }
    if (isLong(target)) {
      place = Unpooled.wrappedBuffer(target.slice()).writerIndex(0);
    }
    return place;
  }

  private static boolean isLong(ByteBuffer target) {
    return target.isDirect() && target.remaining() >= DirectReceive.LEAST_BYTES;
  }

  /** Whether a frame waits for room: {@link #read} has left the rest unread. */
  public boolean isHeld() {
    return held;
  }

  /** There may be room for the frame that is held. */
  public void resume() throws WireException {
    if (held) {
      begin();
    }
  }

  /** Reads all of {@code in}, or up to a frame that is held. Not while one is. */
  @SuppressWarnings("ReferenceEquality") // the very buffer, not one with the same bytes
  public void read(ByteBuf in) throws WireException {
    if (in == place) {
      place = null;
      takePlaced(in.readableBytes());
      return;
    }
    place = null;
    while (in.isReadable() && !held) {
      if (target != null) {
        readPayload(in);
      } else {
        readFixed(in);
      }
    }
  }

  /** They are in the target. */
  private void takePlaced(int bytes) throws WireException {
    target.position(target.position() + bytes);
    if (!target.hasRemaining()) {
      target = null;
      receiver.frame(header);
    }
  }

  private void readPayload(ByteBuf in) throws WireException {
    int rest = target.remaining();
    if (in.readableBytes() >= rest) {
      in.readBytes(target);
      target = null;
      receiver.frame(header);
    } else {
      int limit = target.limit();
      target.limit(target.position() + in.readableBytes());
      in.readBytes(target);
      target.limit(limit);
    }
  }

  /** A preamble or a header: straight from {@code in} when it is there as a whole. */
  private void readFixed(ByteBuf in) throws WireException {
    if (!fixed.isReadable() && in.readableBytes() >= fixedBytes) {
      take(in);
      return;
    }
    in.readBytes(fixed, Math.min(in.readableBytes(), fixedBytes - fixed.readableBytes()));
    if (fixed.readableBytes() == fixedBytes) {
      take(fixed);
      fixed.clear();
    }
  }

  private void take(ByteBuf in) throws WireException {
    if (!preambleRead) {
      preambleRead = true;
      fixedBytes = FrameHeader.BYTES;
      receiver.preamble(Preamble.decode(in));
      return;
    }
    header.decode(in, maxPayloadBytes, version);
    begin();
  }

  private void begin() throws WireException {
    held = !receiver.ready(header);
    if (held) {
      return;
    }
    if (header.payloadBytes() > 0) {
      target = receiver.target(header);
      longPayloads = isLong(target);
    } else {
      longPayloads = false;
      receiver.frame(header);
    }
  }
}

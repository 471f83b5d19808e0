package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameReader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.WireException;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Queue;

/** Speaks frames with the server, right or wrong ones, one after the other. */
final class RawClient implements AutoCloseable, FrameReader.Receiver {
  /** A frame as it came. */
  record Frame(FrameType type, int status, int slot, long sequence, ByteBuf payload) {
    Attached attached() throws WireException {
      return Attached.decode(payload.duplicate(), ExportKind.DISK);
    }

    Refusal refusal() throws WireException {
      return Refusal.of(status);
    }

    String text() {
      return payload.toString(StandardCharsets.UTF_8);
    }
  }

  private final SocketChannel socket;
  private final FrameReader reader = new FrameReader(this);
  private final Queue<Frame> frames = new ArrayDeque<>();
  private byte[] payload = new byte[0];
  private Preamble ours = Preamble.OURS;

  RawClient(Path path) throws IOException {
    socket = SocketChannel.open(UnixDomainSocketAddress.of(path));
  }

  /** Is from before there were ZERO and EXTENTS. */
  RawClient ofVersionOne() {
    ours = new Preamble(1, 1, ours.maxPayloadBytes());
    return this;
  }

  void send(ByteBuf bytes) throws IOException {
    ByteBuffer out = bytes.nioBuffer();
    while (out.hasRemaining()) {
      socket.write(out);
    }
  }

  RawClient preamble() throws IOException {
    ByteBuf out = Unpooled.buffer();
    ours.encode(out);
    send(out);
    return this;
  }

  RawClient ask(Attach attach) throws IOException {
    preamble();
    ByteBuf out = Unpooled.buffer();
    new FrameHeader().control(FrameType.ATTACH, attach.encodedBytes()).encode(out);
    attach.encode(out);
    send(out);
    return this;
  }

  /** Asks as {@link ServerHarness#CLIENT} for the export that may be written. */
  RawClient ask(long generation, Attach.Unanswered... unanswered) throws IOException {
    return ask(
        Attach.session(
            ServerHarness.EXPORT,
            ServerHarness.CLIENT,
            generation,
            false,
            ImmutableList.copyOf(unanswered)));
  }

  Attached attach(long generation, Attach.Unanswered... unanswered) throws Exception {
    ask(generation, unanswered);
    return expect(FrameType.ATTACHED).attached();
  }

  void request(FrameType type, int slot, long sequence, long offset, long length)
      throws IOException {
    ByteBuf out = Unpooled.buffer();
    new FrameHeader().request(type, slot, sequence, offset, length).encode(out);
    send(out);
  }

  void zero(int slot, long sequence, long offset, long length, boolean mayDeallocate)
      throws IOException {
    ByteBuf out = Unpooled.buffer();
    new FrameHeader().zero(slot, sequence, offset, length, mayDeallocate).encode(out);
    send(out);
  }

  /** A block that begins with {@code number}. */
  void write(int slot, long sequence, long offset, long number) throws IOException {
    write(slot, sequence, offset, number, 512);
  }

  void write(int slot, long sequence, long offset, long number, int bytes) throws IOException {
    ByteBuf out = Unpooled.buffer();
    new FrameHeader().request(FrameType.WRITE, slot, sequence, offset, bytes).encode(out);
    out.writeLong(number).writeZero(bytes - Long.BYTES);
    send(out);
  }

  /** A frame without a payload. */
  void send(FrameHeader header) throws IOException {
    ByteBuf out = Unpooled.buffer();
    header.encode(out);
    send(out);
  }

  void control(FrameType type) throws IOException {
    ByteBuf out = Unpooled.buffer();
    new FrameHeader().control(type, 0).encode(out);
    send(out);
  }

  Frame expect(FrameType type) throws Exception {
    Frame frame = next();
    if (frame == null || frame.type() != type) {
      throw new AssertionError(
          "expected " + type + ", found " + frame + (frame == null ? "" : ": " + frame.text()));
    }
    return frame;
  }

  Frame expectRefusal(Refusal reason) throws Exception {
    Frame frame = expect(FrameType.REFUSED);
    if (frame.refusal() != reason) {
      throw new AssertionError("expected " + reason + ", found " + frame.refusal() + frame.text());
    }
    if (next() != null) {
      throw new AssertionError("expected the end after REFUSED");
    }
    return frame;
  }

  /** The next frame; null when the server has closed. */
  Frame next() throws Exception {
    while (frames.isEmpty()) {
      ByteBuffer in = ByteBuffer.allocate(64 << 10);
      int read;
      try {
        read = socket.read(in);
      } catch (IOException e) {
        return null;
      }
      if (read < 0) {
        return null;
      }
      reader.read(Unpooled.wrappedBuffer(in.flip()));
    }
    return frames.remove();
  }

  @Override
  public void preamble(Preamble theirs) throws WireException {
    reader.limit(ours.with(theirs));
  }

  @Override
  public ByteBuffer target(FrameHeader header) {
    payload = new byte[header.payloadBytes()];
    return ByteBuffer.wrap(payload);
  }

  @Override
  public void frame(FrameHeader header) {
    frames.add(
        new Frame(
            header.type(),
            header.statusCode(),
            header.slot(),
            header.sequence(),
            header.payloadBytes() > 0 ? Unpooled.wrappedBuffer(payload) : Unpooled.EMPTY_BUFFER));
  }

  /** Says that nothing more comes, and waits until the server has closed. */
  void leave() throws Exception {
    socket.shutdownOutput();
    for (Frame frame = next(); frame != null; frame = next()) {
      // Nothing that it says now is of interest.
    }
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}

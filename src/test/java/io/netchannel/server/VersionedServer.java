package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import com.google.common.util.concurrent.Uninterruptibles;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.AttachedDisk;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameReader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Status;
import io.netchannel.wire.Wire;
import io.netchannel.wire.WireException;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A device server of a version that is told, one client at a time. It says yes to all requests of
 * version 1, and never answers the others.
 */
final class VersionedServer implements AutoCloseable {
  private static final UUID STORAGE = new UUID(3, 3);

  private final Path socket;
  private final ServerSocketChannel listener =
      ServerSocketChannel.open(StandardProtocolFamily.UNIX);
  private final Thread thread = new Thread(this::serve, "server of some version");
  private volatile int version;
  private volatile SocketChannel client;

  /** Whether it does not answer what it is told of a disk. */
  volatile boolean swallowsNotes;

  /** Requests as they came, and what broke the protocol. */
  final List<String> arrived = new CopyOnWriteArrayList<>();

  VersionedServer(Path socket, int version) throws IOException {
    this.socket = socket;
    this.version = version;
    listener.bind(UnixDomainSocketAddress.of(socket));
    thread.start();
  }

  String source() {
    return "netchannel+unix:///vol7?socket=" + socket;
  }

  /** Its client finds a server of this version in its place. */
  void becomes(int another) throws IOException {
    version = another;
    client.close();
  }

  private void serve() {
    while (true) {
      try (SocketChannel accepted = listener.accept()) {
        client = accepted;
        new Conversation(accepted, version).run();
      } catch (IOException e) {
        if (!listener.isOpen()) {
          return;
        }
      }
    }
  }

  private final class Conversation implements FrameReader.Receiver {
    private final SocketChannel channel;
    private final Preamble ours;
    private final FrameReader reader = new FrameReader(this);
    private byte[] payload = new byte[0];

    private Conversation(SocketChannel channel, int version) {
      this.channel = channel;
      ours = new Preamble(1, version, Wire.MAX_PAYLOAD_BYTES);
    }

    private void run() throws IOException {
      ByteBuffer in = ByteBuffer.allocate(64 << 10);
      while (channel.read(in.clear()) >= 0) {
        try {
          reader.read(Unpooled.wrappedBuffer(in.flip()));
        } catch (WireException e) {
          arrived.add(e.getMessage());
          return;
        } catch (UncheckedIOException e) {
          throw e.getCause();
        }
      }
    }

    @Override
    public void preamble(Preamble theirs) throws WireException {
      ByteBuf out = Unpooled.buffer();
      ours.encode(out);
      send(out);
      reader.limit(ours.with(theirs));
    }

    @Override
    public ByteBuffer target(FrameHeader header) {
      payload = new byte[header.payloadBytes()];
      return ByteBuffer.wrap(payload);
    }

    @Override
    public void frame(FrameHeader header) throws WireException {
      FrameHeader answer = new FrameHeader();
      ByteBuf out = Unpooled.buffer();
      switch (header.type()) {
        case ATTACH -> {
          Attach attach = Attach.decode(Unpooled.wrappedBuffer(payload));
          if (attach.anew()) {
            arrived.add("ANEW");
          }
          Attached attached = attached(attach);
          answer.control(FrameType.ATTACHED, attached.encodedBytes()).encode(out);
          attached.encode(out);
        }
        case READ -> {
          int length = (int) header.lengthBytes();
          answer.reply(Status.OK, header.slot(), header.sequence(), length).encode(out);
          out.writeZero(length);
        }
        case WRITE, FLUSH, DISCARD -> {
          arrived.add(header.type().toString());
          answer.reply(Status.OK, header.slot(), header.sequence(), 0).encode(out);
        }
        case ZERO, EXTENTS -> arrived.add(header.type().toString());
        case DETACH -> answer.control(FrameType.DETACHED, 0).encode(out);
        case PING -> answer.ping(FrameType.PONG, header.sequence()).encode(out);
        case MOVED, ARRIVED -> {
          arrived.add(header.type().toString());
          if (!swallowsNotes) {
            answer.noted(Status.OK, header.sequence(), 0).encode(out);
          }
        }
        case ATTACHED, REFUSED, REPLY, DETACHED, PONG, NOTED, RECORD, RECORDED ->
            throw new WireException("expected none of " + header);
        case URB, URB_REPLY, UNLINK, RESET, PORT ->
            throw new WireException("expected none of " + header);
      }
      send(out);
    }

    private Attached attached(Attach attach) {
      boolean zero = ours.hasZero();
      return new Attached(
          new AttachedDisk(
              STORAGE,
              STORAGE,
              new AttachedDisk.Geometry(1 << 20, 512, 4096, false, true, false, 0, zero)),
          new Attached.Window(16, 1 << 20),
          attach.generation(),
          attach.unanswered().stream()
              .map(request -> Attached.Fate.UNKNOWN)
              .collect(ImmutableList.toImmutableList()));
    }

    private void send(ByteBuf bytes) {
      ByteBuffer out = bytes.nioBuffer();
      try {
        while (out.hasRemaining()) {
          channel.write(out);
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  @Override
  public void close() throws IOException {
    listener.close();
    if (client != null) {
      client.close();
    }
    Uninterruptibles.joinUninterruptibly(thread);
  }
}

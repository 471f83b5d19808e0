package io.netchannel.device.remote;

import io.netchannel.time.Repeated;
import io.netchannel.wire.AddressRace;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.DirectReceive;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameReader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.LegRecord;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.Status;
import io.netchannel.wire.UsbPort;
import io.netchannel.wire.WireException;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * One connection to a device server, from connect to its end; on its event loop only.
 *
 * <pre>
 *   connected --preambles--> ATTACH sent --ATTACHED--> frames --+
 *       |                         |                             +--> over, once: lost or refused
 *       +-------------------------+-----------------------------+
 * </pre>
 */
final class RemoteConnection extends ChannelInboundHandlerAdapter implements FrameReader.Receiver {
  /** Who uses it. */
  interface Owner {
    /** Made when it is sent: what is unanswered then, as far as the server knows of such. */
    Attach attach(Preamble agreed) throws WireException;

    void attached(Attached attached, Preamble agreed) throws WireException;

    /** What it asks or tells in place of an ATTACH. */
    default Optional<LegRecord> record(Preamble agreed) throws WireException {
      return Optional.empty();
    }

    /** The answer to that. */
    default void recorded(LegRecord.Known known) throws WireException {
      throw new WireException("expected nothing recorded, found " + known);
    }

    /** Where the data of a reply goes. */
    ByteBuffer target(FrameHeader header) throws WireException;

    void reply(FrameHeader header) throws WireException;

    /** The answer to a MOVED or ARRIVED: OK, or the words that say why not. */
    void noted(long number, Status status, String words) throws WireException;

    /** What is at a USB device's port. */
    void port(UsbPort port) throws WireException;

    /** All that has arrived together has been told. */
    void readComplete();

    void detached() throws WireException;

    void refused(Refusal reason, String text);

    /** Nothing more comes from it. Not after {@link #refused}. */
    void lost(Throwable cause);
  }

  private final Owner owner;
  private final RemoteOptions options;
  private final FrameReader reader = new FrameReader(this);
  private AddressRace connecting;
  private Consumer<Boolean> whenOver = attached -> {};
  private Channel channel;
  private FrameWriter writer;
  private ByteBuf payload;

  /** What both sides can; null before the server's preamble. */
  private Preamble agreed;

  /** What the ATTACH was for. */
  private ExportKind asked = ExportKind.DISK;

  private boolean isAttached;
  private boolean over;
  private long heardNanos;
  private ScheduledFuture<?> pings;

  RemoteConnection(Owner owner, RemoteOptions options) {
    this.owner = owner;
    this.options = options;
  }

  FrameWriter writer() {
    return writer;
  }

  /** On its way to a channel. */
  void connecting(AddressRace race) {
    connecting = race;
    if (over) {
      race.abandon();
    }
  }

  /** Of a channel: told at its end whether it was attached. */
  void whenOver(Consumer<Boolean> action) {
    whenOver = action;
  }

  /** Ends it; its owner hears no more of it. */
  void abandon() {
    if (!over) {
      over = true;
      whenOver.accept(isAttached);
    }
    if (connecting != null) {
      connecting.abandon();
    }
    if (channel != null) {
      var unused = channel.close();
    }
  }

  /** It did not come to a connection. */
  void failed(Throwable cause) {
    end(cause);
  }

  private void end(Throwable cause) {
    if (!over) {
      abandon();
      owner.lost(cause);
    }
  }

  // ---- Netty

  @Override
  public void handlerAdded(ChannelHandlerContext context) {
    channel = context.channel();
    writer = new FrameWriter(channel);
    if (channel.pipeline().get(SslHandler.class) == null) {
      channel.config().setRecvByteBufAllocator(new DirectReceive(this::place));
    }
  }

  private ByteBuf place() {
    return over ? null : reader.place();
  }

  @Override
  public void channelActive(ChannelHandlerContext context) {
    if (over) {
      var unused = context.close();
      return;
    }
    heardNanos = System.nanoTime();
    long every = options.ping().toMillis();
    pings =
        channel
            .eventLoop()
            .scheduleAtFixedRate(
                Repeated.of("keeping a device server's connection alive", this::ping),
                every,
                every,
                TimeUnit.MILLISECONDS);
    if (context.pipeline().get(SslHandler.class) == null) {
      begin();
    }
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext context, Object event) {
    if (event instanceof SslHandshakeCompletionEvent handshake) {
      if (handshake.isSuccess()) {
        begin();
      } else {
        end(handshake.cause());
      }
    }
  }

  private void begin() {
    writer.preamble(Preamble.OURS);
    writer.flush();
  }

  private void ping() {
    if (over) {
      return;
    }
    if (System.nanoTime() - heardNanos > options.silence().toNanos()) {
      end(new IOException("nothing heard for " + options.silence().toMillis() + " ms"));
    } else if (agreed != null) {
      writer.header().ping(FrameType.PING, 0);
      writer.add();
      writer.flush();
    }
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    ByteBuf in = (ByteBuf) message;
    heardNanos = System.nanoTime();
    try {
      if (!over) {
        reader.read(in);
      }
    } catch (WireException e) {
      end(e);
    } finally {
      in.release();
    }
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext context) {
    if (!over && isAttached) {
      owner.readComplete();
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext context) {
    if (pings != null) {
      pings.cancel(false);
    }
    writer.drop();
    end(new IOException("the server closed the connection"));
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    end(cause);
  }

  // ---- frames

  @Override
  public void preamble(Preamble theirs) throws WireException {
    agreed = Preamble.OURS.with(theirs);
    reader.limit(agreed);
    Optional<LegRecord> record = owner.record(agreed);
    ByteBuf out;
    if (record.isPresent()) {
      out = record.get().encoded(Unpooled.buffer());
      writer.header().control(FrameType.RECORD, out.readableBytes());
    } else {
      Attach attach = owner.attach(agreed);
      asked = attach.kind();
      out = Unpooled.buffer(attach.encodedBytes());
      attach.encode(out);
      writer.header().control(FrameType.ATTACH, out.readableBytes());
    }
    writer.addCopy(out);
    writer.flush();
  }

  @Override
  public ByteBuffer target(FrameHeader header) throws WireException {
    if (over) {
      throw new WireException("expected nothing more, found %s".formatted(header));
    }
    if (header.type() == FrameType.REPLY || header.type() == FrameType.URB_REPLY) {
      expectAttached(header);
      return owner.target(header);
    }
    int bytes = header.payloadBytes();
    payload = Unpooled.buffer(bytes, bytes).writerIndex(bytes);
    return payload.internalNioBuffer(0, bytes);
  }

  @Override
  public void frame(FrameHeader header) throws WireException {
    if (over) {
      return;
    }
    switch (header.type()) {
      case ATTACHED -> {
        if (isAttached) {
          throw new WireException("ATTACHED: expected once, found again");
        }
        isAttached = true;
        Attached attached = Attached.decode(payload, asked);
        if (asked == ExportKind.DISK && attached.disk().geometry().canZero() && !agreed.hasZero()) {
          throw new WireException("ATTACHED: expected no CAN_ZERO in version 1, found it");
        }
        owner.attached(attached, agreed);
      }
      case REFUSED -> {
        over = true;
        String text = words(header);
        abandon();
        owner.refused(Refusal.of(header.statusCode()), text);
      }
      case REPLY, URB_REPLY -> {
        expectAttached(header);
        owner.reply(header);
      }
      case PORT -> {
        expectAttached(header);
        owner.port(UsbPort.decode(payload));
      }
      case NOTED -> {
        expectAttached(header);
        owner.noted(header.sequence(), header.replyStatus(), words(header));
      }
      case RECORDED -> owner.recorded(LegRecord.Known.decode(payload));
      case DETACHED -> owner.detached();
      case PONG -> {}
      case ATTACH,
          READ,
          WRITE,
          FLUSH,
          DISCARD,
          ZERO,
          EXTENTS,
          MOVED,
          ARRIVED,
          DETACH,
          PING,
          RECORD,
          URB,
          UNLINK,
          RESET ->
          throw new WireException("expected no %s from a server, found one".formatted(header));
    }
  }

  /** The payload, for people. */
  private String words(FrameHeader header) {
    return header.payloadBytes() == 0 ? "" : payload.toString(StandardCharsets.UTF_8);
  }

  private void expectAttached(FrameHeader header) throws WireException {
    if (!isAttached) {
      throw new WireException("expected ATTACHED before %s".formatted(header));
    }
    boolean isOfKind =
        switch (header.type()) {
          case REPLY, NOTED -> asked == ExportKind.DISK;
          default -> asked == ExportKind.USB;
        };
    if (!isOfKind) {
      throw new WireException("expected what %s says, found %s".formatted(asked.words(), header));
    }
  }
}

package io.netchannel.server;

import com.google.common.collect.ImmutableSet;
import io.netchannel.device.usb.DescriptorLoop;
import io.netchannel.tls.CertificateNames;
import io.netchannel.tls.TlsProblem;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.DirectReceive;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameReader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.LegRecord;
import io.netchannel.wire.Moved;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.Stages;
import io.netchannel.wire.Status;
import io.netchannel.wire.UrbFormat;
import io.netchannel.wire.WireException;
import io.netchannel.wire.ZeroRuns;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.IoEventLoop;
import io.netty.channel.local.LocalChannel;
import io.netty.handler.ssl.SslHandler;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One client's connection. Everything happens on its event loop; what others call is passed on to
 * it. See the package for its states.
 */
final class Connection extends ChannelInboundHandlerAdapter implements FrameReader.Receiver {
  private static final Logger log = LoggerFactory.getLogger(Connection.class);

  enum State {
    PREAMBLE,
    READY,
    ATTACHING,
    ATTACHED,
    PROBED,
    DETACHING,
    CLOSED
  }

  /**
   * Of an ATTACH with the longest names and no list of requests: who has no certificate gets a
   * plain answer to that, and no memory for more.
   */
  private static final int STRANGERS_ATTACH_BYTES = 256;

  /** Three of them before a client takes silence for a server that has gone. */
  private static final int SIGN_SECONDS = 2;

  /** Who gets a connection's ATTACH, */
  interface Exports {
    void attach(Connection connection, Attach attach);

    /** And who gets its RECORD. */
    void record(Connection connection, LegRecord asked) throws WireException;
  }

  private final Exports exports;
  private final ServerLimits limits;
  private final boolean local;
  private final FrameReader reader = new FrameReader(this);
  private final ReplyQueue replies;
  private final Slot[] answering;
  private final Runnable answer = this::answerFinished;

  private volatile Channel channel;
  private FrameWriter writer;
  private State state = State.PREAMBLE;

  /** What both sides can; set before ATTACH. */
  private volatile Preamble agreed = Preamble.OURS;

  /** Set with ATTACH. */
  private volatile boolean leg;

  private boolean heard;
  private boolean broken;

  // Since ATTACHED.
  private ServedExport export;
  private Session<?> session;

  /** Whether a MOVED or ARRIVED waits for its NOTED. */
  private boolean noting;

  private long lastSequence;
  private int outstandingBytes;

  /** Of a WRITE or ATTACH whose payload is arriving. */
  private ByteBuf payload;

  /** For the data of requests; null before ATTACHED. */
  private ClientMemory memory;

  /** Whether the request that waits for memory has passed its checks. */
  private boolean checked;

  /** What was read after a request that waits for memory; then nothing more is read. */
  private ByteBuf rest;

  private boolean signPlanned;

  /**
   * @param local whether it comes from this process, or over the Unix socket of this host, that
   *     only root can open
   */
  Connection(Exports exports, ServerLimits limits, boolean local) {
    this.exports = exports;
    this.limits = limits;
    this.local = local;
    int slots = Math.max(limits.slots(), UsbSession.ALL_SLOTS);
    this.replies = new ReplyQueue(slots);
    this.answering = new Slot[slots];
  }

  // ---- for the exports, on any thread

  /** Names that its certificate proves; empty without one. */
  ImmutableSet<String> names() {
    SslHandler tls = channel.pipeline().get(SslHandler.class);
    return tls == null ? ImmutableSet.of() : CertificateNames.ofPeer(tls.engine().getSession());
  }

  /** Whether something on its event loop may wait without holding up anybody else. */
  boolean hasOwnThread() {
    return !(channel instanceof LocalChannel);
  }

  boolean isLocal() {
    return local;
  }

  /** Whether its client knows what ZERO and EXTENTS are. */
  boolean hasZero() {
    return agreed.hasZero();
  }

  /** Whether its client is told which storage an export has. */
  boolean hasStorage() {
    return agreed.hasStorage();
  }

  /** Whether its client has attached to the export as one of two legs. */
  boolean isLeg() {
    return leg;
  }

  boolean isOpen() {
    return channel.isActive();
  }

  /** Where it lives: what completes there is answered with no other thread between. */
  DescriptorLoop loop() {
    return new ChannelLoop((IoEventLoop) channel.eventLoop());
  }

  /** Guarded by the session. */
  ReplyQueue replies() {
    return replies;
  }

  /** Says why and closes. */
  void refuse(Refusal reason, String text, long generation) {
    onLoop(
        () -> {
          if (state == State.CLOSED) {
            return;
          }
          log.info("{}: refused: {}", this, text);
          ByteBuf words = words(text);
          boolean spoken = state != State.PREAMBLE;
          state = State.CLOSED;
          leave();
          if (spoken) {
            writer.header().refused(reason, words.readableBytes(), generation);
            writer.addCopy(words);
            writer.flush();
          }
          var unused =
              channel.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
          // Who does not read what it is told does not keep us.
          closeAfter(limits.handshakeSeconds());
        });
  }

  /**
   * The client may begin. Called before any reply of its requests can be.
   *
   * @param runningBytes what of the window is in use already, by requests of connections before
   */
  void attached(ServedExport to, Session<?> newSession, int runningBytes, Attached attached) {
    onLoop(
        () -> {
          if (state != State.ATTACHING) {
            newSession.lost(this);
            return;
          }
          state = State.ATTACHED;
          export = to;
          session = newSession;
          outstandingBytes = runningBytes;
          memory = newSession.memoryFor(this);
          answer(attached);
        });
  }

  void probed(Attached attached) {
    onLoop(
        () -> {
          if (state == State.ATTACHING) {
            state = State.PROBED;
            answer(attached);
          }
        });
  }

  /** The answer to a RECORD; there may come another one. */
  void recorded(LegRecord.Known known) {
    onLoop(
        () -> {
          if (state == State.ATTACHING) {
            state = State.PROBED;
            ByteBuf out = known.encoded(Unpooled.buffer());
            writer.header().control(FrameType.RECORDED, out.readableBytes());
            writer.addCopy(out);
            writer.flush();
          }
        });
  }

  private void answer(Attached attached) {
    ByteBuf out = Unpooled.buffer(attached.encodedBytes());
    attached.encode(out);
    writer.header().control(FrameType.ATTACHED, out.readableBytes());
    writer.addCopy(out);
    writer.flush();
  }

  /** What a MOVED or ARRIVED says is durable. */
  void noted(long number) {
    answerNote(Status.OK, number, Unpooled.EMPTY_BUFFER);
  }

  /** It is not, and the client can go on. */
  void notNoted(long number, String why) {
    answerNote(Status.IO_ERROR, number, words(why));
  }

  private void answerNote(Status status, long number, ByteBuf words) {
    onLoop(
        () -> {
          if (state == State.ATTACHED) {
            noting = false;
            writer.header().noted(status, number, words.readableBytes());
            writer.addCopy(words);
            writer.flush();
          }
        });
  }

  /** For people, as long as they may be. */
  private static ByteBuf words(String text) {
    ByteBuf words = Unpooled.copiedBuffer(text, StandardCharsets.UTF_8);
    if (words.readableBytes() > FrameHeader.MAX_REFUSAL_BYTES) {
      words.writerIndex(FrameHeader.MAX_REFUSAL_BYTES);
    }
    return words;
  }

  void detached() {
    onLoop(
        () -> {
          if (state == State.DETACHING) {
            state = State.CLOSED;
            leave();
            writer.header().control(FrameType.DETACHED, 0);
            writer.add();
            writer.flush();
            var unused =
                channel
                    .writeAndFlush(Unpooled.EMPTY_BUFFER)
                    .addListener(ChannelFutureListener.CLOSE);
          }
        });
  }

  /** What is at the port may have changed; what was asked of it before is answered before. */
  void tellPortSoon() {
    onLoop(
        () -> {
          if (state == State.ATTACHED) {
            answerFinished();
            session.tellPort(this, writer);
            writer.flush();
          }
        });
  }

  /** There are finished requests. */
  void answerSoon() {
    onLoop(answer);
  }

  void close() {
    var unused = channel.close();
  }

  private void onLoop(Runnable task) {
    try {
      channel.eventLoop().execute(task);
    } catch (RejectedExecutionException e) {
      log.debug("{}: the server is closed", this);
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
    var unused =
        channel
            .eventLoop()
            .schedule(this::endSilentStart, limits.handshakeSeconds(), TimeUnit.SECONDS);
  }

  /** Null when what comes is not read any more, and its payload's memory is not ours. */
  private ByteBuf place() {
    return state == State.CLOSED || broken ? null : reader.place();
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext context) {
    if (rest != null) {
      rest.release();
      rest = null;
    }
    if (memory != null) {
      session.leaves(memory);
    }
  }

  private void endSilentStart() {
    switch (state) {
      case PREAMBLE, READY -> {
        log.info("{}: no ATTACH within {} s, closed", this, limits.handshakeSeconds());
        close();
      }
      case ATTACHING, ATTACHED, PROBED, DETACHING -> watchSilence();
      case CLOSED -> {}
    }
  }

  /** Clients ping: who says nothing has gone, whatever TCP thinks. */
  private void watchSilence() {
    if (!channel.isActive()) {
      return;
    }
    if (!heard && rest == null) {
      log.info("{}: silent for {} s, closed", this, limits.silenceSeconds());
      close();
      return;
    }
    heard = false;
    var unused =
        channel.eventLoop().schedule(this::watchSilence, limits.silenceSeconds(), TimeUnit.SECONDS);
  }

  private void closeAfter(int seconds) {
    var unused = channel.eventLoop().schedule(this::close, seconds, TimeUnit.SECONDS);
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    ByteBuf in = (ByteBuf) message;
    heard = true;
    if (rest != null) {
      rest = Unpooled.wrappedBuffer(rest, in); // it was on its way when reading stopped
    } else {
      read(in, false);
    }
  }

  /** There may be memory. */
  void resumeSoon() {
    onLoop(this::resume);
  }

  private void resume() {
    if (rest != null) {
      ByteBuf in = rest;
      rest = null;
      read(in, true);
    } else if (memory != null) {
      memory.trim(); // it has been served meanwhile; or it was refused to a connection before
    }
  }

  /**
   * All of it, or up to a request that waits for memory.
   *
   * @param resumed such a request is the first
   */
  private void read(ByteBuf in, boolean resumed) {
    try {
      if (state != State.CLOSED && !broken) {
        if (resumed) {
          reader.resume();
        }
        if (!reader.isHeld()) {
          reader.read(in);
        }
      }
    } catch (WireException e) {
      broken = true;
      refuse(Refusal.PROTOCOL, e.getMessage(), 0);
    } finally {
      if (reader.isHeld() && state != State.CLOSED && !broken) {
        rest = in;
        planSign();
      } else {
        in.release();
      }
      readOrNot();
    }
  }

  private void planSign() {
    if (!signPlanned) {
      signPlanned = true;
      var unused = channel.eventLoop().schedule(this::giveSign, SIGN_SECONDS, TimeUnit.SECONDS);
    }
  }

  /** The client's pings are behind the request that waits for memory: it is told we are here. */
  private void giveSign() {
    signPlanned = false;
    if (rest != null && state != State.CLOSED) {
      writer.header().ping(FrameType.PONG, 0);
      writer.add();
      writer.flush();
      planSign();
    }
  }

  /** A client that does not read its replies, or waits for memory, gets no more requests in. */
  private void readOrNot() {
    channel.config().setAutoRead(rest == null && channel.isWritable());
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext context) {
    readOrNot();
  }

  @Override
  public void channelInactive(ChannelHandlerContext context) {
    state = State.CLOSED;
    leave();
    writer.drop();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    log.info("{}: {}", this, TlsProblem.words(cause).orElseGet(cause::toString));
    var unused = context.close();
  }

  /** Nothing of this connection gets to the device any more. */
  private void leave() {
    if (payload != null) {
      payload.release();
      payload = null;
    }
    if (session != null) {
      session.lost(this);
    }
  }

  // ---- frames

  @Override
  public void preamble(Preamble theirs) throws WireException {
    writer.preamble(Preamble.OURS);
    writer.flush();
    agreed = Preamble.OURS.with(theirs);
    reader.limit(agreed);
    state = State.READY;
  }

  @Override
  public boolean ready(FrameHeader header) throws WireException {
    int bytes =
        switch (header.type()) {
          case WRITE -> header.payloadBytes();
          case READ -> (int) header.lengthBytes();
          case EXTENTS -> ZeroRuns.MAX_BYTES;
          case URB -> UrbFormat.windowBytes(header.urbBytes(), header.urbPackets());
          case ATTACH, ATTACHED, REFUSED, FLUSH, DISCARD, ZERO, RESET -> 0;
          case URB_REPLY, UNLINK, PORT -> 0;
          case REPLY, DETACH, DETACHED, PING, PONG, MOVED, ARRIVED, NOTED, RECORD, RECORDED -> 0;
        };
    if (bytes == 0) {
      return true;
    }
    if (!checked) {
      expect(header);
      checkRequest(header);
      checkWindow(bytes);
      if (header.type() == FrameType.URB) {
        session.reuse(this, header.slot()); // what it keeps there may be the memory that is missing
      }
      checked = true;
    }
    payload = memory.take(bytes);
    checked = payload == null;
    return payload != null;
  }

  @Override
  public ByteBuffer target(FrameHeader header) throws WireException {
    int bytes = header.payloadBytes();
    int at = 0;
    if (header.type() == FrameType.URB) {
      at = header.urbPackets(); // see UrbSlot
    } else if (header.type() != FrameType.WRITE) {
      expect(header);
      if (bytes > STRANGERS_ATTACH_BYTES && !local && names().isEmpty()) {
        throw new WireException("expected a client certificate, found none");
      }
      payload = Unpooled.buffer(bytes, bytes).writerIndex(bytes);
    }
    return payload.internalNioBuffer(at, bytes);
  }

  @Override
  public void frame(FrameHeader header) throws WireException {
    ByteBuf data = payload;
    payload = null;
    boolean owned = false;
    try {
      if (data == null) {
        expect(header);
      }
      if (header.type().isRequest()) {
        Stages.RECEIVED.pass(header.sequence());
      }
      switch (header.type()) {
        case ATTACH -> {
          state = State.ATTACHING;
          Attach attach = Attach.decode(data);
          if (attach.anew() && !agreed.hasMoved()) {
            throw new WireException("ATTACH: expected no ANEW in version 1, found it");
          }
          if (attach.kind() == ExportKind.USB && !agreed.hasUsb()) {
            throw new WireException("ATTACH: expected no USB before version 5, found it");
          }
          if (attach.leg() && !agreed.hasRecords()) {
            throw new WireException("ATTACH: expected no LEG before version 4, found it");
          }
          leg = attach.leg();
          exports.attach(this, attach);
        }
        case RECORD -> {
          state = State.ATTACHING;
          exports.record(this, LegRecord.decode(data));
        }
        case READ, WRITE, EXTENTS -> {
          owned = true;
          submit(header, data);
        }
        case URB -> {
          owned = true;
          if (data == null) {
            checkRequest(header);
          }
          submit(header, data);
        }
        case FLUSH, DISCARD, ZERO, RESET -> {
          checkRequest(header);
          submit(header, null);
        }
        case UNLINK -> session.unlink(this, header);
        case PING -> {
          writer.header().ping(FrameType.PONG, header.sequence());
          writer.add();
          writer.flush();
        }
        case DETACH -> {
          boolean had = state == State.ATTACHED;
          state = State.DETACHING;
          if (had) {
            export.detach(this, session);
          } else {
            detached();
          }
        }
        case MOVED -> note(header, Optional.of(Moved.decode(data)));
        case ARRIVED -> note(header, Optional.empty());
        case ATTACHED, REFUSED, REPLY, DETACHED, PONG, NOTED, RECORDED, URB_REPLY, PORT ->
            throw unexpected(header);
      }
    } finally {
      if (data != null && !owned) {
        data.release();
      }
    }
  }

  /** Whether a frame of this type may come now. */
  private void expect(FrameHeader header) throws WireException {
    boolean may =
        switch (header.type()) {
          case ATTACH -> state == State.READY;
          case RECORD -> state == State.READY || state == State.PROBED;
          case READ, WRITE, FLUSH, DISCARD, ZERO, EXTENTS -> state == State.ATTACHED;
          case URB, UNLINK, RESET -> state == State.ATTACHED;
          case MOVED, ARRIVED -> state == State.ATTACHED && !noting;
          case DETACH -> state == State.ATTACHED || state == State.PROBED;
          case PING ->
              switch (state) {
                case ATTACHING, ATTACHED, PROBED, DETACHING -> true;
                case PREAMBLE, READY, CLOSED -> false;
              };
          case ATTACHED, REFUSED, REPLY, DETACHED, PONG, NOTED, RECORDED -> false;
          case URB_REPLY, PORT -> false;
        };
    if (!may) {
      throw unexpected(header);
    }
  }

  private WireException unexpected(FrameHeader header) {
    return new WireException(
        "expected no %s in state %s%s, found one"
            .formatted(header.type(), state, noting ? " before NOTED" : ""));
  }

  private void checkRequest(FrameHeader header) throws WireException {
    if (header.sequence() <= lastSequence) {
      throw new WireException("%s: expected a sequence above %d".formatted(header, lastSequence));
    }
    lastSequence = header.sequence();
    session.check(header);
  }

  private void checkWindow(int bytes) throws WireException {
    int window = session.window().bytes();
    if (outstandingBytes + bytes > window) {
      throw new WireException(
          "expected at most %d bytes outstanding, found %d"
              .formatted(window, outstandingBytes + bytes));
    }
  }

  private void note(FrameHeader header, Optional<Moved> to) {
    noting = true;
    export.note(this, session, header.sequence(), to);
  }

  private void submit(FrameHeader header, ByteBuf data) throws WireException {
    if (data != null) {
      outstandingBytes += data.readableBytes();
    }
    session.submit(this, header, data);
  }

  private void answerFinished() {
    if (session == null) {
      return;
    }
    boolean answered = false;
    for (int n = session.finished(this, answering); n > 0; n = session.finished(this, answering)) {
      for (int i = 0; i < n; i++) {
        outstandingBytes -= session.takeReply(this, answering[i], writer);
        answered = true;
      }
    }
    if (answered) {
      Stages.REPLIED.pass(lastSequence);
      writer.flush();
    }
  }

  @Override
  public String toString() {
    if (channel instanceof LocalChannel) {
      return "this host itself";
    }
    if (local) {
      return "client on this host";
    }
    return String.valueOf(Optional.ofNullable(channel).map(Channel::remoteAddress).orElse(null));
  }
}

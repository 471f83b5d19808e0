package io.netchannel.server.nbd;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Device;
import io.netchannel.device.ErrorLog;
import io.netchannel.device.nbd.NbdProtocol;
import io.netchannel.device.nbd.NbdProtocolException;
import io.netchannel.wire.DirectReceive;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One client on an event loop. See the package. After the handshake everything belongs to the loop;
 * a device that completes elsewhere is passed on to it.
 */
final class ClientConnection extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(ClientConnection.class);

  /** Longer replies are sent from where they are; below, a system call costs more than a copy. */
  private static final int COPY_BYTES = 16 << 10;

  private static final int BATCH_BYTES = 128 << 10;

  private static final String PROTOCOL =
      "closed the connection of a client that breaks the protocol";

  private final ImmutableMap<String, NbdExport> exports;
  private final boolean mayWait;
  private final ThreadFactory threads;
  private final long handshakeBoundMillis;
  private final ErrorLog errors;
  private final BooleanSupplier mayStay;
  private final Runnable onEnd;
  private final RequestHeader header = new RequestHeader();
  private final ByteBuffer headerBytes = ByteBuffer.allocate(NbdProtocol.REQUEST_BYTES);
  private final SlotPool pool = new SlotPool(this::done, () -> this.over);
  private final Runnable flush = this::flush;
  private final Runnable resume = this::resume;

  private Channel channel;
  private HandshakePipe pipe;

  /** Null during the handshake. */
  private NbdExport export;

  /** The export's device, for a request that is alone, and for the others. */
  private Device whenAlone;

  private Device whenNot;

  private boolean ending;
  private volatile boolean over;

  /** What {@link #onEnd} waits for: the connection itself, and each request at the device. */
  private final AtomicInteger unfinished = new AtomicInteger(1);

  private boolean flushPlanned;
  private boolean resumePlanned;

  // The request that is arriving.
  private boolean headerRead;
  private Slot filling;
  private ByteBuffer fillingData;
  private int skipBytes;

  /** Over the rest of {@link #fillingData}, and on its way to be read. */
  private ByteBuf place;

  /** What was read and has no room; then nothing more is read. */
  private ByteBuf rest;

  /** Replies that wait for the flush. */
  private ByteBuf out;

  /**
   * @param mayWait whether its loop is its own, and may wait for a device
   * @param threads for the handshake, which waits for the client
   * @param mayStay asked when it has chosen an export, which it gets only if so
   * @param onEnd run when the device has done all of it
   */
  ClientConnection(
      ImmutableMap<String, NbdExport> exports,
      boolean mayWait,
      ThreadFactory threads,
      long handshakeBoundMillis,
      ErrorLog errors,
      BooleanSupplier mayStay,
      Runnable onEnd) {
    this.exports = exports;
    this.mayWait = mayWait;
    this.threads = threads;
    this.handshakeBoundMillis = handshakeBoundMillis;
    this.errors = errors;
    this.mayStay = mayStay;
    this.onEnd = onEnd;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext context) {
    channel = context.channel();
    channel.config().setAutoRead(false);
    channel.config().setRecvByteBufAllocator(new DirectReceive(this::place));
    pipe = new HandshakePipe(channel);
  }

  // ---- the handshake

  @Override
  public void channelActive(ChannelHandlerContext context) {
    var unused =
        channel
            .eventLoop()
            .schedule(this::endHandshake, handshakeBoundMillis, TimeUnit.MILLISECONDS);
    threads.newThread(this::negotiate).start();
  }

  private void endHandshake() {
    if (export == null && channel.isActive()) {
      log.info("{}: the handshake did not end in time, closed", channel);
      close();
    }
  }

  private void negotiate() {
    ClientInput input = new ClientInput(pipe);
    try {
      Optional<NbdExport> chosen = new Negotiation(pipe, input, exports).run();
      if (chosen.isPresent()) {
        ByteBuffer early = input.require(0);
        if (!onLoop(() -> transmit(chosen.get(), early))) {
          pipe.rest(early).release();
        }
        return;
      }
    } catch (NbdProtocolException e) {
      errors.report(PROTOCOL, e.getMessage());
    } catch (IOException e) {
      log.debug("a client has gone: {}", e.toString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      log.error("a handshake failed inside netchannel", e);
    }
    pipe.rest(ByteBuffer.allocate(0)).release();
    close();
  }

  private void close() {
    // Behind what was written: an answer to ABORT gets out.
    var unused =
        onLoop(
            () -> {
              var unusedToo = channel.close();
            });
  }

  /** False when the connection is over and its own loop has ended with it. */
  private boolean onLoop(Runnable task) {
    try {
      channel.eventLoop().execute(task);
      return true;
    } catch (RejectedExecutionException e) {
      return false;
    }
  }

  private void transmit(NbdExport chosen, ByteBuffer early) {
    ByteBuf unread = pipe.rest(early);
    if (over || !mayStay.getAsBoolean()) {
      unread.release();
      var unused = channel.close();
      return;
    }
    export = chosen;
    whenNot = chosen.device().onCallersThread(false);
    whenAlone = mayWait ? chosen.device().onCallersThread(true) : whenNot;
    take(unread);
  }

  // ---- requests

  /** Where the next bytes go: the rest of a long write. */
  private ByteBuf place() {
    boolean fits =
        !ending
            && rest == null
            && filling != null
            && fillingData.remaining() >= DirectReceive.LEAST_BYTES;
    place = fits ? Unpooled.wrappedBuffer(fillingData.slice()).writerIndex(0) : null;
    return place;
  }

  @Override
  @SuppressWarnings("ReferenceEquality") // the very buffer, not one with the same bytes
  public void channelRead(ChannelHandlerContext context, Object message) {
    ByteBuf in = (ByteBuf) message;
    if (export == null) {
      pipe.arrive(in);
    } else if (ending) {
      in.release();
    } else if (rest != null) {
      rest = Unpooled.wrappedBuffer(rest, in); // it was on its way when reading stopped
    } else if (in == place) {
      fillingData.position(fillingData.position() + in.readableBytes());
      in.release();
      submitWhenFilled(true);
    } else {
      take(in);
    }
  }

  /** All of it, or as much as there is room for. */
  private void take(ByteBuf in) {
    boolean all = false;
    try {
      all = parse(in);
    } catch (NbdProtocolException e) {
      errors.report(PROTOCOL, e.getMessage());
      ending = true;
      close();
    } finally {
      if (all || ending) {
        in.release();
        rest = null;
      } else {
        rest = in;
      }
    }
    channel.config().setAutoRead(rest == null && !ending);
  }

  /** False when it stopped for want of room. */
  private boolean parse(ByteBuf in) throws NbdProtocolException {
    while (!ending) {
      if (skipBytes > 0) {
        int count = Math.min(skipBytes, in.readableBytes());
        in.skipBytes(count);
        skipBytes -= count;
      } else if (filling != null) {
        fill(in);
      } else if (headerRead) {
        if (!channel.isWritable() || !begin(in)) {
          return false;
        }
      } else {
        readHeader(in);
      }
      if (!in.isReadable() && !headerRead) {
        return true;
      }
    }
    return true;
  }

  private void readHeader(ByteBuf in) throws NbdProtocolException {
    int count = Math.min(in.readableBytes(), headerBytes.remaining());
    in.readBytes(headerBytes.limit(headerBytes.position() + count));
    headerBytes.limit(headerBytes.capacity());
    if (headerBytes.hasRemaining()) {
      return;
    }
    header.parse(headerBytes.flip());
    headerBytes.clear();
    if (header.command == NbdProtocol.CMD_DISC) {
      ending = true;
      flush();
      var unused =
          channel.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
    } else {
      headerRead = true;
    }
  }

  /** The request whose header was read; false when it has to wait for room. */
  private boolean begin(ByteBuf in) {
    int error = header.check(export.geometry(), export.readOnly());
    Slot slot = pool.obtain(error == 0 ? header.dataBytes() : 0);
    if (slot == null) {
      return false;
    }
    headerRead = false;
    if (error != 0) {
      skipBytes = header.payloadBytes();
      unfinished.incrementAndGet();
      slot.refuse(header, error);
      return true;
    }
    ByteBuffer data = slot.take(header);
    if (header.payloadBytes() > 0) {
      filling = slot;
      fillingData = data;
    } else {
      submit(slot, !in.isReadable());
    }
    return true;
  }

  private void fill(ByteBuf in) {
    int count = Math.min(in.readableBytes(), fillingData.remaining());
    int limit = fillingData.limit();
    in.readBytes(fillingData.limit(fillingData.position() + count));
    fillingData.limit(limit);
    submitWhenFilled(!in.isReadable());
  }

  private void submitWhenFilled(boolean last) {
    if (!fillingData.hasRemaining()) {
      fillingData.position(0);
      Slot slot = filling;
      filling = null;
      fillingData = null;
      submit(slot, last);
    }
  }

  /**
   * While this thread waits for the storage nobody takes the next request: only if none is there,
   * and none is under way whose reply might bring one.
   *
   * @param last whether nothing more has come
   */
  private void submit(Slot slot, boolean last) {
    unfinished.incrementAndGet();
    slot.submit(last && pool.inUse() == 1 ? whenAlone : whenNot);
  }

  // ---- replies

  /** On any thread. */
  private void done(Slot slot) {
    if (channel.eventLoop().inEventLoop()) {
      answer(slot);
    } else if (!onLoop(() -> answer(slot))) {
      finished();
    }
  }

  private void answer(Slot slot) {
    finished();
    if (over) {
      return;
    }
    ByteBuffer reply = slot.encodeReply();
    if (reply.remaining() <= COPY_BYTES) {
      copy(reply);
      giveBack(slot);
    } else {
      push();
      var unused = channel.write(Unpooled.wrappedBuffer(reply)).addListener(sent -> giveBack(slot));
    }
    if (!flushPlanned) {
      flushPlanned = true;
      channel.eventLoop().execute(flush);
    }
  }

  private void copy(ByteBuffer reply) {
    if (out != null && out.writableBytes() < reply.remaining()) {
      push();
    }
    if (out == null) {
      out = channel.alloc().directBuffer(BATCH_BYTES, BATCH_BYTES);
    }
    out.writeBytes(reply);
  }

  private void push() {
    if (out != null) {
      var unused = channel.write(out, channel.voidPromise());
      out = null;
    }
  }

  private void flush() {
    flushPlanned = false;
    if (!over) {
      push();
      channel.flush();
    }
  }

  private void giveBack(Slot slot) {
    pool.giveBack(slot);
    planResume();
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext context) {
    if (channel.isWritable()) {
      planResume();
    }
  }

  private void planResume() {
    if (rest != null && !resumePlanned) {
      resumePlanned = true;
      channel.eventLoop().execute(resume);
    }
  }

  private void resume() {
    resumePlanned = false;
    if (rest != null && !ending) {
      ByteBuf in = rest;
      rest = null;
      take(in);
    }
  }

  // ---- the end

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    log.info("the connection of a client ended: {}", cause.toString());
    var unused = context.close();
  }

  @Override
  public void channelInactive(ChannelHandlerContext context) {
    ending = true;
    over = true;
    pipe.end();
    if (rest != null) {
      rest.release();
      rest = null;
    }
    if (out != null) {
      out.release();
      out = null;
    }
    if (export != null) {
      export.connectionEnds();
    }
    finished();
  }

  /** One of those that the end waits for; on any thread. */
  private void finished() {
    if (unfinished.decrementAndGet() > 0) {
      return;
    }
    if (export != null) {
      export.connectionHasEnded();
    }
    onEnd.run();
  }
}

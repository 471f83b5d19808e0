package io.netchannel.server;

import io.netchannel.tls.CertificateNames;
import io.netchannel.tls.Strangers;
import io.netchannel.tls.TlsProblem;
import io.netchannel.wire.Transport;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import java.util.ArrayDeque;
import java.util.Queue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A connection over the network until it is clear who it is; behind it comes the {@link
 * Connection}. See the package.
 *
 * <pre>
 *   SHAKING HANDS --trusted certificate--> MOVING --on its own thread--> replaced by Connection
 *         |                                  +--closed, or no place--> CLOSED
 *         +--no certificate--> replaced by Connection, at the door, still a stranger
 *         +--not trusted, not in time, displaced--> CLOSED
 * </pre>
 */
final class Door extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(Door.class);

  private final Strangers strangers;
  private final Places known;
  private final Transport transport;
  private final Connection connection;

  /** What the client has said while it moves: no more than came with the end of its handshake. */
  private final Queue<ByteBuf> kept = new ArrayDeque<>();

  private boolean moving;

  Door(Strangers strangers, Places known, Transport transport, Connection connection) {
    this.strangers = strangers;
    this.known = known;
    this.transport = transport;
    this.connection = connection;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext context) {
    context.channel().closeFuture().addListener(closed -> drop());
  }

  private void drop() {
    for (ByteBuf each = kept.poll(); each != null; each = kept.poll()) {
      each.release();
    }
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext context, Object event) {
    if (!(event instanceof SslHandshakeCompletionEvent handshake)) {
      return;
    }
    if (!handshake.isSuccess()) {
      log.info(
          "{}: TLS handshake failed: {}",
          context.channel().remoteAddress(),
          words(handshake.cause()));
      return;
    }
    SslHandler tls = context.pipeline().get(SslHandler.class);
    if (CertificateNames.ofPeer(tls.engine().getSession()).isEmpty()) {
      // It is told so when it asks for an export, in words that its people read.
      letIn(context);
      return;
    }
    strangers.known(context.channel());
    if (known.take(context.channel())) {
      moving = true;
      transport.giveThread(context.channel());
    }
  }

  /** On the thread of its own. */
  @Override
  public void channelRegistered(ChannelHandlerContext context) {
    if (moving) {
      context.channel().flush(); // what TLS had not got out yet is not forgotten
      letIn(context);
    }
  }

  private void letIn(ChannelHandlerContext context) {
    context.pipeline().addLast(connection);
    for (ByteBuf each = kept.poll(); each != null; each = kept.poll()) {
      context.fireChannelRead(each);
    }
    context.pipeline().remove(this);
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    ByteBuf data = (ByteBuf) message;
    if (context.channel().isOpen()) {
      kept.add(data);
    } else {
      data.release(); // TLS decodes to the end what had come; nobody empties this any more
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    log.info("{}: {}", context.channel().remoteAddress(), words(cause));
    var unused = context.close();
  }

  private static String words(Throwable cause) {
    return TlsProblem.words(cause).orElseGet(cause::toString);
  }
}

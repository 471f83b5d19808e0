package io.netchannel.coordinator.peer;

import io.grpc.Attributes;
import io.grpc.Grpc;
import io.grpc.ServerTransportFilter;
import io.netchannel.tls.CertificateNames;
import io.netchannel.tls.Strangers;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import java.net.SocketAddress;
import javax.net.ssl.SSLSession;

/**
 * Gives each connection a place as a stranger's when it is accepted, which gRPC does by itself, and
 * takes it back when gRPC says that the handshake has shown a trusted certificate.
 */
final class PeerDoor extends ServerTransportFilter {
  private final Strangers strangers;

  /**
   * @param places for so many strangers
   */
  PeerDoor(int places) {
    strangers = new Strangers(places);
  }

  /** That gRPC listens with. */
  ServerChannel listener() {
    ServerChannel listener = new EpollServerSocketChannel();
    listener
        .pipeline()
        .addFirst(
            new ChannelInboundHandlerAdapter() {
              @Override
              public void channelRead(ChannelHandlerContext context, Object accepted) {
                strangers.enter((Channel) accepted);
                context.fireChannelRead(accepted);
              }
            });
    return listener;
  }

  @Override
  public Attributes transportReady(Attributes connection) {
    SSLSession session = connection.get(Grpc.TRANSPORT_ATTR_SSL_SESSION);
    SocketAddress remote = connection.get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR);
    if (session != null && !CertificateNames.ofPeer(session).isEmpty()) {
      strangers.known(remote);
    }
    return connection;
  }
}

package io.netchannel.coordinator.peer;

import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.grpc.Server;
import io.grpc.ServerBuilder;
import io.grpc.ServerInterceptors;
import io.grpc.netty.NettyServerBuilder;
import io.netchannel.coordinator.PeerExports;
import io.netchannel.coordinator.PeerService;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.Strangers;
import io.netchannel.tls.TlsException;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Collection;
import java.util.concurrent.TimeUnit;

/** Answers the configured peers over mutual TLS. */
public final class PeerServer implements AutoCloseable {
  /** Clients ping every {@link Peers#KEEPALIVE_SECONDS}; twice as often is still welcome. */
  private static final int PERMITTED_PING_SECONDS = Peers.KEEPALIVE_SECONDS / 2;

  /** A call that is still running at the end of the daemon gets this long. */
  private static final int CLOSE_SECONDS = 2;

  /**
   * For TLS: a peer needs milliseconds, an emulated one under load a second. gRPC itself would wait
   * two minutes.
   */
  private static final int HANDSHAKE_SECONDS = 10;

  /** Connections only: calls have threads of their own. */
  private static final int THREADS = 2;

  private final PeerEndpoint endpoint;
  private final EventLoopGroup threads =
      new MultiThreadIoEventLoopGroup(
          THREADS,
          new ThreadFactoryBuilder().setNameFormat("peer-server-%d").setDaemon(true).build(),
          EpollIoHandler.newFactory());
  private final Server server;

  /**
   * Listens and answers from now on.
   *
   * @param address port 0 takes any free one, see {@link #port}
   * @throws IOException when the port cannot be had
   */
  public PeerServer(
      String host,
      InetSocketAddress address,
      HostTls tls,
      Collection<PeerAddress> peers,
      PeerService service,
      PeerExports exports)
      throws IOException, TlsException {
    this(host, address, tls, peers, service, exports, ProtocolVersion.CURRENT, Strangers.PLACES);
  }

  PeerServer(
      String host,
      InetSocketAddress address,
      HostTls tls,
      Collection<PeerAddress> peers,
      PeerService service,
      PeerExports exports,
      int protocolVersion,
      int strangers)
      throws IOException, TlsException {
    this.endpoint = new PeerEndpoint(host, service, exports);
    PeerDoor door = new PeerDoor(strangers);
    ServerBuilder<?> builder =
        NettyServerBuilder.forAddress(address)
            .bossEventLoopGroup(threads)
            .workerEventLoopGroup(threads)
            .channelFactory(door::listener)
            .sslContext(PeerTls.forServer(tls))
            .addTransportFilter(door)
            .handshakeTimeout(HANDSHAKE_SECONDS, TimeUnit.SECONDS)
            .permitKeepAliveTime(PERMITTED_PING_SECONDS, TimeUnit.SECONDS)
            .permitKeepAliveWithoutCalls(true)
            .addService(
                // The last one runs first: who calls matters before what version.
                ServerInterceptors.intercept(
                    endpoint,
                    new ProtocolVersion(host, protocolVersion),
                    new PeerIdentity(host, peers)));
    try {
      server = builder.build().start();
    } catch (IOException e) {
      endThreads();
      throw e;
    }
  }

  private void endThreads() {
    var unused = threads.shutdownGracefully(0, CLOSE_SECONDS, TimeUnit.SECONDS);
  }

  public int port() {
    return server.getPort();
  }

  @Override
  public void close() {
    server.shutdown();
    endpoint.endParked();
    try {
      if (!server.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        server.shutdownNow().awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      server.shutdownNow();
      Thread.currentThread().interrupt();
    }
    endThreads();
  }
}

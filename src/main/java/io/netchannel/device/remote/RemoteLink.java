package io.netchannel.device.remote;

import io.netchannel.tls.TlsProblem;
import io.netchannel.wire.Transport;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoop;
import io.netty.handler.ssl.SslContext;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.random.RandomGenerator;
import javax.net.ssl.SSLException;

/**
 * What a device needs to connect to its server.
 *
 * @param loop all of it happens there
 * @param here where the server of this process is for that loop
 * @param own says when that is the one to connect to
 * @param executor asks the name service
 * @param tls empty for a Unix socket, and on a host without certificates
 */
record RemoteLink(
    RemoteAddress address,
    EventLoop loop,
    SocketAddress here,
    OwnServer own,
    Executor executor,
    Optional<SslContext> tls,
    RemoteOptions options,
    RandomGenerator random) {

  /** Begins to connect; the owner hears of how it ends. On the event loop. */
  RemoteConnection connect(RemoteConnection.Owner owner) {
    RemoteConnection connection = new RemoteConnection(owner, options);
    CompletableFuture<Void> unused =
        CompletableFuture.supplyAsync(this::find, executor)
            .handleAsync(
                (found, failed) -> {
                  if (failed == null) {
                    connect(found, connection);
                  } else {
                    connection.failed(failed);
                  }
                  return null;
                },
                loop);
    return connection;
  }

  /** May ask the name service, and wait for it. */
  private SocketAddress find() {
    if (address.host().isPresent() && own.isCalled(address.host().get())) {
      return here;
    }
    SocketAddress found = address.resolve();
    return found instanceof InetSocketAddress host && own.isAt(host) ? here : found;
  }

  /** Why there is no connection, beginning with whom it should lead to. */
  String problem(Throwable cause) {
    String words = words(cause);
    return words.startsWith(address.toString()) ? words : address + ": " + words;
  }

  /** The same without the address, if the problem does not come with it. */
  static String words(Throwable cause) {
    return TlsProblem.words(cause)
        .or(() -> Optional.ofNullable(cause.getMessage()))
        .orElseGet(() -> cause.getClass().getSimpleName());
  }

  private void connect(SocketAddress to, RemoteConnection connection) {
    boolean encrypted = to instanceof InetSocketAddress && !address.plain();
    if (encrypted && tls.isEmpty()) {
      connection.failed(
          new SSLException(
              "expected certificates of this host, found none; `netchannel doctor` says what to"
                  + " do"));
      return;
    }
    ChannelFuture connecting =
        Transport.connect(
            loop,
            to,
            (int) options.connect().toMillis(),
            new ChannelInitializer<Channel>() {
              @Override
              protected void initChannel(Channel channel) {
                if (encrypted) {
                  channel
                      .pipeline()
                      .addLast(
                          tls.get()
                              .newHandler(
                                  channel.alloc(),
                                  address.host().get().getHost(),
                                  address.host().get().getPort()));
                }
                channel.pipeline().addLast(connection);
              }
            });
    connecting.addListener(
        done -> {
          if (!done.isSuccess()) {
            connection.failed(done.cause());
          }
        });
  }
}

package io.netchannel.device.remote;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.DeviceException;
import io.netchannel.tls.TlsProblem;
import io.netchannel.wire.AddressRace;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.WireException;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
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
 * @param order which of its addresses to try first
 * @param executor asks the name service
 * @param tls empty for a Unix socket, and on a host without certificates
 * @param withoutTls why, for people
 */
record RemoteLink(
    RemoteAddress address,
    EventLoop loop,
    SocketAddress here,
    OwnServer own,
    AddressOrder order,
    Executor executor,
    Optional<SslContext> tls,
    String withoutTls,
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
                    connectOrFail(found, connection);
                  } else {
                    connection.failed(failed);
                  }
                  return null;
                },
                loop);
    return connection;
  }

  /** May ask the name service, and wait for it. */
  private ImmutableList<SocketAddress> find() {
    if (address.host().isPresent() && own.isCalled(address.host().get())) {
      return ImmutableList.of(here);
    }
    ImmutableList<SocketAddress> found = address.resolve();
    boolean ours = found.stream().anyMatch(at -> at instanceof InetSocketAddress a && own.isAt(a));
    return ours ? ImmutableList.of(here) : order.sorted(found);
  }

  /**
   * What its server says to whom it does not let in. Which exports there are, and for whom, only
   * people change; all else may be over in a moment.
   */
  DeviceException refusal(Refusal reason, String text) {
    boolean lasting =
        switch (reason) {
          case UNKNOWN_EXPORT, DENIED, READ_ONLY -> true;
          case STALE, IN_USE, UNAVAILABLE, REPLACED, PROTOCOL -> false;
        };
    return new DeviceException(lasting, "%s refuses: %s".formatted(address, text));
  }

  /**
   * An ATTACH to a USB device.
   *
   * @throws WireException when the server's version has none
   */
  Attach usb(Attach attach, Preamble agreed) throws WireException {
    if (!agreed.hasUsb()) {
      throw new WireException(
          ("%s: its server is older than this one (version %d of the protocol) and has no USB"
                  + " devices; install the same netchannel on both")
              .formatted(address, agreed.newest()));
    }
    return attach.asUsb();
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

  /** Whatever it throws: a connection of which nothing more is heard is not tried again. */
  private void connectOrFail(ImmutableList<SocketAddress> to, RemoteConnection connection) {
    try {
      connect(to, connection);
    } catch (RuntimeException | Error e) {
      connection.failed(e);
    }
  }

  private void connect(ImmutableList<SocketAddress> to, RemoteConnection connection) {
    boolean encrypted = to.get(0) instanceof InetSocketAddress && !address.plain();
    if (encrypted && tls.isEmpty()) {
      connection.failed(
          new SSLException("expected certificates of this host, found none; " + withoutTls));
      return;
    }
    connection.connecting(
        AddressRace.start(
            loop,
            to,
            (int) options.connect().toMillis(),
            (channel, at) -> handlers(encrypted, at, connection),
            connection::failed));
  }

  private ChannelHandler handlers(
      boolean encrypted, SocketAddress at, RemoteConnection connection) {
    connection.whenOver(attached -> order.note(at, attached));
    return new ChannelInitializer<Channel>() {
      @Override
      protected void initChannel(Channel channel) {
        if (encrypted) {
          channel
              .pipeline()
              .addLast(
                  tls.get()
                      .newHandler(
                          channel.alloc(), address.certified(), address.host().get().getPort()));
        }
        channel.pipeline().addLast(connection);
      }
    };
  }
}

package io.netchannel.server.nbd;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.netchannel.device.ErrorLog;
import io.netchannel.files.PrivateSocket;
import io.netchannel.tls.Strangers;
import io.netchannel.wire.Transport;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadFactory;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves devices to NBD clients. See the package for the life of a connection.
 *
 * <p>Nothing keeps a client out but the socket: a Unix socket is its owner's, over TCP everybody
 * who reaches the port is let in.
 */
public final class NbdServer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(NbdServer.class);

  /**
   * Each has at most two threads and its window of memory; clients use about four. As many others
   * may be in their handshake; when more come, the oldest of those is closed.
   */
  static final int MAX_CONNECTIONS = 64;

  /** A client says what it wants at once; the bound is for what is no NBD client. */
  static final Duration HANDSHAKE_BOUND = Duration.ofSeconds(30);

  /**
   * A connection whose other end is gone is found out after 60 s + 3 * 20 s, if it is idle. The
   * system's own two hours would let clients that are cut off use all connections up.
   */
  private static final int KEEP_ALIVE_IDLE_SECONDS = 60;

  private static final int KEEP_ALIVE_INTERVAL_SECONDS = 20;
  private static final int KEEP_ALIVE_COUNT = 3;

  private final ImmutableMap<String, NbdExport> exports;
  private final Transport transport;
  private final boolean mayWait;
  private final Duration handshakeBound;
  private final ThreadFactory threads =
      new ThreadFactoryBuilder().setDaemon(true).setNameFormat("nbd-handshake-%d").build();

  private final ErrorLog errors;
  private final Strangers shakingHands = new Strangers(MAX_CONNECTIONS);

  /** All below guarded by this. */
  private final List<Channel> listeners = new ArrayList<>();

  private final List<PrivateSocket> sockets = new ArrayList<>();
  private final List<Channel> channels = new ArrayList<>();

  /** Those of {@link #channels} that have chosen an export. */
  private final Set<Channel> clients = new HashSet<>();

  private boolean closed;

  /**
   * Serves these, when it listens.
   *
   * @param transport its threads; closed by who made it, after the server
   * @param mayWait whether the devices may make their caller wait, as those of this host do: then
   *     each client has a thread of its own. Else all share those of the transport, which should be
   *     the ones that the devices use: a request is not handed from thread to thread
   */
  public NbdServer(
      Iterable<NbdExport> exports, Transport transport, boolean mayWait, LongSupplier nanoTime) {
    this(exports, transport, mayWait, HANDSHAKE_BOUND, nanoTime);
  }

  NbdServer(
      Iterable<NbdExport> exports,
      Transport transport,
      boolean mayWait,
      Duration handshakeBound,
      LongSupplier nanoTime) {
    this.exports = Maps.uniqueIndex(exports, NbdExport::name);
    this.transport = transport;
    this.mayWait = mayWait;
    this.handshakeBound = handshakeBound;
    errors = new ErrorLog(log, nanoTime);
  }

  /**
   * Listens on a TCP port.
   *
   * @return where, with the port that was found when 0 was given
   */
  public InetSocketAddress listen(InetSocketAddress address) throws IOException {
    return (InetSocketAddress) listenAt(address).localAddress();
  }

  /**
   * Listens on a Unix socket, in place of one that a server before has left behind.
   *
   * @throws IOException also when something else is there, a disk's image perhaps: it stays
   */
  public void listen(Path socket) throws IOException {
    PrivateSocket bound =
        PrivateSocket.bind(
            socket,
            path -> {
              var unused = listenAt(new DomainSocketAddress(path.toFile()));
            });
    synchronized (this) {
      sockets.add(bound);
    }
  }

  private synchronized void removeSockets() {
    for (PrivateSocket socket : sockets) {
      try {
        socket.close();
      } catch (IOException e) {
        log.warn("a socket stays behind: {}", e.toString());
      }
    }
    sockets.clear();
  }

  private Channel listenAt(SocketAddress address) throws IOException {
    ChannelHandler begin =
        new ChannelInitializer<Channel>() {
          @Override
          protected void initChannel(Channel channel) {
            begin(channel);
          }
        };
    Channel listener;
    try {
      listener =
          mayWait ? transport.listen(address, begin) : transport.listenShared(address, begin);
    } catch (IOException | IllegalArgumentException e) {
      Throwable why = e.getCause() == null ? e : e.getCause();
      throw new IOException("cannot listen on %s: %s".formatted(address, why.getMessage()), e);
    }
    synchronized (this) {
      listeners.add(listener);
    }
    return listener;
  }

  private void begin(Channel channel) {
    synchronized (this) {
      if (closed) {
        end(channel);
        return;
      }
      channels.add(channel);
    }
    if (channel instanceof EpollSocketChannel tcp) {
      tcp.config()
          .setKeepAlive(true)
          .setTcpKeepIdle(KEEP_ALIVE_IDLE_SECONDS)
          .setTcpKeepIntvl(KEEP_ALIVE_INTERVAL_SECONDS)
          .setTcpKeepCnt(KEEP_ALIVE_COUNT);
    }
    channel
        .pipeline()
        .addLast(
            new ClientConnection(
                exports,
                mayWait,
                threads,
                handshakeBound.toMillis(),
                errors,
                () -> mayStay(channel),
                () -> ended(channel)));
    shakingHands.enter(channel);
  }

  /** It has chosen an export. */
  private synchronized boolean mayStay(Channel channel) {
    shakingHands.known(channel);
    if (clients.size() == MAX_CONNECTIONS) {
      errors.report("refused a client", "there are %d already".formatted(MAX_CONNECTIONS));
      return false;
    }
    return clients.add(channel);
  }

  private static void end(Channel channel) {
    var unused = channel.close();
  }

  private synchronized void ended(Channel channel) {
    channels.remove(channel);
    clients.remove(channel);
    notifyAll();
  }

  /**
   * Ends all connections and waits for what their requests are doing at the devices, which stay
   * open. Idempotent.
   */
  @Override
  public void close() {
    boolean interrupted = false;
    synchronized (this) {
      closed = true;
      removeSockets();
      listeners.forEach(NbdServer::end);
      channels.forEach(NbdServer::end);
      while (!channels.isEmpty()) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true; // the devices must not be closed under their requests
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}

package io.netchannel.server.nbd;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Maps;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.netchannel.device.ErrorLog;
import io.netchannel.device.nbd.NbdProtocolException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import jdk.net.ExtendedSocketOptions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves devices to NBD clients. See the package for the life of a connection.
 *
 * <p>Nothing keeps a client out but the socket: a Unix socket is its owner's, over TCP everybody
 * who reaches the port is let in.
 */
public final class NbdServer implements NbdListener {
  private static final Logger log = LoggerFactory.getLogger(NbdServer.class);

  /** Each has two threads and at most its window of memory; clients use about four. */
  static final int MAX_CONNECTIONS = 64;

  /** A client says what it wants at once; the bound is for what is no NBD client. */
  static final Duration HANDSHAKE_BOUND = Duration.ofSeconds(30);

  /** Of a file's mode. */
  private static final int TYPE_MASK = 0170000;

  private static final int TYPE_SOCKET = 0140000;

  /** A connection whose other end is gone is found out after 60 s + 3 * 20 s, if it is idle. */
  private static final int KEEP_ALIVE_IDLE_SECONDS = 60;

  private static final int KEEP_ALIVE_INTERVAL_SECONDS = 20;
  private static final int KEEP_ALIVE_COUNT = 3;

  private final ImmutableMap<String, NbdExport> exports;
  private final Duration handshakeBound;
  private final ErrorLog errors;
  private final ScheduledExecutorService bounds;
  private final ThreadFactory threads =
      new ThreadFactoryBuilder().setDaemon(true).setNameFormat("nbd-%d").build();

  /** All below guarded by this. */
  private final List<ServerSocketChannel> listeners = new ArrayList<>();

  private final List<Path> sockets = new ArrayList<>();
  private final List<SocketChannel> channels = new ArrayList<>();
  private int running;
  private boolean closed;

  /** Serves these, when {@link #listen} has been called. */
  public NbdServer(Iterable<NbdExport> exports, LongSupplier nanoTime) {
    this(exports, HANDSHAKE_BOUND, nanoTime);
  }

  NbdServer(Iterable<NbdExport> exports, Duration handshakeBound, LongSupplier nanoTime) {
    this.exports = Maps.uniqueIndex(exports, NbdExport::name);
    this.handshakeBound = handshakeBound;
    errors = new ErrorLog(log, nanoTime);
    ScheduledThreadPoolExecutor timer = new ScheduledThreadPoolExecutor(1, threads);
    timer.setRemoveOnCancelPolicy(true);
    bounds = timer;
  }

  @Override
  public InetSocketAddress listen(InetSocketAddress address) throws IOException {
    ServerSocketChannel listener = ServerSocketChannel.open();
    try {
      listener.setOption(StandardSocketOptions.SO_REUSEADDR, true);
      listener.bind(address);
    } catch (IOException | RuntimeException e) {
      listener.close();
      throw new IOException("cannot listen on %s: %s".formatted(address, e.getMessage()), e);
    }
    accept(listener);
    return (InetSocketAddress) listener.getLocalAddress();
  }

  /**
   * Listens on a Unix socket, in place of one that a server before has left behind.
   *
   * @throws IOException also when something else is there, a disk's image perhaps: it stays
   */
  @Override
  public void listen(Path socket) throws IOException {
    removeLeftBehind(socket);
    ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    try {
      listener.bind(UnixDomainSocketAddress.of(socket));
      Files.setPosixFilePermissions(
          socket, ImmutableSet.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE));
    } catch (IOException | RuntimeException e) {
      listener.close();
      throw new IOException("cannot listen on %s: %s".formatted(socket, e.getMessage()), e);
    }
    synchronized (this) {
      sockets.add(socket);
    }
    accept(listener);
  }

  static void remove(Collection<Path> sockets) {
    for (Path socket : sockets) {
      try {
        Files.deleteIfExists(socket);
      } catch (IOException e) {
        log.warn("{} stays behind: {}", socket, e.toString());
      }
    }
  }

  static void removeLeftBehind(Path socket) throws IOException {
    if (!Files.exists(socket, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    // To connect to any other kind of file fails as it does to a socket where nobody listens.
    int mode = (Integer) Files.getAttribute(socket, "unix:mode", LinkOption.NOFOLLOW_LINKS);
    if ((mode & TYPE_MASK) != TYPE_SOCKET) {
      throw new IOException(
          "cannot listen on %s: it is there and is no socket; give another path".formatted(socket));
    }
    try (SocketChannel probe = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
      throw new IOException(
          "cannot listen on %s: another server listens there (%s)"
              .formatted(socket, probe.getRemoteAddress()));
    } catch (ConnectException e) {
      Files.delete(socket);
    }
  }

  private synchronized void accept(ServerSocketChannel listener) {
    listeners.add(listener);
    threads.newThread(() -> acceptFrom(listener)).start();
  }

  private void acceptFrom(ServerSocketChannel listener) {
    while (true) {
      try {
        begin(listener.accept());
      } catch (ClosedChannelException e) {
        return;
      } catch (IOException | RuntimeException e) {
        errors.report("accepting a connection", e.toString());
      }
    }
  }

  private void begin(SocketChannel channel) throws IOException {
    synchronized (this) {
      if (closed || channels.size() == MAX_CONNECTIONS) {
        channel.close();
        errors.report("refused a connection", "there are %d already".formatted(channels.size()));
        return;
      }
      channels.add(channel);
      running++;
    }
    threads.newThread(() -> serve(channel)).start();
  }

  private void serve(SocketChannel channel) {
    String who = "a client";
    try (channel) {
      who = nameOf(channel);
      ClientInput input = new ClientInput(channel);
      NbdConnection connection =
          new NbdConnection(channel, new Negotiation(channel, input, exports), input);
      Future<?> bound =
          bounds.schedule(connection::close, handshakeBound.toMillis(), TimeUnit.MILLISECONDS);
      connection.serve(() -> bound.cancel(false));
    } catch (NbdConnection.ClientGoneException e) {
      log.debug("{} has gone", who);
    } catch (NbdProtocolException e) {
      errors.report(
          "closed the connection of a client that breaks the protocol",
          who + ": " + e.getMessage());
    } catch (IOException e) {
      log.info("the connection of {} ended: {}", who, e.toString());
    } catch (InterruptedException | RuntimeException | Error e) {
      log.error("the connection of {} ended by a failure inside netchannel", who, e);
    } finally {
      synchronized (this) {
        channels.remove(channel);
        running--;
        notifyAll();
      }
    }
  }

  private static String nameOf(SocketChannel channel) throws IOException {
    SocketAddress address = channel.getRemoteAddress();
    if (address instanceof InetSocketAddress) {
      channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
      // The system's own two hours would let clients that are cut off use all connections up.
      channel.setOption(ExtendedSocketOptions.TCP_KEEPIDLE, KEEP_ALIVE_IDLE_SECONDS);
      channel.setOption(ExtendedSocketOptions.TCP_KEEPINTERVAL, KEEP_ALIVE_INTERVAL_SECONDS);
      channel.setOption(ExtendedSocketOptions.TCP_KEEPCOUNT, KEEP_ALIVE_COUNT);
      return address.toString();
    }
    return "a client of the Unix socket";
  }

  @Override
  public void close() {
    boolean interrupted = false;
    synchronized (this) {
      closed = true;
      listeners.forEach(NbdServer::closeQuietly);
      channels.forEach(NbdServer::closeQuietly);
      remove(sockets);
      sockets.clear();
      while (running > 0) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true; // the devices must not be closed under their requests
        }
      }
    }
    bounds.shutdownNow();
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static void closeQuietly(AutoCloseable channel) {
    try {
      channel.close();
    } catch (Exception e) {
      // It is closed all the same.
    }
  }
}

package io.netchannel.server.nbd;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.netchannel.device.ErrorLog;
import io.netchannel.wire.Transport;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.unix.DomainSocketAddress;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadFactory;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves devices that never make their caller wait, as those of other hosts are, on the event loops
 * that these devices use themselves: a request is not handed from thread to thread. Otherwise as
 * {@link NbdServer}.
 */
public final class LoopNbdServer implements NbdListener {
  private static final Logger log = LoggerFactory.getLogger(LoopNbdServer.class);

  private final ImmutableMap<String, NbdExport> exports;
  private final Transport transport;
  private final ThreadFactory threads =
      new ThreadFactoryBuilder().setDaemon(true).setNameFormat("nbd-handshake-%d").build();

  private final ErrorLog errors;

  /** All below guarded by this. */
  private final List<Channel> listeners = new ArrayList<>();

  private final List<Path> sockets = new ArrayList<>();
  private final List<Channel> channels = new ArrayList<>();
  private boolean closed;

  /**
   * Serves these, when it listens.
   *
   * @param transport its threads; closed by who made it, after the server
   */
  public LoopNbdServer(Iterable<NbdExport> exports, Transport transport, LongSupplier nanoTime) {
    this.exports = Maps.uniqueIndex(exports, NbdExport::name);
    this.transport = transport;
    errors = new ErrorLog(log, nanoTime);
  }

  @Override
  public InetSocketAddress listen(InetSocketAddress address) throws IOException {
    return (InetSocketAddress) listenAt(address).localAddress();
  }

  @Override
  public void listen(Path socket) throws IOException {
    NbdServer.removeLeftBehind(socket);
    var unused = listenAt(new DomainSocketAddress(socket.toFile()));
    Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
    synchronized (this) {
      sockets.add(socket);
    }
  }

  private Channel listenAt(SocketAddress address) throws IOException {
    Channel listener =
        transport.listenShared(
            address,
            new ChannelInitializer<Channel>() {
              @Override
              protected void initChannel(Channel channel) {
                begin(channel);
              }
            });
    synchronized (this) {
      listeners.add(listener);
    }
    return listener;
  }

  private synchronized void begin(Channel channel) {
    if (closed || channels.size() == NbdServer.MAX_CONNECTIONS) {
      errors.report("refused a connection", "there are %d already".formatted(channels.size()));
      end(channel);
      return;
    }
    channels.add(channel);
    channel
        .pipeline()
        .addLast(
            new LoopConnection(
                exports,
                threads,
                NbdServer.HANDSHAKE_BOUND.toMillis(),
                errors,
                () -> ended(channel)));
  }

  private static void end(Channel channel) {
    var unused = channel.close();
  }

  private synchronized void ended(Channel channel) {
    channels.remove(channel);
    notifyAll();
  }

  @Override
  public void close() {
    boolean interrupted = false;
    synchronized (this) {
      closed = true;
      listeners.forEach(LoopNbdServer::end);
      channels.forEach(LoopNbdServer::end);
      NbdServer.remove(sockets);
      sockets.clear();
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

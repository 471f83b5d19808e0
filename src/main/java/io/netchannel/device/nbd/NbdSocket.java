package io.netchannel.device.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import jdk.net.ExtendedSocketOptions;

/**
 * A non-blocking connection with its selector, and the waiting, bounded in time, that a handshake
 * needs.
 */
final class NbdSocket implements AutoCloseable {
  /** An idle connection whose other end is gone is found out after 10 s + 3 * 5 s. */
  private static final int KEEP_ALIVE_IDLE_SECONDS = 10;

  private static final int KEEP_ALIVE_INTERVAL_SECONDS = 5;
  private static final int KEEP_ALIVE_COUNT = 3;

  private final SocketChannel channel;
  private final Selector selector;
  private final SelectionKey key;
  private final LongSupplier nanoTime;
  private final long deadlineNanos;

  private NbdSocket(SocketChannel channel, LongSupplier nanoTime, long deadlineNanos)
      throws IOException {
    this.channel = channel;
    this.nanoTime = nanoTime;
    this.deadlineNanos = deadlineNanos;
    channel.configureBlocking(false);
    selector = Selector.open();
    key = channel.register(selector, 0);
  }

  /**
   * Connects, to the first address of the host that answers.
   *
   * @param bound for this and for the handshake that follows
   */
  static NbdSocket connect(NbdUri uri, Duration bound, LongSupplier nanoTime) throws IOException {
    long deadlineNanos = nanoTime.getAsLong() + bound.toNanos();
    IOException failure = new ConnectException("no address");
    for (SocketAddress address : addresses(uri)) {
      SocketChannel channel =
          address instanceof UnixDomainSocketAddress
              ? SocketChannel.open(StandardProtocolFamily.UNIX)
              : SocketChannel.open();
      try {
        NbdSocket socket = new NbdSocket(channel, nanoTime, deadlineNanos);
        try {
          socket.connect(address);
          return socket;
        } catch (IOException e) {
          socket.close();
          throw e;
        }
      } catch (IOException e) {
        channel.close();
        failure = e;
      }
    }
    throw failure;
  }

  private static List<SocketAddress> addresses(NbdUri uri) throws IOException {
    List<SocketAddress> found = new ArrayList<>();
    if (uri.socket().isPresent()) {
      found.add(UnixDomainSocketAddress.of(uri.socket().get()));
    } else {
      for (InetAddress address : InetAddress.getAllByName(uri.host())) {
        found.add(new InetSocketAddress(address, uri.port()));
      }
    }
    return found;
  }

  private void connect(SocketAddress address) throws IOException {
    if (address instanceof InetSocketAddress) {
      channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
      channel.setOption(ExtendedSocketOptions.TCP_KEEPIDLE, KEEP_ALIVE_IDLE_SECONDS);
      channel.setOption(ExtendedSocketOptions.TCP_KEEPINTERVAL, KEEP_ALIVE_INTERVAL_SECONDS);
      channel.setOption(ExtendedSocketOptions.TCP_KEEPCOUNT, KEEP_ALIVE_COUNT);
    }
    if (!channel.connect(address)) {
      do {
        await(SelectionKey.OP_CONNECT);
      } while (!channel.finishConnect());
    }
  }

  SocketChannel channel() {
    return channel;
  }

  Selector selector() {
    return selector;
  }

  SelectionKey key() {
    return key;
  }

  /** Fills {@code target} and flips it. */
  void readFully(ByteBuffer target) throws IOException {
    while (target.hasRemaining()) {
      int count = channel.read(target);
      if (count < 0) {
        throw new EOFException("the server closed the connection");
      }
      if (count == 0) {
        await(SelectionKey.OP_READ);
      }
    }
    target.flip();
  }

  void writeFully(ByteBuffer source) throws IOException {
    while (source.hasRemaining()) {
      if (channel.write(source) == 0) {
        await(SelectionKey.OP_WRITE);
      }
    }
  }

  private void await(int operation) throws IOException {
    long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadlineNanos - nanoTime.getAsLong());
    if (leftMillis <= 0) {
      throw new SocketTimeoutException("the server did not answer in time");
    }
    key.interestOps(operation);
    var unused = selector.select(leftMillis);
    selector.selectedKeys().clear();
    key.interestOps(0);
  }

  /** Closes at once; who is within a read or write has left it when this returns. */
  @Override
  public void close() {
    try {
      channel.close();
      selector.close();
    } catch (IOException e) {
      // Nothing more can be done with either.
    }
  }
}

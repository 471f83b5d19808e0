package io.netchannel.device.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
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

/**
 * A non-blocking connection with its selector, and the waiting, bounded in time, that a handshake
 * needs.
 */
final class NbdSocket implements AutoCloseable {
  private final SocketChannel channel;
  private final Selector selector;
  private final SelectionKey key;
  private final LongSupplier nanoTime;
  private final long deadlineNanos;

  /** The server's first words, until they are read. */
  private final ByteBuffer greeting;

  private NbdSocket(GreetingRace.Winner winner, LongSupplier nanoTime, long deadlineNanos)
      throws IOException {
    channel = winner.channel();
    greeting = winner.greeting();
    this.nanoTime = nanoTime;
    this.deadlineNanos = deadlineNanos;
    selector = Selector.open();
    key = channel.register(selector, 0);
  }

  /**
   * Connects, to the first address of the host where a server greets; see {@link GreetingRace}.
   *
   * @param bound for this and for the handshake that follows
   */
  static NbdSocket connect(NbdUri uri, Duration bound, LongSupplier nanoTime) throws IOException {
    return connect(addresses(uri), bound, nanoTime);
  }

  static NbdSocket connect(List<SocketAddress> addresses, Duration bound, LongSupplier nanoTime)
      throws IOException {
    long deadlineNanos = nanoTime.getAsLong() + bound.toNanos();
    GreetingRace.Winner winner;
    try (GreetingRace race = new GreetingRace(addresses, deadlineNanos, nanoTime)) {
      winner = race.run();
    }
    try {
      return new NbdSocket(winner, nanoTime, deadlineNanos);
    } catch (IOException e) {
      winner.channel().close();
      throw e;
    }
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
    while (greeting.hasRemaining() && target.hasRemaining()) {
      target.put(greeting.get());
    }
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
      throw GreetingRace.silent();
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

package io.netchannel.device.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.net.ConnectException;
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
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import jdk.net.ExtendedSocketOptions;

/**
 * Finds, among the addresses of a server, the first where one greets. They are tried in their
 * order, each a moment after the one before and at once when that has failed (RFC 8305 section 5):
 * one that swallows packets, or takes connections and says nothing, costs that moment and not all
 * the time there is. An NBD server speaks first, so that nothing has to be sent to more than one of
 * them.
 *
 * <pre>
 *   waiting --its turn--> connecting --> connected --greeting--> won: all others are closed
 *                             | refused, ended: the next one's turn
 * </pre>
 */
final class GreetingRace implements AutoCloseable {
  /**
   * An NBD server that won.
   *
   * @param channel not blocking; its owner closes it
   * @param greeting what it has said
   */
  record Winner(SocketChannel channel, ByteBuffer greeting) {}

  /** The "Connection Attempt Delay" that RFC 8305 recommends. */
  private static final long STAGGER_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

  /** An idle connection whose other end is gone is found out after 10 s + 3 * 5 s. */
  private static final int KEEP_ALIVE_IDLE_SECONDS = 10;

  private static final int KEEP_ALIVE_INTERVAL_SECONDS = 5;
  private static final int KEEP_ALIVE_COUNT = 3;

  private final Deque<SocketAddress> waiting;
  private final long deadlineNanos;
  private final LongSupplier nanoTime;
  private final Selector selector;
  private IOException failure = new ConnectException("no address");
  private Winner winner;
  private int running;

  GreetingRace(Collection<SocketAddress> addresses, long deadlineNanos, LongSupplier nanoTime)
      throws IOException {
    waiting = new ArrayDeque<>(addresses);
    this.deadlineNanos = deadlineNanos;
    this.nanoTime = nanoTime;
    selector = Selector.open();
  }

  static SocketTimeoutException silent() {
    return new SocketTimeoutException("the server did not answer in time");
  }

  /**
   * Waits for the first greeting.
   *
   * @throws IOException when no address has one: why not at the last that failed
   */
  Winner run() throws IOException {
    long nextNanos = nanoTime.getAsLong();
    while (winner == null) {
      long now = nanoTime.getAsLong();
      if (running == 0 && waiting.isEmpty()) {
        throw failure;
      }
      if (!waiting.isEmpty() && (running == 0 || now - nextNanos >= 0)) {
        start(waiting.remove());
        nextNanos = now + STAGGER_NANOS;
        continue;
      }
      long leftNanos = deadlineNanos - now;
      if (leftNanos <= 0) {
        throw silent();
      }
      long waitNanos = waiting.isEmpty() ? leftNanos : Math.min(leftNanos, nextNanos - now);
      // Rounded up: a wait of 0 would be one without an end.
      var unused = selector.select(this::goOn, 1 + TimeUnit.NANOSECONDS.toMillis(waitNanos));
    }
    return winner;
  }

  private void start(SocketAddress address) throws IOException {
    SocketChannel channel =
        address instanceof UnixDomainSocketAddress
            ? SocketChannel.open(StandardProtocolFamily.UNIX)
            : SocketChannel.open();
    try {
      channel.configureBlocking(false);
      if (address instanceof InetSocketAddress) {
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        channel.setOption(ExtendedSocketOptions.TCP_KEEPIDLE, KEEP_ALIVE_IDLE_SECONDS);
        channel.setOption(ExtendedSocketOptions.TCP_KEEPINTERVAL, KEEP_ALIVE_INTERVAL_SECONDS);
        channel.setOption(ExtendedSocketOptions.TCP_KEEPCOUNT, KEEP_ALIVE_COUNT);
      }
      int awaited = channel.connect(address) ? SelectionKey.OP_READ : SelectionKey.OP_CONNECT;
      var unused =
          channel.register(selector, awaited, ByteBuffer.allocate(Handshake.GREETING_BYTES));
      running++;
    } catch (IOException | RuntimeException e) {
      channel.close();
      failure = e instanceof IOException io ? io : new IOException(e);
    }
  }

  private void goOn(SelectionKey key) {
    SocketChannel channel = (SocketChannel) key.channel();
    try {
      if (key.isConnectable() && channel.finishConnect()) {
        key.interestOps(SelectionKey.OP_READ);
      } else if (key.isReadable()) {
        read(channel, (ByteBuffer) key.attachment());
      }
    } catch (IOException e) {
      failure = e;
      running--;
      close(channel);
    }
  }

  private void read(SocketChannel channel, ByteBuffer greeting) throws IOException {
    if (channel.read(greeting) < 0) {
      throw new EOFException("the server closed the connection");
    }
    if (!greeting.hasRemaining() && winner == null) {
      winner = new Winner(channel, greeting.flip());
    }
  }

  /** All but the winner's connection. */
  @Override
  public void close() throws IOException {
    for (SelectionKey key : selector.keys()) {
      if (winner == null || key.channel() != winner.channel()) {
        close((SocketChannel) key.channel());
      }
    }
    selector.close(); // lets go of the winner's
  }

  private static void close(SocketChannel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      // It is closed all the same.
    }
  }
}

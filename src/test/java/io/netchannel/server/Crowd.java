package io.netchannel.server;

import com.google.common.util.concurrent.Uninterruptibles;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;

/**
 * Connections by people who want nothing but the place: every other one says nothing, the others
 * begin a TLS handshake byte by byte and never come to its end. Who is closed comes again.
 */
final class Crowd implements AutoCloseable {
  /** Between two bytes of one of them. */
  private static final int PAUSE_MILLIS = 100;

  /** After each pause: so some hundreds a second come anew, after a thousand at once. */
  private static final int AGAIN = 30;

  private final InetSocketAddress server;
  private final byte[] hello;
  private final Selector selector = Selector.open();
  private final Queue<Integer> gone = new ArrayDeque<>();
  private final Thread thread = new Thread(this::run, "crowd");
  private volatile boolean over;

  /** How often one has got through to the server, and how often one was closed by it. */
  final AtomicInteger came = new AtomicInteger();

  private final AtomicInteger closed = new AtomicInteger();

  /** The next byte that each says. */
  private final int[] said;

  Crowd(InetSocketAddress server, int size) throws Exception {
    this.server = server;
    said = new int[size];
    SSLEngine engine = SSLContext.getDefault().createSSLEngine();
    engine.setUseClientMode(true);
    ByteBuffer out = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
    SSLEngineResult wrapped = engine.wrap(ByteBuffer.allocate(0), out);
    hello = new byte[wrapped.bytesProduced() - 1]; // the last byte is never said
    out.flip().get(hello);
    for (int i = 0; i < size; i++) {
      come(i);
    }
    thread.start();
  }

  /** Those that have a connection. */
  int present() {
    return came.get() - closed.get();
  }

  private void come(int who) throws IOException {
    SocketChannel channel = SocketChannel.open();
    channel.configureBlocking(false);
    said[who] = 0;
    if (channel.connect(server)) {
      came.incrementAndGet();
      channel.register(selector, SelectionKey.OP_READ, who);
    } else {
      channel.register(selector, SelectionKey.OP_CONNECT, who);
    }
  }

  private void run() {
    try {
      long paused = System.nanoTime();
      while (!over) {
        selector.select(PAUSE_MILLIS);
        List<SelectionKey> ready = new ArrayList<>(selector.selectedKeys());
        selector.selectedKeys().clear();
        for (SelectionKey key : ready) {
          look(key);
        }
        if (System.nanoTime() - paused < TimeUnit.MILLISECONDS.toNanos(PAUSE_MILLIS)) {
          continue;
        }
        paused = System.nanoTime();
        for (SelectionKey key : selector.keys()) {
          say(key);
        }
        selector.selectNow(); // lets go of those that were closed
        for (int i = 0; i < AGAIN && !gone.isEmpty(); i++) {
          come(gone.remove());
        }
      }
    } catch (IOException e) {
      throw new IllegalStateException("the crowd is over: " + e, e);
    }
  }

  private void look(SelectionKey key) throws IOException {
    SocketChannel channel = (SocketChannel) key.channel();
    try {
      if (key.isConnectable() && channel.finishConnect()) {
        came.incrementAndGet();
        key.interestOps(SelectionKey.OP_READ);
      } else if (key.isReadable() && channel.read(ByteBuffer.allocate(512)) < 0) {
        leave(key);
      }
    } catch (IOException e) {
      leave(key); // reset, which is as good
    }
  }

  private void say(SelectionKey key) throws IOException {
    int who = (Integer) key.attachment();
    if (!key.isValid()
        || who % 2 == 0
        || said[who] == hello.length
        || key.interestOps() != SelectionKey.OP_READ) {
      return;
    }
    try {
      said[who] += ((SocketChannel) key.channel()).write(ByteBuffer.wrap(hello, said[who], 1));
    } catch (IOException e) {
      leave(key);
    }
  }

  private void leave(SelectionKey key) throws IOException {
    key.channel().close();
    closed.incrementAndGet();
    gone.add((Integer) key.attachment());
  }

  @Override
  public void close() throws IOException {
    over = true;
    selector.wakeup();
    Uninterruptibles.joinUninterruptibly(thread);
    for (SelectionKey key : selector.keys()) {
      key.channel().close();
    }
    selector.close();
  }
}

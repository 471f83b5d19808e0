package io.netchannel.server;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntUnaryOperator;

/**
 * Passes a TCP connection's bytes on and cuts it after some of them, in the middle of whatever they
 * are, sometimes with what is on its way lost.
 */
final class CuttingProxy implements AutoCloseable {
  private static final int MOST_BYTES = 300_000;
  private static final int PIECE_BYTES = 8192;
  private static final int PLENTY_BYTES = 1 << 29;

  private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
  private final Executor executor;
  private final Random random;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private volatile int serverPort;
  private volatile boolean cutting = true;
  private volatile boolean blocked;

  /** Bytes that may get to clients; more than any test has unless it says how many. */
  private final Semaphore toClients = new Semaphore(PLENTY_BYTES);

  final AtomicInteger cuts = new AtomicInteger();

  CuttingProxy(int serverPort, Executor executor, long seed) throws IOException {
    this.serverPort = serverPort;
    this.executor = executor;
    this.random = new Random(seed);
    executor.execute(this::accept);
  }

  int port() {
    return listener.getLocalPort();
  }

  /** Connections stay whole from now on. */
  void heal() {
    cutting = false;
  }

  /** Lets nobody through, or everybody again. */
  void block(boolean now) {
    blocked = now;
    if (now) {
      cutNow();
    }
  }

  /** So many bytes get to clients from now on, and no more until {@link #goOn}. */
  void hold(int bytes) {
    toClients.drainPermits();
    toClients.release(bytes);
  }

  /** Whether all of them have. */
  boolean isHeldUp() {
    return toClients.availablePermits() == 0;
  }

  void goOn() {
    toClients.release(PLENTY_BYTES);
  }

  /** Cuts all there are. */
  void cutNow() {
    cuts.incrementAndGet();
    open.forEach(CuttingProxy::closeQuietly);
  }

  private void accept() {
    while (!listener.isClosed()) {
      try {
        Socket client = listener.accept();
        if (blocked) {
          closeQuietly(client);
          continue;
        }
        open.add(client);
        Socket server = new Socket(InetAddress.getLoopbackAddress(), serverPort);
        open.add(server);
        if (blocked) { // since it was looked: whoever blocked may have found neither
          closeQuietly(client);
          closeQuietly(server);
        }
        AtomicLong left = new AtomicLong(random.nextInt(MOST_BYTES));
        boolean reset = random.nextBoolean();
        executor.execute(() -> pump(client, server, left, reset, n -> n));
        executor.execute(() -> pump(server, client, left, reset, this::awaitLeave));
      } catch (IOException e) {
        // The server is away, or the test is over.
        open.forEach(CuttingProxy::closeQuietly);
        open.clear();
      }
    }
  }

  /** How many of so many bytes may get to a client now; waits for the first. */
  private int awaitLeave(int bytes) {
    if (toClients.tryAcquire(bytes)) {
      return bytes;
    }
    toClients.acquireUninterruptibly();
    return 1;
  }

  /**
   * Passes on what comes.
   *
   * @param leave how many of so many bytes may be passed on now, at least one
   */
  private void pump(
      Socket from, Socket to, AtomicLong left, boolean reset, IntUnaryOperator leave) {
    byte[] piece = new byte[PIECE_BYTES];
    try {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      for (int n = in.read(piece); n >= 0; n = in.read(piece)) {
        long rest = cutting ? left.getAndAdd(-n) : Long.MAX_VALUE;
        int end = (int) Math.min(n, Math.max(rest, 0));
        for (int at = 0, some; at < end; at += some) {
          some = leave.applyAsInt(end - at);
          out.write(piece, at, some);
        }
        if (rest <= n) {
          cuts.incrementAndGet();
          if (reset) {
            from.setSoLinger(true, 0);
            to.setSoLinger(true, 0);
          }
          break;
        }
      }
    } catch (IOException e) {
      // The other direction has cut, or one end has closed.
    } finally {
      closeQuietly(from);
      closeQuietly(to);
      open.remove(from);
      open.remove(to);
    }
  }

  private static void closeQuietly(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // It is gone, which is what is wanted.
    }
  }

  @Override
  public void close() throws IOException {
    goOn();
    listener.close();
    open.forEach(CuttingProxy::closeQuietly);
  }
}

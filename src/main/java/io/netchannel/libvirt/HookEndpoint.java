package io.netchannel.libvirt;

import io.netchannel.files.PrivateSocket;
import io.netchannel.threads.AcceptLoop;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The Unix socket that the hook script talks to, one connection per call; see {@link HookMessage}
 * for what is said. Each call has a thread of its own, because handlers wait, for a migration's
 * source for instance. Their number, size and time to speak are bounded.
 */
public final class HookEndpoint implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(HookEndpoint.class);

  /** libvirtd runs hooks from its worker threads: 20 by default, and few at a time. */
  static final int MAX_CALLS = 64;

  /** The script sends everything at once; a client that does not is not our script. */
  static final Duration READ_BOUND = Duration.ofSeconds(10);

  private final Path socket;
  private final PrivateSocket name;
  private final HookHandler handler;
  private final AcceptLoop acceptor;
  private final Semaphore calls = new Semaphore(MAX_CALLS);
  private final AtomicInteger numbers = new AtomicInteger();
  private final Duration readBound;
  private final BiFunction<Runnable, String, Thread> threadMaker;
  private final ScheduledThreadPoolExecutor bounds;
  private volatile boolean closed;

  /**
   * Listens at {@code socket} for calls from now on.
   *
   * @param socket its directory exists; a socket left there by a process before is removed
   */
  public static HookEndpoint listen(Path socket, HookHandler handler) throws IOException {
    return listen(socket, handler, READ_BOUND);
  }

  static HookEndpoint listen(Path socket, HookHandler handler, Duration readBound)
      throws IOException {
    return listen(socket, handler, readBound, Thread::new);
  }

  /** Likewise; {@code threadMaker} gives a thread for a call and its name. */
  static HookEndpoint listen(
      Path socket,
      HookHandler handler,
      Duration readBound,
      BiFunction<Runnable, String, Thread> threadMaker)
      throws IOException {
    ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    PrivateSocket name;
    try {
      name =
          PrivateSocket.bind(
              socket, path -> server.bind(UnixDomainSocketAddress.of(path), MAX_CALLS));
    } catch (IOException e) {
      server.close();
      throw e;
    }
    return new HookEndpoint(socket, name, handler, server, readBound, threadMaker);
  }

  private HookEndpoint(
      Path socket,
      PrivateSocket name,
      HookHandler handler,
      ServerSocketChannel server,
      Duration readBound,
      BiFunction<Runnable, String, Thread> threadMaker) {
    this.socket = socket;
    this.name = name;
    this.handler = handler;
    this.readBound = readBound;
    this.threadMaker = threadMaker;
    bounds = new ScheduledThreadPoolExecutor(1, HookEndpoint::boundsThread);
    bounds.setRemoveOnCancelPolicy(true);
    bounds.prestartAllCoreThreads(); // a call must not find that there is no thread for its bound
    acceptor = AcceptLoop.start("hook-acceptor", server, this::take);
  }

  /** Ends listening and removes the socket; calls that run finish, but nobody waits for them. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    try {
      name.close();
      acceptor.close();
    } catch (IOException e) {
      log.warn("hook socket {} is not closed properly: {}", socket, e.getMessage());
    }
    bounds.shutdownNow();
  }

  private void take(SocketChannel client) throws IOException {
    if (!calls.tryAcquire()) {
      log.error("more than {} hook calls at the same time; one is refused", MAX_CALLS);
      client.close();
      return;
    }
    boolean begun = false;
    try {
      Thread call = threadMaker.apply(() -> serve(client), "hook-" + numbers.incrementAndGet());
      call.setDaemon(true);
      call.start();
      begun = true;
    } finally {
      if (!begun) { // no thread to be had
        calls.release();
      }
    }
  }

  private void serve(SocketChannel client) {
    try (client) {
      HookReply reply;
      try {
        HookCall call = HookMessage.decodeCall(receive(client));
        reply = handle(call);
      } catch (IllegalArgumentException e) {
        log.warn("hook call refused: {}", e.getMessage());
        reply = HookReply.refuse("netchanneld does not understand the hook: " + e.getMessage());
      }
      ByteBuffer answer = ByteBuffer.wrap(HookMessage.encodeReply(reply));
      while (answer.hasRemaining()) {
        if (client.write(answer) < 0) {
          throw new IOException("nothing more can be sent");
        }
      }
    } catch (IOException e) {
      log.warn("hook call: the hook script went away: {}", e.toString());
    } finally {
      calls.release();
    }
  }

  private HookReply handle(HookCall call) {
    Thread.currentThread().setName("hook " + call.domain() + " " + call.operation());
    long begun = System.nanoTime();
    HookReply reply;
    try {
      reply = handler.handle(call);
    } catch (RuntimeException | Error e) {
      // An error also is an answer: libvirt waits for one.
      log.error("hook {} {} failed inside netchanneld", call.domain(), call.operation(), e);
      reply = HookReply.refuse("netchanneld failed: " + e + "; see its log");
    }
    log.info(
        "hook {} {} {}: exit {} after {} ms{}",
        call.domain(),
        call.operation(),
        call.subOperation(),
        reply.exitCode(),
        String.format(Locale.ROOT, "%.1f", (System.nanoTime() - begun) / 1e6),
        reply.message().isEmpty() ? "" : ": " + reply.message());
    return reply;
  }

  /** Reads until the client has ended its side, within the bound. */
  private byte[] receive(SocketChannel client) throws IOException {
    ScheduledFuture<?> bound =
        bounds.schedule(() -> closeSilent(client), readBound.toMillis(), TimeUnit.MILLISECONDS);
    try {
      ByteBuffer buffer = ByteBuffer.allocate(8192);
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      while (client.read(buffer) >= 0) {
        all.write(buffer.array(), 0, buffer.position());
        buffer.clear();
        if (all.size() > HookMessage.MAX_BYTES) {
          throw new IllegalArgumentException(
              "the domain's XML has more than %d bytes".formatted(HookMessage.MAX_BYTES));
        }
      }
      return all.toByteArray();
    } catch (AsynchronousCloseException e) {
      throw new IOException("it said nothing complete within " + readBound, e);
    } finally {
      bound.cancel(false);
    }
  }

  private static void closeSilent(SocketChannel client) {
    try {
      client.close();
    } catch (IOException e) {
      log.debug("closing a hook client: {}", e.toString());
    }
  }

  private static Thread boundsThread(Runnable task) {
    Thread thread = new Thread(task, "hook-bounds");
    thread.setDaemon(true);
    return thread;
  }
}

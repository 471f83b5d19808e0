package io.netchannel.threads;

import io.netchannel.time.Backoff;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes connections, on a thread of its own, until it is closed.
 *
 * <pre>
 *   ACCEPTING --closed--------------------------------------> ended
 *     |    ^                                                   ^
 *     |    +--pause over--+                                    |
 *     v                   |                                    |
 *   PAUSING: an accept or a taker failed, in any way --closed--+
 * </pre>
 *
 * No failure ends it: out of descriptors or threads now, there are some later. A connection whose
 * taker failed is closed. A row of failures is logged once.
 */
public final class AcceptLoop implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(AcceptLoop.class);

  /** No load, and nobody notices it. */
  private static final Duration FIRST_PAUSE = Duration.ofMillis(10);

  /** Somebody waits for an answer as soon as it can be had again. */
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(1);

  /** Where connections come from; throws {@link ClosedChannelException} when it is closed. */
  interface Source {
    SocketChannel accept() throws IOException;

    void close() throws IOException;
  }

  /** Who takes over connections; returns soon, what it does is on another thread. */
  @FunctionalInterface
  public interface Taker {
    /** Owns the connection once it has returned: what it throws leaves that to be closed. */
    void take(SocketChannel client) throws IOException;
  }

  private final String name;
  private final Source source;
  private final Taker taker;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Backoff pauses = new Backoff(FIRST_PAUSE, LONGEST_PAUSE);
  private long failures;

  private AcceptLoop(String name, Source source, Taker taker) {
    this.name = name;
    this.source = source;
    this.taker = taker;
  }

  /**
   * Accepts from now on.
   *
   * @param name of its thread
   * @param server bound; owned from now on
   */
  public static AcceptLoop start(String name, ServerSocketChannel server, Taker taker) {
    return start(
        name,
        new Source() {
          @Override
          public SocketChannel accept() throws IOException {
            return server.accept();
          }

          @Override
          public void close() throws IOException {
            server.close();
          }
        },
        taker);
  }

  static AcceptLoop start(String name, Source source, Taker taker) {
    AcceptLoop loop = new AcceptLoop(name, source, taker);
    LastResort.vital(name, loop::run).start();
    return loop;
  }

  /** Takes no connection any more. Idempotent. */
  @Override
  public void close() throws IOException {
    closing.countDown();
    source.close();
  }

  private void run() {
    while (closing.getCount() > 0) {
      SocketChannel client = null;
      try {
        client = source.accept();
        taker.take(client);
        worked();
      } catch (ClosedChannelException e) {
        if (client == null) {
          ended(e);
          return;
        }
        failed(client, e);
      } catch (IOException | RuntimeException | Error e) {
        failed(client, e);
      }
    }
  }

  private void ended(ClosedChannelException e) {
    if (closing.getCount() > 0) {
      throw new IllegalStateException(name + ": its socket was closed by somebody else", e);
    }
  }

  private void worked() {
    if (failures > 0) {
      log.info("{}: connections are taken again, after {} failures", name, failures);
      failures = 0;
      pauses.reset();
    }
  }

  private void failed(SocketChannel client, Throwable why) {
    try {
      if (client != null) {
        client.close();
      }
    } catch (IOException e) {
      why.addSuppressed(e);
    }
    if (failures++ == 0) {
      log.error("{}: no connection can be taken now, tried again and again", name, why);
    }
    try {
      var unused = closing.await(pauses.next().toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      throw new IllegalStateException(name + ": interrupted, by nobody who may", e);
    }
  }
}

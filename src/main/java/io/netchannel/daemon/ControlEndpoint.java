package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.netchannel.files.PrivateSocket;
import io.netchannel.threads.AcceptLoop;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The daemon's side of the command line: a Unix socket where a connection carries one JSON request
 * (ended by a line feed or by closing the sending side) and one JSON reply.
 *
 * <pre>
 *   -> {"command": "devices", "domain": "g1"}
 *   &lt;- {"ok": true, "result": [...]}      or  {"ok": false, "error": "..."}
 * </pre>
 */
public final class ControlEndpoint implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(ControlEndpoint.class);

  /** A request names a domain, a source and a target: far below this. */
  static final int MAX_REQUEST_BYTES = 64 * 1024;

  /** Only administrators talk to us, one command each. */
  private static final int MAX_CONNECTIONS = 16;

  /** How long a client may take to send its request. */
  private static final Duration REQUEST_BOUND = Duration.ofSeconds(10);

  /** Answers requests; called on one thread per connection. */
  @FunctionalInterface
  public interface Handler {
    /** The reply's "result": maps, lists, texts, numbers. */
    Object handle(Map<String, Object> request) throws ControlException;
  }

  private final Path socket;
  private final PrivateSocket name;
  private final Handler handler;
  private final ExecutorService connections =
      Executors.newFixedThreadPool(MAX_CONNECTIONS, threads("control-%d"));
  private final ScheduledThreadPoolExecutor bounds =
      new ScheduledThreadPoolExecutor(1, threads("control-bound"));
  private final AcceptLoop acceptor;

  private ControlEndpoint(
      Path socket, PrivateSocket name, Handler handler, ServerSocketChannel server) {
    this.socket = socket;
    this.name = name;
    this.handler = handler;
    bounds.prestartAllCoreThreads(); // a request must not find that there is none for its bound
    acceptor =
        AcceptLoop.start(
            "control-accept", server, channel -> connections.execute(() -> serve(channel)));
  }

  /** Listens on {@code socket}, in place of a daemon before that has left it behind. */
  public static ControlEndpoint open(Path socket, Handler handler) throws IOException {
    ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    PrivateSocket name;
    try {
      name = PrivateSocket.bind(socket, path -> server.bind(UnixDomainSocketAddress.of(path)));
    } catch (IOException e) {
      server.close();
      throw e;
    }
    return new ControlEndpoint(socket, name, handler, server);
  }

  @Override
  public void close() {
    try {
      name.close();
      acceptor.close();
    } catch (IOException e) {
      log.warn("closing {}: {}", socket, e.toString());
    }
    connections.shutdownNow();
    bounds.shutdownNow();
  }

  private void serve(SocketChannel channel) {
    try (channel) {
      Future<?> bound =
          bounds.schedule(() -> abandon(channel), REQUEST_BOUND.toMillis(), TimeUnit.MILLISECONDS);
      String request = receive(channel);
      bound.cancel(false);
      ByteBuffer reply =
          ByteBuffer.wrap((Json.write(answer(request)) + "\n").getBytes(StandardCharsets.UTF_8));
      while (reply.hasRemaining()) {
        channel.write(reply);
      }
    } catch (IOException e) {
      log.debug("a control connection ended early: {}", e.toString());
    } catch (RuntimeException | Error e) {
      log.error("a control connection failed inside netchanneld", e);
    }
  }

  private Map<String, Object> answer(String text) {
    try {
      Object result = handler.handle(Json.parseObject(text));
      return ImmutableMap.of("ok", true, "result", result);
    } catch (ControlException | IllegalArgumentException e) {
      return ImmutableMap.of("ok", false, "error", String.valueOf(e.getMessage()));
    } catch (RuntimeException | Error e) {
      log.error("control request {}", text, e);
      return ImmutableMap.of("ok", false, "error", "the daemon failed: " + e);
    }
  }

  private static String receive(SocketChannel channel) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(MAX_REQUEST_BYTES);
    int start = 0;
    while (buffer.hasRemaining() && channel.read(buffer) >= 0) {
      for (; start < buffer.position(); start++) {
        if (buffer.get(start) == '\n') {
          return new String(buffer.array(), 0, start, StandardCharsets.UTF_8);
        }
      }
    }
    return new String(buffer.array(), 0, buffer.position(), StandardCharsets.UTF_8);
  }

  private static void abandon(SocketChannel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      log.debug("closing a silent control connection: {}", e.toString());
    }
  }

  private static ThreadFactory threads(String name) {
    return new ThreadFactoryBuilder().setNameFormat(name).setDaemon(true).build();
  }
}

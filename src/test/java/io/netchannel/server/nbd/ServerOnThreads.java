package io.netchannel.server.nbd;

import io.netchannel.wire.Transport;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** A server with threads of its own, which end with it. */
record ServerOnThreads(NbdServer server, Transport threads) implements AutoCloseable {
  static ServerOnThreads of(List<NbdExport> exports, boolean mayWait) {
    return of(exports, mayWait, NbdServer.HANDSHAKE_BOUND);
  }

  static ServerOnThreads of(List<NbdExport> exports, boolean mayWait, Duration handshakeBound) {
    Transport threads = new Transport("nbd", 1);
    return new ServerOnThreads(
        new NbdServer(exports, threads, mayWait, handshakeBound, System::nanoTime), threads);
  }

  InetSocketAddress listen(InetSocketAddress address) throws IOException {
    return server.listen(address);
  }

  void listen(Path socket) throws IOException {
    server.listen(socket);
  }

  @Override
  public void close() {
    server.close();
    threads.close();
  }
}

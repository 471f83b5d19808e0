package io.netchannel.server.nbd;

import io.netchannel.wire.Transport;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;

/** A server on an event loop of its own, which ends with it. */
record LoopServer(LoopNbdServer server, Transport transport) implements NbdListener {
  static NbdListener of(List<NbdExport> exports) {
    Transport transport = new Transport("nbd", 1);
    return new LoopServer(new LoopNbdServer(exports, transport, System::nanoTime), transport);
  }

  @Override
  public InetSocketAddress listen(InetSocketAddress address) throws IOException {
    return server.listen(address);
  }

  @Override
  public void listen(Path socket) throws IOException {
    server.listen(socket);
  }

  @Override
  public void close() {
    server.close();
    transport.close();
  }
}

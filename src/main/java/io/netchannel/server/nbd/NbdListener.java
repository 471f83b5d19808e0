package io.netchannel.server.nbd;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;

/** A server of devices to NBD clients. */
public interface NbdListener extends AutoCloseable {
  /**
   * Listens on a TCP port.
   *
   * @return where, with the port that was found when 0 was given
   */
  InetSocketAddress listen(InetSocketAddress address) throws IOException;

  /** Listens on a Unix socket, in place of one that a server before has left behind. */
  void listen(Path socket) throws IOException;

  /**
   * Ends all connections and waits for what their requests are doing at the devices, which stay
   * open. Idempotent.
   */
  @Override
  void close();
}

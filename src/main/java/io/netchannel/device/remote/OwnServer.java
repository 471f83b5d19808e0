package io.netchannel.device.remote;

import com.google.common.net.HostAndPort;
import java.net.InetSocketAddress;

/**
 * Knows the device server of this very process, so that a client finds out that it is its own
 * server's. Asked anew for each connection: a name may move from one host to another.
 */
public interface OwnServer {
  /** For a process without a device server. */
  OwnServer NONE =
      new OwnServer() {
        @Override
        public boolean isCalled(HostAndPort server) {
          return false;
        }

        @Override
        public boolean isAt(InetSocketAddress address) {
          return false;
        }
      };

  /** Whether that is its name and port: decided without the name service. */
  boolean isCalled(HostAndPort server);

  /** Whether a connection to that address, which may be unresolved, would come to it. */
  boolean isAt(InetSocketAddress address);
}

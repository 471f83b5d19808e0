package io.netchannel.daemon;

import com.google.common.net.HostAndPort;
import io.netchannel.device.remote.OwnServer;
import io.netchannel.net.HostPorts;
import io.netchannel.net.Interfaces;
import io.netchannel.wire.Wire;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.function.Predicate;

/**
 * Which addresses of device servers are this host's own: its name in [daemon], or an address of one
 * of its interfaces; with the port of its server, and where its server listens.
 *
 * <p>It is meant also when the server does not listen to other hosts, as those without certificates
 * do not: then with the address that it would listen at. Not asked are the names in certificates: a
 * name that moves between hosts may be in those of all of them.
 */
final class ThisHost implements OwnServer {
  private final String name;
  private final Predicate<InetAddress> isOurs;
  private volatile InetSocketAddress server;

  /**
   * Knows its interfaces, as they are when it is asked.
   *
   * @param name of the daemon
   * @param server where its server listens, or would listen
   */
  ThisHost(String name, HostAndPort server) {
    this(name, server, Interfaces::isOurs);
  }

  ThisHost(String name, HostAndPort server, Predicate<InetAddress> isOurs) {
    this.name = name;
    this.isOurs = isOurs;
    this.server = new InetSocketAddress(server.getHost(), server.getPort());
  }

  /** The port that it really has. */
  void listensAt(int port) {
    server = new InetSocketAddress(server.getAddress(), port);
  }

  /** The source by which all hosts reach an export of this one. */
  String source(String export) {
    int port = server.getPort();
    String host = HostPorts.uriText(HostAndPort.fromParts(name, port));
    String shorter = port == Wire.DEFAULT_PORT ? host.substring(0, host.lastIndexOf(':')) : host;
    return "netchannel://%s/%s".formatted(shorter, export);
  }

  /** By its name, or by an address that the name service has for it. */
  boolean isMeantBy(HostAndPort wanted) {
    if (isCalled(wanted)) {
      return true;
    }
    try {
      return Arrays.stream(InetAddress.getAllByName(wanted.getHost()))
          .anyMatch(address -> isAt(new InetSocketAddress(address, wanted.getPort())));
    } catch (UnknownHostException e) {
      return false;
    }
  }

  @Override
  public boolean isCalled(HostAndPort wanted) {
    return wanted.getHost().equalsIgnoreCase(name) && wanted.getPort() == server.getPort();
  }

  @Override
  public boolean isAt(InetSocketAddress address) {
    return !address.isUnresolved()
        && address.getPort() == server.getPort()
        && isOurs.test(address.getAddress())
        && covers(address.getAddress());
  }

  /**
   * Two servers of one host may have one port at different addresses. But Debian gives a host's own
   * name a loopback address, at which a server for others does not listen.
   */
  private boolean covers(InetAddress address) {
    InetAddress listens = server.getAddress();
    return listens != null
        && (listens.isAnyLocalAddress()
            || listens.equals(address)
            || (address.isLoopbackAddress() && !listens.isLoopbackAddress()));
  }
}

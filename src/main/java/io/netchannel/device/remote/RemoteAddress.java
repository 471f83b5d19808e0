package io.netchannel.device.remote;

import com.google.common.collect.ImmutableList;
import com.google.common.net.HostAndPort;
import com.google.common.net.InetAddresses;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Storage;
import io.netchannel.net.HostPorts;
import io.netchannel.net.Interfaces;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.Names;
import io.netchannel.wire.Wire;
import io.netty.channel.unix.DomainSocketAddress;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.Optional;

/**
 * Where an export is.
 *
 * @param kind what it is; the name of a USB device has "usb/" before it
 * @param plain whether it is reached without TLS: over a Unix socket or a loopback address
 * @param host and port of the server; empty for a Unix socket
 * @param socket path of the Unix socket; empty with a host
 * @param export its name
 */
record RemoteAddress(
    ExportKind kind,
    boolean plain,
    Optional<HostAndPort> host,
    Optional<String> socket,
    String export) {
  static final String TCP = "netchannel";
  static final String PLAIN_TCP = "netchannel+tcp";
  static final String UNIX = "netchannel+unix";

  private static final String SOCKET = "?socket=";

  /** Before the name of a USB device. */
  private static final String USB = "/usb/";

  /** Reads what follows a scheme and its colon. */
  @FunctionalInterface
  interface Parser {
    RemoteAddress parse(String text) throws DeviceException;
  }

  /** Of a USB device: as that of a disk, with "usb/" before its name. */
  static RemoteAddress parseUsb(String scheme, String text, Parser ofDisks) throws DeviceException {
    int slash = text.indexOf('/', 2);
    if (slash < 0 || !text.startsWith(USB, slash)) {
      throw wrong(scheme, text, "usb/NAME after the host of a USB device");
    }
    RemoteAddress found =
        ofDisks.parse(text.substring(0, slash) + text.substring(slash + USB.length() - 1));
    return new RemoteAddress(ExportKind.USB, found.plain, found.host, found.socket, found.export);
  }

  /** Reads what follows "netchannel:". */
  static RemoteAddress parseTcp(String text) throws DeviceException {
    return parse(false, TCP, text, "netchannel://host[:port]/name");
  }

  /** Reads what follows "netchannel+tcp:". */
  static RemoteAddress parsePlainTcp(String text) throws DeviceException {
    String expected = "netchannel+tcp://127.0.0.1:port/name, as nothing encrypts it";
    RemoteAddress address = parse(true, PLAIN_TCP, text, expected);
    String host = address.host.orElseThrow().getHost();
    if (!InetAddresses.isInetAddress(host) || !InetAddresses.forString(host).isLoopbackAddress()) {
      throw wrong(PLAIN_TCP, text, expected);
    }
    return address;
  }

  private static RemoteAddress parse(boolean plain, String scheme, String text, String expected)
      throws DeviceException {
    int slash = text.indexOf('/', 2);
    if (!text.startsWith("//") || slash < 0) {
      throw wrong(scheme, text, expected);
    }
    try {
      HostAndPort host = HostPorts.parseInUri(text.substring(2, slash), Wire.DEFAULT_PORT);
      if (host.getPort() == 0) {
        throw wrong(scheme, text, expected);
      }
      return new RemoteAddress(
          ExportKind.DISK,
          plain,
          Optional.of(host),
          Optional.empty(),
          name(scheme, text, text.substring(slash + 1)));
    } catch (IllegalArgumentException e) {
      throw wrong(scheme, text, expected);
    }
  }

  /** Reads what follows "netchannel+unix:". */
  static RemoteAddress parseUnix(String text) throws DeviceException {
    int question = text.indexOf(SOCKET);
    if (!text.startsWith("///") || question < 0) {
      throw wrong(UNIX, text, "netchannel+unix:///name?socket=PATH");
    }
    String path = text.substring(question + SOCKET.length());
    if (!path.startsWith("/")) {
      throw wrong(UNIX, text, "an absolute path after " + SOCKET);
    }
    return new RemoteAddress(
        ExportKind.DISK,
        true,
        Optional.empty(),
        Optional.of(path),
        name(UNIX, text, text.substring(3, question)));
  }

  private static String name(String scheme, String text, String name) throws DeviceException {
    if (!Names.isExport(name)) {
      throw wrong(
          scheme, text, "an export's name of letters, digits, '.', '_' and '-' after the host");
    }
    return name;
  }

  private static DeviceException wrong(String scheme, String text, String expected) {
    return new DeviceException("expected %s, found %s:%s".formatted(expected, scheme, text));
  }

  /**
   * May ask the name service, and wait for it.
   *
   * @return all addresses of the host, in the order in which to try them
   * @throws UncheckedIOException when it does not know the host; an unresolved address would be
   *     asked for again on the event loop, where other devices wait
   */
  ImmutableList<SocketAddress> resolve() {
    if (socket.isPresent()) {
      return ImmutableList.of(new DomainSocketAddress(socket.get()));
    }
    try {
      int port = host.get().getPort();
      return Arrays.stream(InetAddress.getAllByName(host.get().getHost()))
          .map(address -> new InetSocketAddress(address, port))
          .collect(ImmutableList.toImmutableList());
    } catch (UnknownHostException e) {
      throw new UncheckedIOException("unknown host: " + e.getMessage(), e);
    }
  }

  /**
   * The storage behind it when its server does not say which that is. May ask the name service.
   *
   * @throws UncheckedIOException as {@link #resolve}
   */
  Storage untold() {
    ImmutableList<SocketAddress> found = resolve();
    return Storage.untold(
        found.stream().map(at -> "netchannel " + name(at) + " " + export).toList(),
        found.stream().anyMatch(RemoteAddress::isHere));
  }

  private static String name(SocketAddress address) {
    return address instanceof InetSocketAddress server
        ? Interfaces.hostOf(server.getAddress()) + ":" + server.getPort()
        : address.toString();
  }

  private static boolean isHere(SocketAddress address) {
    return !(address instanceof InetSocketAddress server) || Interfaces.isOurs(server.getAddress());
  }

  /** What the certificate of its server has to prove. */
  String certified() {
    return HostPorts.withoutZone(host.orElseThrow().getHost());
  }

  @Override
  public String toString() {
    String path = (kind == ExportKind.USB ? USB : "/") + export;
    return socket.isPresent()
        ? UNIX + "://" + path + SOCKET + socket.get()
        : (plain ? PLAIN_TCP : TCP) + "://" + HostPorts.uriText(host.get()) + path;
  }
}

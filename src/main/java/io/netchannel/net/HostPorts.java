package io.netchannel.net;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.base.CharMatcher;
import com.google.common.net.HostAndPort;
import com.google.common.net.InetAddresses;

/**
 * Reads {@code HOST[:PORT]}. The host is a name of the name service, which may have underscores
 * (RFC 3986 reg-name; {@link java.net.URI} takes none), an IPv4 address, or an IPv6 address in
 * brackets, with the network interface to use where it is a link-local one: {@code
 * [fe80::1%25eth0]} as RFC 6874 writes it, or {@code [fe80::1%eth0]} as ping and ssh do.
 */
public final class HostPorts {
  private static final char ZONE = '%';

  /** A percent sign as a URI has it. */
  private static final String ENCODED_ZONE = "%25";

  /**
   * What RFC 6874 has in an interface's name without an escape. Linux takes more, a percent sign
   * too, but that could not be told from the escape of one.
   */
  private static final CharMatcher INTERFACE =
      CharMatcher.inRange('a', 'z')
          .or(CharMatcher.inRange('A', 'Z'))
          .or(CharMatcher.inRange('0', '9'))
          .or(CharMatcher.anyOf("._~-"));

  private HostPorts() {}

  /**
   * Reads one; an IPv6 address without a port may go without its brackets.
   *
   * @return without brackets, the interface after a plain {@code %}
   * @throws IllegalArgumentException when it is none; the message says why
   */
  public static HostAndPort parse(String text, int defaultPort) {
    checkArgument(text.indexOf('@') < 0, "a user name, which no server here asks for");
    HostAndPort parsed = HostAndPort.fromString(text).withDefaultPort(defaultPort);
    String host = parsed.getHost();
    checkArgument(!host.isEmpty(), "no host");
    if (text.startsWith("[") || host.indexOf(':') >= 0) {
      host = withPlainZone(host);
      String address = withoutZone(host);
      checkArgument(
          host.indexOf(':') >= 0 && InetAddresses.isInetAddress(address),
          "no IPv6 address in \"%s\"",
          text);
      checkArgument(
          host.equals(address) || INTERFACE.matchesAllOf(host.substring(address.length() + 1)),
          "no network interface's name of letters, digits, '.', '_', '~' and '-' in \"%s\"",
          text);
    } else {
      // Written again it would be an escape, of another name.
      checkArgument(host.indexOf(ZONE) < 0, "a percent sign in the host's name \"%s\"", host);
    }
    return HostAndPort.fromParts(host, parsed.getPort());
  }

  /** Likewise, of a URI: an IPv6 address has its brackets. */
  public static HostAndPort parseInUri(String text, int defaultPort) {
    HostAndPort parsed = parse(text, defaultPort);
    checkArgument(
        text.startsWith("[") || parsed.getHost().indexOf(':') < 0,
        "an IPv6 address without its brackets");
    return parsed;
  }

  /** {@code %25} and nothing behind it is the interface of that number, not an empty name. */
  private static String withPlainZone(String host) {
    int zone = host.indexOf(ZONE);
    checkArgument(
        zone < 0 || zone < host.length() - 1, "no network interface after the %% of \"%s\"", host);
    boolean encoded =
        zone >= 0
            && host.startsWith(ENCODED_ZONE, zone)
            && host.length() > zone + ENCODED_ZONE.length();
    return encoded
        ? host.substring(0, zone + 1) + host.substring(zone + ENCODED_ZONE.length())
        : host;
  }

  /**
   * The host as others know it, and as a certificate has it: which interface leads to it is a
   * matter of this host.
   */
  public static String withoutZone(String host) {
    int zone = host.indexOf(ZONE);
    return host.indexOf(':') >= 0 && zone >= 0 ? host.substring(0, zone) : host;
  }

  /** As it stands in a URI; {@link #parse} gives the same again. */
  public static String uriText(HostAndPort address) {
    return HostAndPort.fromParts(
            address.getHost().indexOf(':') >= 0
                ? address.getHost().replace("%", ENCODED_ZONE)
                : address.getHost(),
            address.getPort())
        .toString();
  }
}

package io.netchannel.device.nbd;

import com.google.common.base.Splitter;
import com.google.common.net.HostAndPort;
import io.netchannel.device.DeviceException;
import io.netchannel.net.HostPorts;
import io.netchannel.text.PathText;
import io.netchannel.time.Durations;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where an NBD export is, as the NBD project's doc/uri.md writes it:
 *
 * <pre>
 *   nbd://host[:port]/name[?OPTION[&amp;OPTION]]
 *   nbd+unix:///name?socket=PATH[&amp;OPTION]...
 * </pre>
 *
 * The name may be empty and its characters percent-encoded. The options are ours: {@code
 * reconnect=SECONDS}, how long requests wait for a lost server before they fail, for ever when it
 * is missing; {@code cache=writethrough}, see the package.
 *
 * @param host empty for a Unix socket; an IPv6 address without brackets
 * @param socket the Unix socket's path
 * @param writeThrough whether a write is answered only when the server has made it durable
 */
public record NbdUri(
    String host,
    int port,
    Optional<Path> socket,
    String name,
    Optional<Duration> reconnect,
    boolean writeThrough) {
  static final String TCP = "nbd";
  static final String UNIX = "nbd+unix";

  private static final String SOCKET = "socket";
  private static final String RECONNECT = "reconnect";
  private static final String CACHE = "cache";
  private static final String WRITEBACK = "writeback";
  private static final String WRITETHROUGH = "writethrough";

  /** By hand: {@link URI} refuses hosts with an underscore, and interfaces with a hyphen. */
  private static final Pattern PARTS = Pattern.compile("([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)");

  /** What RFC 3986 has in one, with escapes; an '@' is refused in better words. */
  private static final Pattern AUTHORITY =
      Pattern.compile("(?:[A-Za-z0-9._~!$&'()*+,;=:@\\[\\]-]|%[A-Za-z0-9])*");

  private static final String NO_AUTHORITY = "nbd://h";

  private static final int MAX_PORT = 0xffff;

  /** A day: who waits longer means for ever. */
  private static final long MAX_RECONNECT_SECONDS = 86400;

  public static NbdUri tcp(String host, int port, String name) {
    return new NbdUri(host, port, Optional.empty(), name, Optional.empty(), false);
  }

  public static NbdUri unix(Path socket, String name) {
    return new NbdUri("", 0, Optional.of(socket), name, Optional.empty(), false);
  }

  /** Reads the text form, scheme included. */
  public static NbdUri parse(String text) throws DeviceException {
    Matcher parts = PARTS.matcher(text);
    if (!parts.matches()) {
      throw bad(text, "found another form");
    }
    String scheme = parts.group(1);
    String authority = parts.group(2);
    URI uri = rest(text, parts.group(3));
    Map<String, String> query = query(text, uri.getRawQuery());
    Optional<Duration> reconnect = reconnect(text, query.remove(RECONNECT));
    boolean writeThrough = writeThrough(text, query.remove(CACHE));
    String socket = query.remove(SOCKET);
    if (!query.isEmpty()) {
      throw bad(text, "found the unknown parameter " + query.keySet().iterator().next());
    }
    String path = uri.getPath() == null ? "" : uri.getPath();
    String name = path.startsWith("/") ? path.substring(1) : path;
    if (name.getBytes(StandardCharsets.UTF_8).length > NbdProtocol.MAX_STRING_BYTES) {
      throw bad(text, "found a name of more than " + NbdProtocol.MAX_STRING_BYTES + " bytes");
    }
    if (TCP.equals(scheme)) {
      if (socket != null) {
        throw bad(text, "found a socket beside a host");
      }
      HostAndPort address = address(text, authority);
      return new NbdUri(
          address.getHost(), address.getPort(), Optional.empty(), name, reconnect, writeThrough);
    }
    if (UNIX.equals(scheme)) {
      if (!authority.isEmpty() || socket == null || !socket.startsWith("/")) {
        throw bad(text, "found a host, or no absolute path of a socket");
      }
      return new NbdUri("", 0, Optional.of(path(text, socket)), name, reconnect, writeThrough);
    }
    throw bad(text, "found another scheme");
  }

  /** Path and query, read behind an authority that says nothing. */
  private static URI rest(String text, String rest) throws DeviceException {
    try {
      URI uri = new URI(NO_AUTHORITY + rest);
      if (uri.getFragment() != null) {
        throw bad(text, "found another form");
      }
      return uri;
    } catch (URISyntaxException e) {
      throw bad(text, "found: " + e.getReason());
    }
  }

  private static HostAndPort address(String text, String authority) throws DeviceException {
    if (!AUTHORITY.matcher(authority).matches()) {
      throw bad(text, "found: Illegal character in the host's name; write it in ASCII (xn--)");
    }
    try {
      // In brackets a percent sign is not an escape but stands before a network interface.
      String plain = authority.startsWith("[") ? authority : decode(authority);
      HostAndPort address = HostPorts.parseInUri(plain, NbdProtocol.DEFAULT_PORT);
      if (!AUTHORITY.matcher(plain).matches() || address.getPort() == 0) {
        throw bad(text, "found no port of 1 to " + MAX_PORT + ", or no host's name");
      }
      return address;
    } catch (IllegalArgumentException e) {
      throw bad(text, "found: " + e.getMessage());
    }
  }

  private static Path path(String text, String socket) throws DeviceException {
    try {
      return PathText.parse(socket);
    } catch (IllegalArgumentException e) {
      throw bad(text, "found: " + e.getMessage());
    }
  }

  private static Map<String, String> query(String text, String raw) throws DeviceException {
    Map<String, String> found = new HashMap<>();
    if (raw == null) {
      return found;
    }
    for (String each : Splitter.on('&').omitEmptyStrings().split(raw)) {
      int equals = each.indexOf('=');
      if (equals <= 0) {
        throw bad(text, "found \"%s\", which is not name=value".formatted(each));
      }
      String value = decode(each.substring(equals + 1));
      if (value.indexOf('\0') >= 0 || found.put(each.substring(0, equals), value) != null) {
        throw bad(text, "found a zero byte, or a parameter twice");
      }
    }
    return found;
  }

  /** Percent-decoding only: in a URI, unlike in a form, '+' is itself. */
  private static String decode(String raw) {
    return URLDecoder.decode(raw.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  private static Optional<Duration> reconnect(String text, String value) throws DeviceException {
    if (value == null) {
      return Optional.empty();
    }
    // A plain number is in seconds.
    Optional<Duration> bound = Durations.parse(value.matches("\\d+") ? value + "s" : value);
    if (bound.isEmpty()
        || bound.get().toNanosPart() != 0
        || bound.get().toSeconds() > MAX_RECONNECT_SECONDS) {
      throw bad(
          text, "found reconnect=%s, not 0 to %d seconds".formatted(value, MAX_RECONNECT_SECONDS));
    }
    return bound;
  }

  private static boolean writeThrough(String text, String value) throws DeviceException {
    if (value == null || value.equals(WRITEBACK)) {
      return false;
    }
    if (!value.equals(WRITETHROUGH)) {
      throw bad(text, "found cache=%s, not %s or %s".formatted(value, WRITEBACK, WRITETHROUGH));
    }
    return true;
  }

  private static DeviceException bad(String text, String found) {
    return new DeviceException(
        "\"%s\": expected nbd://HOST[:PORT]/NAME or nbd+unix:///NAME?socket=PATH, %s"
            .formatted(text, found));
  }

  /** The text form; {@link #parse} gives this again. */
  @Override
  public String toString() {
    try {
      String path = "/" + name;
      List<String> options = new ArrayList<>();
      reconnect.ifPresent(bound -> options.add(RECONNECT + "=" + bound.toSeconds()));
      if (writeThrough) {
        options.add(CACHE + "=" + WRITETHROUGH);
      }
      if (socket.isEmpty()) {
        String query = options.isEmpty() ? null : String.join("&", options);
        String rest = ascii(new URI(TCP, "h", path, query, null));
        String address = HostPorts.uriText(HostAndPort.fromParts(host, port));
        return TCP + "://" + address + rest.substring(NO_AUTHORITY.length());
      }
      // Not by the constructor above: it would leave an '&' in the path of the socket as it is.
      String plain = ascii(new URI(UNIX, "", path, null, null));
      String place = ascii(new URI(null, null, socket.get().toString(), null));
      options.add(0, SOCKET + "=" + place.replace("&", "%26").replace("+", "%2B"));
      return plain + "?" + String.join("&", options);
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Not by toASCIIString: it composes letters and accents anew, which names another export. */
  private static String ascii(URI uri) {
    StringBuilder text = new StringBuilder();
    for (byte each : uri.toString().getBytes(StandardCharsets.UTF_8)) {
      if (each >= 0) {
        text.append((char) each);
      } else {
        text.append("%%%02X".formatted(each & 0xff));
      }
    }
    return text.toString();
  }
}

package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.net.HostAndPort;
import com.google.common.net.InetAddresses;
import io.netchannel.device.usb.UsbShorthand;
import io.netchannel.net.HostPorts;
import io.netchannel.server.Export;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.Wire;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What netchannel.toml says about devices for other hosts, and devices of other hosts.
 *
 * @param listen where clients of other hosts reach the device server; empty when they shall not
 * @param plain a loopback address and port where it lets in clients of this host, and tunnels that
 *     end here, without TLS
 * @param exports what it has
 * @param giveUp requests to a device of another host fail when its server has been away for so
 *     long; empty: guests wait
 * @param legs how disks with two legs on other hosts go on with one
 */
public record ExportSettings(
    Optional<HostAndPort> listen,
    Optional<HostAndPort> plain,
    ImmutableList<Export> exports,
    Optional<Duration> giveUp,
    LegSettings legs) {

  /** Of an empty file: nothing listens, remote disks wait for their servers. */
  public static final ExportSettings NONE =
      new ExportSettings(
          Optional.empty(),
          Optional.empty(),
          ImmutableList.of(),
          Optional.empty(),
          LegSettings.DEFAULT);

  /** Where the server listens when it is wanted and nothing else is said. */
  static final HostAndPort EVERYWHERE = HostAndPort.fromParts("0.0.0.0", Wire.DEFAULT_PORT);

  /** Reads [server], [[export]], [remote] and [mirror]. */
  static ExportSettings read(TomlTable top) throws ConfigurationException {
    boolean wanted = top.has("server") || top.has("export") || top.has("pool");
    TomlTable server = top.table("server");
    Optional<String> text = server.text("listen");
    Optional<HostAndPort> listen = wanted ? Optional.of(EVERYWHERE) : Optional.empty();
    if (text.isPresent()) {
      try {
        listen = Optional.of(HostPorts.parse(text.get(), Wire.DEFAULT_PORT));
      } catch (IllegalArgumentException e) {
        throw server.error("listen", "an address such as \"0.0.0.0:16516\"", text.get());
      }
    }
    Optional<HostAndPort> plain = plain(server);
    server.finish();
    TomlTable remote = top.table("remote");
    Optional<Duration> giveUp = remote.duration("give-up");
    remote.finish();
    LegSettings legs = LegSettings.read(top.table("mirror"));
    return new ExportSettings(listen, plain, exports(top.tables("export")), giveUp, legs);
  }

  private static Optional<HostAndPort> plain(TomlTable server) throws ConfigurationException {
    Optional<String> text = server.text("plain");
    if (text.isEmpty()) {
      return Optional.empty();
    }
    try {
      HostAndPort address = HostAndPort.fromString(text.get());
      if (address.hasPort() && InetAddresses.forString(address.getHost()).isLoopbackAddress()) {
        return Optional.of(address);
      }
    } catch (IllegalArgumentException e) {
      throw server.error("plain", "a loopback address such as \"127.0.0.1:16517\"", text.get());
    }
    throw server.error(
        "plain", "a loopback address such as \"127.0.0.1:16517\": nothing encrypts it", text.get());
  }

  private static ImmutableList<Export> exports(List<TomlTable> tables)
      throws ConfigurationException {
    ImmutableList.Builder<Export> exports = ImmutableList.builder();
    Set<String> names = new HashSet<>();
    for (TomlTable table : tables) {
      String name = table.required("name");
      Optional<String> path = table.text("path");
      Optional<String> source = table.text("source");
      Optional<String> usb = table.text("usb");
      if (Stream.of(path, source, usb).filter(Optional::isPresent).count() != 1) {
        throw table.error(
            "name",
            "export "
                + name
                + " needs a path (\"/dev/vg0/data\"), a source or usb (\"3-1.2\"), and one of them"
                + " only");
      }
      if (path.isPresent() && !path.get().startsWith("/")) {
        throw table.error("path", "a path from the root", path.get());
      }
      if (!names.add(name)) {
        throw table.error("name", "another name for each export", name + " twice");
      }
      try {
        exports.add(
            new Export(
                usb.isPresent() ? ExportKind.USB : ExportKind.DISK,
                name,
                usb.map(UsbShorthand::expand)
                    .or(() -> path.map(text -> "file:" + text))
                    .or(() -> source)
                    .get(),
                table.flag("read-only", false),
                ImmutableSet.copyOf(table.list("allow")),
                Optional.empty()));
      } catch (IllegalArgumentException e) {
        throw table.error("name", e.getMessage());
      }
      table.finish();
    }
    return exports.build();
  }
}

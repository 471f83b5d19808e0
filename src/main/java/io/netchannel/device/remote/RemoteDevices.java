package io.netchannel.device.remote;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.net.HostAndPort;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Storage;
import io.netchannel.device.legs.Authority;
import io.netchannel.device.usb.LookedUsb;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.tls.HostTls;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.Transport;
import io.netchannel.wire.UsbPort;
import io.netty.channel.EventLoop;
import io.netty.handler.ssl.SslContext;
import java.io.UncheckedIOException;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executor;
import java.util.random.RandomGenerator;
import javax.net.ssl.SSLException;

/** Opens devices of other hosts: {@code netchannel:} and {@code netchannel+unix:}. */
public final class RemoteDevices {
  /** What {@link #kinds} has. */
  public static final ImmutableSet<String> SCHEMES =
      ImmutableSet.of(RemoteAddress.TCP, RemoteAddress.PLAIN_TCP, RemoteAddress.UNIX);

  /** The daemon's log has said it at its start. */
  private static final String SEE_DOCTOR = "`netchannel doctor` says what to do";

  private final Transport transport;
  private final Executor executor;
  private final Optional<HostTls> tls;
  private final RemoteOptions options;
  private final RandomGenerator random;
  private final OwnServer own;
  private final String withoutTls;

  /** Without a server in this process. */
  public RemoteDevices(
      Transport transport,
      Executor executor,
      Optional<HostTls> tls,
      RemoteOptions options,
      RandomGenerator random) {
    this(transport, executor, tls, options, random, OwnServer.NONE);
  }

  /**
   * @param transport its threads; closed by who made it, after all devices
   * @param executor asks the name service
   * @param tls this host's certificates; without them only Unix sockets and the own server work
   * @param own the server of this process, on the same transport: used without network
   */
  public RemoteDevices(
      Transport transport,
      Executor executor,
      Optional<HostTls> tls,
      RemoteOptions options,
      RandomGenerator random,
      OwnServer own) {
    this(transport, executor, tls, options, random, own, SEE_DOCTOR);
  }

  /**
   * Likewise.
   *
   * @param withoutTls why there are no certificates, for who would need them
   */
  public RemoteDevices(
      Transport transport,
      Executor executor,
      Optional<HostTls> tls,
      RemoteOptions options,
      RandomGenerator random,
      OwnServer own,
      String withoutTls) {
    this.transport = transport;
    this.executor = executor;
    this.tls = tls;
    this.options = options;
    this.random = random;
    this.own = own;
    this.withoutTls = withoutTls;
  }

  /** By their schemes. */
  public ImmutableMap<String, DeviceKind> kinds() {
    return ImmutableMap.of(
        RemoteAddress.TCP, kind(parser(RemoteAddress.TCP)),
        RemoteAddress.PLAIN_TCP, kind(parser(RemoteAddress.PLAIN_TCP)),
        RemoteAddress.UNIX, kind(parser(RemoteAddress.UNIX)));
  }

  /** Of USB devices, by their schemes: as those of disks, with "usb/" before the name. */
  public ImmutableMap<String, UsbKind> usbKinds() {
    return SCHEMES.stream().collect(ImmutableMap.toImmutableMap(scheme -> scheme, this::usbKind));
  }

  private UsbKind usbKind(String scheme) {
    RemoteAddress.Parser parser = text -> RemoteAddress.parseUsb(scheme, text, parser(scheme));
    return new UsbKind() {
      @Override
      public UsbDevice open(String text, UsbOpenOptions usbOptions) throws DeviceException {
        return openUsb(parser.parse(text), usbOptions);
      }

      @Override
      public long newestGeneration(String text, String user) throws DeviceException {
        return RemoteProbe.ask(link(parser.parse(text)), user, false).generation();
      }

      @Override
      public void check(String text) throws DeviceException {
        var unused = parser.parse(text);
      }
    };
  }

  private UsbDevice openUsb(RemoteAddress address, UsbOpenOptions usbOptions)
      throws DeviceException {
    RemoteLink link = link(address);
    UsbOpenOptions.User user =
        usbOptions.user().orElseGet(() -> new UsbOpenOptions.User("tool/" + UUID.randomUUID(), 1));
    return usbOptions.probe()
        ? looked(RemoteProbe.ask(link, user.name(), false).usb().port())
        : RemoteUsbDevice.open(link, user);
  }

  private static UsbDevice looked(UsbPort told) {
    return new LookedUsb(UsbPorts.state(told, told.incarnation()));
  }

  private DeviceKind kind(RemoteAddress.Parser parser) {
    return new DeviceKind() {
      @Override
      public Device open(String text, OpenOptions openOptions) throws DeviceException {
        return RemoteDevices.this.open(parser.parse(text), openOptions);
      }

      @Override
      public long newestGeneration(String text, String user, boolean readOnly)
          throws DeviceException {
        return RemoteProbe.ask(link(parser.parse(text)), user, readOnly).generation();
      }

      @Override
      public Optional<Storage> storage(String text) throws DeviceException {
        return Optional.of(RemoteDevices.this.storage(parser.parse(text)));
      }

      @Override
      public void check(String text) throws DeviceException {
        var unused = parser.parse(text);
      }
    };
  }

  private Device open(RemoteAddress address, OpenOptions openOptions) throws DeviceException {
    RemoteLink link = link(address);
    // A tool has nothing to reconnect for when it has ended: nobody has its name again.
    OpenOptions.User user =
        openOptions.user().orElseGet(() -> new OpenOptions.User("tool/" + UUID.randomUUID(), 1));
    if (openOptions.probe()) {
      return new RemoteProbe.Looked(
          RemoteDevice.geometryOf(
              RemoteProbe.ask(link, user.name(), openOptions.readOnly()).disk().geometry()));
    }
    return RemoteDevice.open(link, user, openOptions);
  }

  /**
   * What the server of an export keeps of mirrors of which that is a leg.
   *
   * @param source as it is opened
   * @throws DeviceException when it is no source of an export
   */
  public Authority records(String source) throws DeviceException {
    for (String scheme : SCHEMES) {
      if (source.startsWith(scheme + ":")) {
        return records(parser(scheme).parse(source.substring(scheme.length() + 1)), false);
      }
    }
    throw new DeviceException(
        "%s: expected an export as a leg, as netchannel://HOST/NAME".formatted(source));
  }

  /** Whether an export is one of the server in this process, as far as its name says. */
  public boolean isOwn(String source) {
    try {
      return source.startsWith(RemoteAddress.TCP + ":")
          && RemoteAddress.parseTcp(source.substring(RemoteAddress.TCP.length() + 1))
              .host()
              .filter(own::isCalled)
              .isPresent();
    } catch (DeviceException e) {
      return false; // it is refused where it is opened
    }
  }

  /** What another host keeps as the witness of mirrors. */
  public Authority witness(HostAndPort host) {
    return records(
        new RemoteAddress(ExportKind.DISK, false, Optional.of(host), Optional.empty(), "witness"),
        true);
  }

  private Authority records(RemoteAddress address, boolean witness) {
    return new RemoteRecords(() -> link(address), address, witness);
  }

  private static RemoteAddress.Parser parser(String scheme) {
    return switch (scheme) {
      case RemoteAddress.TCP -> RemoteAddress::parseTcp;
      case RemoteAddress.PLAIN_TCP -> RemoteAddress::parsePlainTcp;
      default -> RemoteAddress::parseUnix;
    };
  }

  /** May wait for the server. Of an old one all that is known is where it is. */
  private Storage storage(RemoteAddress address) throws DeviceException {
    Optional<UUID> told = RemoteProbe.storage(link(address), "tool/" + UUID.randomUUID());
    if (told.isPresent()) {
      return Storage.told(told.get());
    }
    try {
      return address.untold(); // the name service has answered a moment ago
    } catch (UncheckedIOException e) {
      throw new DeviceException("%s: %s".formatted(address, e.getMessage()), e);
    }
  }

  private RemoteLink link(RemoteAddress address) throws DeviceException {
    EventLoop loop = transport.next();
    return new RemoteLink(
        address,
        loop,
        transport.here(loop),
        own,
        new AddressOrder(),
        executor,
        context(address),
        withoutTls,
        options,
        random);
  }

  private Optional<SslContext> context(RemoteAddress address) throws DeviceException {
    if (address.host().isEmpty() || address.plain() || tls.isEmpty()) {
      return Optional.empty();
    }
    try {
      return Optional.of(
          tls.get().forClientOf(address.toString(), ImmutableSet.of(address.certified())).build());
    } catch (SSLException e) {
      throw new DeviceException(
          "%s: the client's certificate: %s".formatted(address, e.getMessage()), e);
    }
  }
}

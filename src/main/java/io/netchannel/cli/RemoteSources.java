package io.netchannel.cli;

import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.netchannel.daemon.ConfigurationException;
import io.netchannel.daemon.DaemonConfiguration;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.remote.OwnServer;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsException;
import io.netchannel.wire.Transport;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Devices of other hosts for a command that runs without a daemon, with the certificates that the
 * daemon's configuration names. Configuration, certificates and threads are looked at when the
 * first such device is opened: other commands need none of them.
 */
final class RemoteSources implements AutoCloseable {
  private final Path config;
  private Optional<Transport> transport = Optional.empty();
  private Optional<ExecutorService> names = Optional.empty();
  private ImmutableMap<String, DeviceKind> opened = ImmutableMap.of();

  RemoteSources(Path config) {
    this.config = config;
  }

  /** By their schemes. */
  ImmutableMap<String, DeviceKind> kinds() {
    return RemoteDevices.SCHEMES.stream()
        .collect(ImmutableMap.toImmutableMap(scheme -> scheme, this::kind));
  }

  private DeviceKind kind(String scheme) {
    return new DeviceKind() {
      @Override
      public Device open(String text, OpenOptions options) throws DeviceException {
        return start().get(scheme).open(text, options);
      }
    };
  }

  private synchronized ImmutableMap<String, DeviceKind> start() throws DeviceException {
    if (opened.isEmpty()) {
      DaemonConfiguration configuration = read();
      // One device: its event loop is its only thread.
      transport = Optional.of(new Transport("device-io", 1));
      names =
          Optional.of(
              Executors.newCachedThreadPool(
                  new ThreadFactoryBuilder().setNameFormat("resolve-%d").setDaemon(true).build()));
      opened = devices(configuration).kinds();
    }
    return opened;
  }

  private DaemonConfiguration read() throws DeviceException {
    try {
      return DaemonConfiguration.read(config);
    } catch (ConfigurationException e) {
      throw new DeviceException(e.getMessage(), e);
    }
  }

  /** Without certificates sources on Unix sockets work; what needs them says so. */
  private RemoteDevices devices(DaemonConfiguration configuration) {
    Optional<HostTls> certificates = Optional.empty();
    String problem = "";
    try {
      certificates = Optional.of(new HostTls(configuration.tls()));
    } catch (TlsException e) {
      problem = e.getMessage();
    }
    return new RemoteDevices(
        transport.get(),
        names.get(),
        certificates,
        RemoteOptions.DEFAULT.withGiveUp(configuration.exports().giveUp()),
        new Random(),
        OwnServer.NONE,
        problem);
  }

  /** Its threads, when such a device has been opened. */
  synchronized Optional<Transport> transport() {
    return transport;
  }

  /** After all devices have been closed. */
  @Override
  public synchronized void close() {
    transport.ifPresent(Transport::close);
    names.ifPresent(ExecutorService::shutdownNow);
  }
}

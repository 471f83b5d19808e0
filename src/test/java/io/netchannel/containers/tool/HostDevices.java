package io.netchannel.containers.tool;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsException;
import io.netchannel.tls.TlsFiles;
import io.netchannel.wire.Transport;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Devices as the daemon of a host in a container opens them. */
final class HostDevices implements AutoCloseable {
  private final Transport transport = new Transport("devices", 1);
  private final ExecutorService executor = Executors.newCachedThreadPool();
  private final DeviceOpener opener;
  private final UsbOpener usb;

  /**
   * Connects to nothing yet.
   *
   * @param certificates in libvirt's layout
   */
  HostDevices(Path certificates) throws TlsException {
    RemoteDevices remote =
        new RemoteDevices(
            transport,
            executor,
            Optional.of(new HostTls(TlsFiles.libvirt(certificates))),
            RemoteOptions.DEFAULT,
            new SecureRandom());
    opener = new DeviceOpener(true, remote.kinds());
    usb = new UsbOpener(remote.usbKinds(), ImmutableMap.of());
  }

  Device open(String source, String user, long generation) throws DeviceException {
    return opener.open(source, OpenOptions.of(false, new OpenOptions.User(user, generation)));
  }

  UsbDevice openUsb(String source, String user, long generation) throws DeviceException {
    return usb.open(source, UsbOpenOptions.of(new UsbOpenOptions.User(user, generation)));
  }

  @Override
  public void close() {
    opener.close();
    transport.close();
    executor.shutdownNow();
  }
}

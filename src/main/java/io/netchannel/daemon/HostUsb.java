package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.device.usb.filter.UrbFilters;
import io.netchannel.device.usb.fs.UsbfsKind;
import io.netchannel.device.usb.redir.RedirDevices;
import io.netchannel.device.usb.shared.SharedDevices;
import io.netchannel.device.usb.soft.SoftDevices;
import java.time.Clock;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;

/**
 * The USB devices that a host's guests can have, and its server can export. Those of this host are
 * open once for a guest, whoever of port and server has them ({@link SharedDevices}).
 */
final class HostUsb implements AutoCloseable {
  private final PluggedHere plugged = new PluggedHere();
  private final ScheduledExecutorService software =
      Executors.newSingleThreadScheduledExecutor(
          new ThreadFactoryBuilder().setNameFormat("usb-soft").setDaemon(true).build());

  private final UsbOpener opener;

  /**
   * Opens nothing yet.
   *
   * @param storage for sticks in software
   * @param remote devices of other hosts, by their schemes
   */
  HostUsb(Devices storage, Map<String, UsbKind> remote) {
    SharedDevices shared = new SharedDevices(software, System::nanoTime);
    ImmutableMap<String, UsbKind> own =
        ImmutableMap.of(
            "usb",
            plugged,
            SoftDevices.SCHEME,
            new SoftDevices(software, System::nanoTime, storage),
            RedirDevices.SCHEME,
            new RedirDevices(System::nanoTime, new Random()));
    opener =
        new UsbOpener(
            ImmutableMap.<String, UsbKind>builder()
                .putAll(Maps.transformEntries(own, shared::around))
                .putAll(remote)
                .buildOrThrow(),
            UrbFilters.all(software, Clock.systemUTC()));
  }

  UsbOpener opener() {
    return opener;
  }

  /** After all devices have been closed. */
  @Override
  public void close() {
    plugged.close();
    software.shutdownNow();
  }

  /** What is plugged into this host: watched from its first use on, which most hosts never have. */
  private static final class PluggedHere implements UsbKind, AutoCloseable {
    private UsbfsKind begun;
    private boolean closed;

    private synchronized UsbKind begun() throws DeviceException {
      if (closed) {
        throw new DeviceException("the daemon is shutting down");
      }
      if (begun == null) {
        begun = UsbfsKind.ofThisHost(System::nanoTime);
      }
      return begun;
    }

    @Override
    public UsbDevice open(String text, UsbOpenOptions options) throws DeviceException {
      return begun().open(text, options);
    }

    @Override
    public void check(String text) throws DeviceException {
      begun().check(text);
    }

    @Override
    public synchronized void close() {
      closed = true;
      if (begun != null) {
        begun.close();
      }
    }
  }
}

package io.netchannel.device.usb.fs;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.LookedUsb;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import java.io.IOException;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * The {@code usb:} kind of sources: devices that are plugged into this host ({@link UsbSource}).
 */
public final class UsbfsKind implements UsbKind, AutoCloseable {
  private final UsbfsDevice.Host host;

  UsbfsKind(UsbfsDevice.Host host) {
    this.host = host;
  }

  /**
   * That of this host; watches what is plugged from now on.
   *
   * @param nanoTime holds back repeated errors in the log
   * @throws DeviceException when the kernel has no more watches to give
   */
  public static UsbfsKind ofThisHost(LongSupplier nanoTime) throws DeviceException {
    DeviceFinder finder = new DeviceFinder();
    try {
      return new UsbfsKind(
          new UsbfsDevice.Host(
              finder,
              NodeWatch.start(finder.nodes()),
              LinuxUsbfs::open,
              new UsbfsMemory(),
              nanoTime));
    } catch (IOException e) {
      throw new DeviceException(
          "what is plugged into this host cannot be watched: %s; raise fs.inotify.max_user_instances"
              .formatted(e.getMessage()),
          e);
    }
  }

  @Override
  public UsbDevice open(String text, UsbOpenOptions options) throws DeviceException {
    UsbSource source = UsbSource.parse(text);
    return options.probe() ? new LookedUsb(look(source)) : UsbfsDevice.open(source, host);
  }

  /** Nothing of it is claimed, or even opened. */
  private PortState look(UsbSource source) throws DeviceException {
    try {
      return source
          .choose(host.finder().list())
          .map(found -> new PortState(1, Optional.of(found.asPlugged())))
          .orElse(PortState.EMPTY);
    } catch (IOException e) {
      throw new DeviceException("the USB devices of this host cannot be listed: " + e, e);
    }
  }

  @Override
  public void check(String text) throws DeviceException {
    UsbSource.parse(text);
  }

  /** Ends the watch; devices that are still open see what is plugged a little later. */
  @Override
  public void close() {
    host.hotPlug().close();
  }
}

package io.netchannel.device.usb.redir;

import com.google.common.net.HostAndPort;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.net.HostPorts;
import java.io.IOException;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;

/**
 * The kind {@code usbredir://HOST:PORT}: what a usbredir server has, as {@code usbredirect --as} or
 * a SPICE client that was told to listen. Plain TCP, as the protocol knows nothing else: for
 * networks that can be trusted, or through a tunnel.
 */
public final class RedirDevices implements UsbKind {
  /** What it is in a source text. */
  public static final String SCHEME = "usbredir";

  private static final int NO_PORT = 0;

  private final LongSupplier nanoTime;
  private final RandomGenerator random;

  /**
   * With these clocks.
   *
   * @param nanoTime the monotonic clock
   * @param random scatters attempts to connect
   */
  public RedirDevices(LongSupplier nanoTime, RandomGenerator random) {
    this.nanoTime = nanoTime;
    this.random = random;
  }

  @Override
  public UsbDevice open(String text, UsbOpenOptions options) throws DeviceException {
    HostAndPort address = parse(text);
    try {
      return RedirDevice.open(address, nanoTime, random);
    } catch (IOException e) {
      throw new DeviceException("usbredir:%s cannot be opened: %s".formatted(text, e), e);
    }
  }

  @Override
  public void check(String text) throws DeviceException {
    var unused = parse(text);
  }

  private static HostAndPort parse(String text) throws DeviceException {
    if (!text.startsWith("//")) {
      throw new DeviceException(
          "usbredir:%s: expected usbredir://HOST:PORT, as usbredir://hosta:4000".formatted(text));
    }
    try {
      HostAndPort parsed = HostPorts.parse(text.substring(2), NO_PORT);
      if (parsed.getPort() != NO_PORT) {
        return parsed;
      }
    } catch (IllegalArgumentException e) {
      throw new DeviceException("usbredir:%s: %s".formatted(text, e.getMessage()), e);
    }
    throw new DeviceException(
        "usbredir:%s: expected a port, as usbredir://hosta:4000; the protocol has none of its own"
            .formatted(text));
  }
}

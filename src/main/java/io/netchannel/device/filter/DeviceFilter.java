package io.netchannel.device.filter;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;

/** A filter with its options read, to be put around a device. */
@FunctionalInterface
public interface DeviceFilter {
  /**
   * Puts the filter around {@code device}, which is closed with it; it stays open when this throws.
   */
  Device around(Device device) throws DeviceException;
}

package io.netchannel.device;

/** Opens devices by their source text ("file:/dev/vdb", "delay:write=300ms!file:/srv/a.raw"). */
public interface Devices {

  /**
   * Opens a device with its filters.
   *
   * @param source filters, outermost first, each followed by '!', then the device
   * @throws DeviceException when the text is no source or the device cannot be opened
   */
  Device open(String source, boolean readOnly) throws DeviceException;

  /** Opens, reads the geometry and closes again: what a destination does before it accepts. */
  default DeviceGeometry probe(String source, boolean readOnly) throws DeviceException {
    try (Device device = open(source, readOnly)) {
      return device.geometry();
    }
  }
}

package io.netchannel.device.filter;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import java.util.Optional;

/**
 * All that a filter leaves as it is. What the device below has in custody is not passed on: it
 * knows the filter's completions, and not those of who uses the filter.
 */
abstract class ForwardingDevice implements Device {
  final Device device;

  ForwardingDevice(Device device) {
    this.device = device;
  }

  @Override
  public DeviceGeometry geometry() {
    return device.geometry();
  }

  @Override
  public void useGeneration(long generation) {
    device.useGeneration(generation);
  }

  @Override
  public void keepPlace() {
    device.keepPlace();
  }

  @Override
  public Optional<String> problem() {
    return device.problem();
  }

  @Override
  public void close() {
    device.close();
  }
}

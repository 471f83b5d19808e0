package io.netchannel.coordinator;

import java.util.UUID;

/** A device across hosts and restarts: the domain's UUID and the guest's name for it. */
public record DeviceKey(UUID domain, String target) {
  static DeviceKey of(LocalDevices.GuestDevice device) {
    return new DeviceKey(device.domain(), device.target());
  }
}

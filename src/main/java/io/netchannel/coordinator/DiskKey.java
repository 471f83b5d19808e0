package io.netchannel.coordinator;

import java.util.UUID;

/** A disk across hosts and restarts: the domain's UUID and the guest's name for the disk. */
public record DiskKey(UUID domain, String target) {
  static DiskKey of(LocalDevices.Disk disk) {
    return new DiskKey(disk.domain(), disk.target());
  }
}

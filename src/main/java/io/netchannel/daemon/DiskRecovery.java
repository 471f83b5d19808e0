package io.netchannel.daemon;

import io.netchannel.coordinator.Standing;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.Inheritance;
import java.util.Optional;
import java.util.UUID;
import java.util.function.BiFunction;

/** Gives disks their devices again. What a disk goes on with, the jobs of disks decide. */
final class DiskRecovery extends DeviceRecovery<Device, ServedDisk> {
  /** Disks that are being put in the place of others. */
  interface Jobs {
    /** What a disk's source is, of which its nodes say {@code noted}. */
    String source(ServedDisk disk, String noted);

    /**
     * A disk's source is open, and about to be what its requests go to.
     *
     * @param device the source
     * @return what they go to instead: the source, or a device in front of it
     */
    Device opened(ServedDisk disk, String source, Device device);

    /** Its mid-point has that device. */
    void recovered(ServedDisk disk);
  }

  private final Devices devices;
  private final Jobs jobs;

  /**
   * @param standings what the journal says of a disk
   */
  DiskRecovery(
      Devices devices,
      Jobs jobs,
      BiFunction<UUID, String, Standing> standings,
      GenerationClaim generations,
      Timer timer,
      ServedAgain servedAgain) {
    super(standings, generations, timer, servedAgain);
    this.devices = devices;
    this.jobs = jobs;
  }

  @Override
  String source(ServedDisk disk, String noted) {
    return jobs.source(disk, noted);
  }

  @Override
  long newestGeneration(ServedDisk disk, String source) throws DeviceException {
    DiskDetails details = disk.details();
    return devices.newestGeneration(source, details.userName(), details.readOnly());
  }

  @Override
  Device open(ServedDisk disk, String source, long generation) throws DeviceException {
    Inheritance left = Inheritance.killed(disk.changesBefore());
    return devices.open(source, disk.details().openOptions(generation, Optional.of(left)));
  }

  /**
   * What the guest has behind the new end is gone: it would read errors, and believe in its size.
   */
  @Override
  Device opened(ServedDisk disk, String source, Device device) throws DeviceException {
    long sizeBytes = device.geometry().sizeBytes();
    long toldBytes = disk.midPoint().offeredBytesBefore();
    if (sizeBytes < toldBytes) {
      throw new DeviceException(
          "%s is smaller: expected the %d bytes that the guest was told, found %d; give it its size back"
              .formatted(source, toldBytes, sizeBytes));
    }
    return jobs.opened(disk, source, device);
  }

  @Override
  void recovered(ServedDisk disk) {
    jobs.recovered(disk);
  }
}

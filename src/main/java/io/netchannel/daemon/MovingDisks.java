package io.netchannel.daemon;

import com.google.protobuf.ByteString;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.coordinator.LocalDevices.GuestDevice;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.midpoint.block.BlockLimits;
import io.netchannel.midpoint.block.BlockManifest;
import io.netchannel.xen.XenStore;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** Disks that leave this host and come to it. */
final class MovingDisks extends MovingDevices<Device, BlockManifest, ServedDisk, DiskDetails> {
  private final MidPoints midPoints;

  MovingDisks(XenStore store, MidPoints midPoints) {
    super(store, midPoints);
    this.midPoints = midPoints;
  }

  LocalDevices.ManifestRoom manifestRoom(long wantedBytes) {
    return midPoints.manifestRoom(wantedBytes);
  }

  @Override
  GuestDevice describe(ServedDisk disk) {
    DiskDetails details = disk.details();
    return GuestDevice.disk(
        details.guest().uuid(),
        details.target(),
        details.source().orElse(""),
        details.readOnly(),
        disk.sizeBytes(),
        details.generation());
  }

  @Override
  long manifestDataBytes() {
    return BlockLimits.defaults().common().bufferBytes();
  }

  @Override
  DiskDetails expecting(Guest guest, GuestDevice coming) {
    return DiskDetails.expecting(guest, coming.target(), coming.readOnly());
  }

  @Override
  BlockManifest decode(ServedDisk disk, ByteString manifest) {
    return disk.decode(manifest);
  }

  @Override
  void forgetManifest(ServedDisk disk) {
    disk.forgetManifest();
  }

  @Override
  Device open(ServedDisk disk, GuestDevice coming, boolean isCopy, BlockManifest manifest)
      throws DeviceException {
    midPoints.arrives(disk);
    // A manifest that says nothing of it comes from who has waited for all and flushed it.
    Inheritance left = manifest.inheritance().orElse(Inheritance.ENDED);
    DiskDetails details = disk.details();
    OpenOptions options =
        isCopy
            ? details.copyOptions(coming.generation())
            : details.openOptions(coming.generation(), Optional.of(left));
    Device device = midPoints.open(disk, coming.source(), coming.generation(), options);
    try {
      check(coming, device.geometry().sizeBytes());
      return device;
    } catch (DeviceException | RuntimeException e) {
      device.close();
      throw e;
    }
  }

  /** Where a copy is the end of the migration tells. */
  @Override
  void arrived(ServedDisk disk, GuestDevice coming, boolean isCopy) {
    if (!isCopy) {
      midPoints.arrived(disk, coming.source());
    }
  }

  @Override
  CompletableFuture<Void> probe(GuestDevice coming) {
    return midPoints
        .probe(coming.source(), coming.readOnly())
        .thenCompose(
            geometry -> {
              try {
                check(coming, geometry.sizeBytes());
                return CompletableFuture.completedFuture(null);
              } catch (DeviceException e) {
                return CompletableFuture.failedFuture(e);
              }
            });
  }

  private static void check(GuestDevice disk, long sizeBytes) throws DeviceException {
    if (disk.sizeBytes() == 0) {
      throw new DeviceException(
          "disk %s: its source host cannot open %s at present; see `netchannel devices` there"
              .formatted(disk.target(), disk.source()));
    }
    // A larger one has grown since the source opened it: its guest asks for nothing behind the end.
    if (sizeBytes < disk.sizeBytes()) {
      throw new DeviceException(
          "disk %s: %s is smaller: %d bytes here, %d at the source"
              .formatted(disk.target(), disk.source(), sizeBytes, disk.sizeBytes()));
    }
  }
}

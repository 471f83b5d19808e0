package io.netchannel.daemon;

import io.netchannel.coordinator.LocalDevices;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Devices;
import io.netchannel.device.OpenOptions;
import io.netchannel.midpoint.ManifestBudget;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.vdevice.DeviceType;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.xen.XenStore;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/** The disks that this host serves. What the coordinator asks of them is in {@link HostDevices}. */
public final class MidPoints extends ServedDevices<Device, ServedDisk, DiskDetails> {

  /** Knows where disks have gone. */
  interface Sources {
    /**
     * A disk is about to start from a source.
     *
     * @throws DeviceException when it must not, with why
     */
    void starts(DiskDetails disk, String source) throws DeviceException;

    /** A disk comes from another host. */
    void arrives(DiskDetails disk);

    /** It has come: the other host has said that this is its source. Waits for nothing. */
    void arrived(DiskDetails disk, String source);
  }

  private final Devices devices;

  private volatile Optional<Sources> sources = Optional.empty();

  MidPoints(ServedDevice.Environment environment, Devices devices) {
    super(environment, "disk");
    this.devices = devices;
  }

  @Override
  DeviceType type() {
    return VbdNodes.TYPE;
  }

  @Override
  ServedDisk make(DiskDetails details) {
    return new ServedDisk(environment(), details, this::forget);
  }

  @Override
  Optional<DiskDetails> parse(DeviceAddress address, Map<String, String> nodes) {
    return DiskDetails.parse(address, nodes);
  }

  @Override
  DeviceNodes.Outcome publishNodes(XenStore store, DiskDetails details) {
    return VbdNodes.publish(store, details.address(), details.nodes(), VbdLimits.DEFAULT);
  }

  @Override
  long newestGeneration(ServedDisk disk, String source) throws DeviceException {
    DiskDetails details = disk.details();
    if (sources.isPresent()) {
      sources.get().starts(details, source);
    }
    return devices.newestGeneration(source, details.userName(), details.readOnly());
  }

  @Override
  Device openFor(ServedDisk disk, String source, long generation) throws DeviceException {
    return devices.open(source, disk.details().openOptions(generation, Optional.empty()));
  }

  @Override
  void giveFree(DiskDetails gone, String source) throws DeviceException {
    devices.giveFree(source, gone.openOptions(gone.generation(), Optional.empty()));
  }

  /** Asked of each disk that starts, or comes, from now on. */
  void checkSources(Sources known) {
    sources = Optional.of(known);
  }

  /** As {@link Sources#arrives}. */
  void arrives(ServedDisk disk) {
    sources.ifPresent(known -> known.arrives(disk.details()));
  }

  /** As {@link Sources#arrived}. */
  void arrived(ServedDisk disk, String source) {
    sources.ifPresent(known -> known.arrived(disk.details(), source));
  }

  /** As {@link LocalDevices#manifestRoom}: as much as is wanted, if it fits. */
  LocalDevices.ManifestRoom manifestRoom(long wantedBytes) {
    ManifestBudget manifests = environment().memory().manifests();
    long bytes = manifests.take(wantedBytes);
    AtomicBoolean open = new AtomicBoolean(true);
    return new LocalDevices.ManifestRoom() {
      @Override
      public long bytes() {
        return bytes;
      }

      @Override
      public void close() {
        if (open.getAndSet(false)) {
          manifests.giveBack(bytes);
        }
      }
    };
  }

  /**
   * Publishes the nodes of a new disk; it expects its device.
   *
   * @throws IllegalStateException when the domain has gone
   */
  ServedDisk publish(Guest guest, String target, boolean readOnly) {
    return publish(DiskDetails.expecting(guest, target, readOnly));
  }

  /** Likewise, with other options, when the disk is taken over from another host. */
  Device open(ServedDisk disk, String source, long generation, OpenOptions options)
      throws DeviceException {
    return open(disk, source, generation, () -> devices.open(source, options));
  }

  /** What a device here looks like; the future is there at once, the storage may take its time. */
  CompletableFuture<DeviceGeometry> probe(String source, boolean readOnly) {
    return look(() -> devices.probe(source, readOnly));
  }
}

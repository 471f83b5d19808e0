package io.netchannel.midpoint.block;

import static com.google.common.base.Preconditions.checkArgument;

import io.netchannel.device.Device;
import io.netchannel.midpoint.HandOver;
import io.netchannel.midpoint.Seal;
import io.netchannel.midpoint.block.BlockManifest.Entry;
import java.util.List;

/** How what is pending at a disk leaves for another host, and comes from one. */
final class BlockHandOver implements HandOver<Device, BlockManifest> {
  private final BlockFlow flow;
  private final ManifestEntries entries;
  private final TakeOver takeOver;

  BlockHandOver(BlockFlow flow, ManifestEntries entries, TakeOver takeOver) {
    this.flow = flow;
    this.entries = entries;
    this.takeOver = takeOver;
  }

  @Override
  public BlockManifest nothing() {
    return new BlockManifest(flow.generation(), 0, 0, List.of());
  }

  @Override
  public Seal<BlockManifest> seal(Seal.Terms<BlockManifest> terms) {
    BlockSeal seal = new BlockSeal(flow, entries, terms);
    if (seal.leaves()) {
      flow.leave();
    }
    return seal;
  }

  @Override
  public void drop() {
    entries.dropped();
  }

  @Override
  public void stage(BlockManifest expected) {
    takeOver.stage(expected);
  }

  @Override
  public void unstage() {
    takeOver.unstage();
  }

  @Override
  public void check(BlockManifest handedOver, Device newDevice) {
    long sizeBytes = newDevice.geometry().sizeBytes();
    checkArgument(
        handedOver.entries().isEmpty() || handedOver.diskBytes() <= sizeBytes,
        "%s: the device is smaller: %s bytes here, %s at the source; give both the same device",
        flow.id(),
        sizeBytes,
        handedOver.diskBytes());
    checkArgument(
        handedOver.storage().isEmpty() || newDevice.custody().isPresent(),
        "%s: the source has left requests to the server of its device, and this device has no"
            + " server; give both the same device",
        flow.id());
  }

  @Override
  public void takeOver(BlockManifest handedOver, Device newDevice) {
    takeOver.begin(handedOver, newDevice);
    for (Entry entry : handedOver.entries()) {
      flow.trace().adopt(entry, entry.state());
      entry
          .name()
          .flatMap(newDevice::inherited)
          .ifPresent(outcome -> flow.trace().done(entry, outcome));
    }
  }
}

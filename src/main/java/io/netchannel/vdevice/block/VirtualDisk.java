package io.netchannel.vdevice.block;

import io.netchannel.vdevice.VirtualDevice;
import java.util.Optional;

/** The backend end of one virtual block device (a vbd). */
public interface VirtualDisk extends VirtualDevice<BlockRequest> {

  /** What the frontend was told of the disk, also by a process before; empty before any offer. */
  Optional<BlockGeometry> offered();

  /** Backend InitWait: the frontend may connect, now or (after PREPARED) again. */
  void offer(BlockGeometry geometry);
}

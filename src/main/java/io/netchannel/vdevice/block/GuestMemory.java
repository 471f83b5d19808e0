package io.netchannel.vdevice.block;

import io.netchannel.xen.GrantCopy;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;

/** Copies between our buffers and the pages of one guest; one batch, used again and again. */
final class GuestMemory {
  private final int domid;
  private final GrantTable grants;
  private final GrantCopy batch = new GrantCopy(VbdLimits.HIGHEST_INDIRECT_SEGMENTS);

  GuestMemory(int domid, GrantTable grants) {
    this.domid = domid;
    this.grants = grants;
  }

  GrantTable.Mapping map(int[] references) {
    return grants.map(domid, references);
  }

  /** The batch, empty. */
  GrantCopy batch(GrantCopy.Direction direction, ByteBuffer local) {
    return batch.reset(domid, direction, local);
  }

  /** False when a grant was refused, or the guest has gone. */
  boolean copy(GrantCopy filled) {
    if (filled.count() == 0) {
      return true;
    }
    try {
      return grants.copy(filled);
    } catch (XenException e) {
      return false;
    }
  }
}

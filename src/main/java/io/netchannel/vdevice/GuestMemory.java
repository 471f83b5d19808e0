package io.netchannel.vdevice;

import io.netchannel.xen.GrantCopy;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;

/** Copies between our buffers and the pages of one guest; one batch, used again and again. */
public final class GuestMemory {
  private final int domid;
  private final GrantTable grants;
  private final GrantCopy batch;

  /**
   * @param maxSegments of a batch
   */
  public GuestMemory(int domid, GrantTable grants, int maxSegments) {
    this.domid = domid;
    this.grants = grants;
    batch = new GrantCopy(maxSegments);
  }

  /** The batch, empty. */
  public GrantCopy batch(GrantCopy.Direction direction, ByteBuffer local) {
    return batch.reset(domid, direction, local);
  }

  /** False when a grant was refused, or the guest has gone. */
  public boolean copy(GrantCopy filled) {
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

package io.netchannel.vdevice.usb;

import com.google.common.collect.ImmutableList;
import io.netchannel.vdevice.FrontendNodes;
import io.netchannel.vdevice.FrontendRings;
import io.netchannel.vdevice.HandshakeException;
import io.netchannel.vdevice.QueueNodes;
import io.netchannel.xen.XenStoreOperations;

/**
 * What a frontend has published about its two rings, which share an event channel.
 *
 * @param resumes whether what it submits after a migration waits for these rings
 */
record UsbConnection(QueueNodes queue, boolean resumes) implements FrontendRings {
  /** In the queue: that of plug events. */
  static final int PLUG_RING = 1;

  /**
   * Reads the nodes under {@code frontend}.
   *
   * @throws HandshakeException when a node is missing or is no number
   */
  static UsbConnection read(XenStoreOperations store, String frontend) throws HandshakeException {
    return new UsbConnection(
        new QueueNodes(
            ImmutableList.of(
                ImmutableList.of(FrontendNodes.required(store, frontend, "urb-ring-ref")),
                ImmutableList.of(FrontendNodes.required(store, frontend, "conn-ring-ref"))),
            FrontendNodes.required(store, frontend, "event-channel")),
        FrontendNodes.optional(store, frontend, "feature-resume").orElse(0) == 1);
  }

  /** Of the page of the ring of requests. */
  int urbRingReference() {
    return queue.rings().get(0).get(0);
  }

  @Override
  public ImmutableList<QueueNodes> queues() {
    return ImmutableList.of(queue);
  }

  @Override
  public int slotBytes() {
    return UrbLayout.SLOT_BYTES;
  }

  @Override
  public String toString() {
    return queue + (resumes ? ", resumes" : "");
  }
}

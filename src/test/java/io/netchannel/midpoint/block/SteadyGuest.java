package io.netchannel.midpoint.block;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Device;
import io.netchannel.midpoint.InflightTables;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointStatus;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.block.ResponseStatus;
import io.netchannel.vdevice.block.RingLayout;
import io.netchannel.vdevice.block.Vbd;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.vdevice.block.frontend.FrontRing;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import io.netchannel.xen.embedded.GuestPages;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.UUID;
import java.util.function.UnaryOperator;

/**
 * A guest of the embedded hypervisor with one disk in memory, served by a mid-point. It uses the
 * same pages and grants for ever and allocates nothing itself; all happens on the caller's thread.
 */
final class SteadyGuest implements AutoCloseable {
  /** Slots of a ring of one page, hence the most requests at a time. */
  static final int MAX_DEPTH = 32;

  private static final int PAGE_BYTES = GrantTable.PAGE_BYTES;
  private static final int PAGE_SECTORS = PAGE_BYTES / RingLayout.SECTOR_BYTES;
  static final int DISK_BYTES = 256 * PAGE_BYTES;
  private static final int DISK_PAGES = DISK_BYTES / PAGE_BYTES;
  private static final int DEVID = 51728;

  private final RingLayout layout = RingLayout.X86_64;
  private final ByteBuffer response =
      ByteBuffer.allocate(layout.slotBytes()).order(ByteOrder.LITTLE_ENDIAN);
  private final EmbeddedDomain domain;
  private final FrontRing ring;
  private final int port;
  private final int[] references;
  private final BlockMidPoint midPoint;
  private long nextPage;

  SteadyGuest() {
    EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(Runnable::run);
    domain = hypervisor.createDomain();
    XenStore store = hypervisor.xenStore(0);
    store.write("/local/domain/" + domain.domid() + "/name", "guest");
    domain.unpause();
    DeviceAddress address = VbdNodes.TYPE.address(domain.domid(), DEVID, 0);
    VbdNodes.publish(store, address, ImmutableMap.of(), VbdLimits.DEFAULT);
    Vbd vbd =
        new Vbd(
            address,
            "guest",
            store,
            hypervisor.grantTable(0),
            hypervisor.eventChannels(0),
            VbdLimits.DEFAULT,
            () -> {});
    midPoint =
        new BlockMidPoint(
            new MidPointId("guest", new UUID(0, 1), DEVID, "xvdb"),
            vbd,
            InflightTables.inMemory(BlockMidPoint.INFLIGHT, BlockLimits.defaults().common()),
            BlockLimits.defaults(),
            MidPointTrace.off(),
            System::nanoTime,
            () -> {});
    GuestPages ringPages = domain.allocatePage();
    ring = new FrontRing(ringPages.memory(), layout.slotBytes());
    references = domain.grantAccess(0, domain.allocatePages(MAX_DEPTH), false);
    port = domain.allocUnbound(0);
    domain.onEvent(port, () -> {});
    var unused = midPoint.serve(new MemoryDevice(DISK_BYTES), 1);
    work();
    try (XenStore guest = domain.xenStore()) {
      String frontend = address.frontendPath();
      guest.write(frontend + "/ring-ref", "" + domain.grantAccess(0, ringPages, 0, false));
      guest.write(frontend + "/event-channel", "" + port);
      guest.write(frontend + "/protocol", layout.protocol());
      guest.write(frontend + "/state", "3");
    }
    work();
    if (midPoint.status().frontend() != VirtualDevice.State.CONNECTED) {
      throw new IllegalStateException("the guest is not connected: " + midPoint.status());
    }
  }

  private void work() {
    while (midPoint.doWork() > 0) {}
  }

  /**
   * Puts {@code depth} requests of a page each on the ring, one notification for all, and works
   * until all are answered.
   *
   * @param operation of {@link RingLayout.Wire}
   */
  void exchange(int operation, int depth) {
    for (int i = 0; i < depth; i++) {
      int slot = ring.requestOffset();
      long sector = nextPage * PAGE_SECTORS;
      nextPage = (nextPage + 1) % DISK_PAGES;
      layout.writeRequest(ring.memory(), slot, operation, 1, DEVID, i, sector);
      RingLayout.writeSegment(
          ring.memory(), layout.segmentOffset(slot, 0), references[i], 0, PAGE_SECTORS - 1);
      ring.put();
    }
    if (ring.push()) {
      domain.notify(port);
    }
    int answered = 0;
    while (answered < depth) {
      midPoint.doWork();
      for (int waiting = ring.responses(); waiting > 0; waiting--, answered++) {
        ring.take(response);
        if (RingLayout.responseStatus(response) != ResponseStatus.OKAY.code()) {
          throw new IllegalStateException(
              "status " + RingLayout.responseStatus(response) + ", " + midPoint.status());
        }
      }
      ring.finalCheckForResponses();
    }
  }

  /** Puts another device under the guest. */
  void under(UnaryOperator<Device> around) {
    var exchanged = midPoint.exchange(around);
    work();
    exchanged.join();
  }

  MidPointStatus status() {
    return midPoint.status();
  }

  @Override
  public void close() {
    midPoint.close();
  }
}

package io.netchannel.vdevice.block;

import com.google.common.collect.ImmutableList;
import io.netchannel.vdevice.BackRing;
import io.netchannel.vdevice.GuestLog;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** Maps the rings of one guest's disk and binds their event channels. */
final class RingMapper {
  private final int domid;
  private final GuestMemory guest;
  private final EventChannels events;
  private final VbdLimits limits;
  private final Runnable wake;
  private final GuestLog log;

  RingMapper(
      int domid,
      GrantTable grants,
      EventChannels events,
      VbdLimits limits,
      Runnable wake,
      GuestLog log) {
    this.domid = domid;
    guest = new GuestMemory(domid, grants);
    this.events = events;
    this.limits = limits;
    this.wake = wake;
    this.log = log;
  }

  /** Makes our end of a mapped ring. */
  interface RingOpener {
    BackRing open(int queue, ByteBuffer memory) throws RingBrokenException;
  }

  /**
   * Maps and binds all rings, or none.
   *
   * @throws io.netchannel.xen.XenException when a grant or an event channel is refused
   * @throws RingBrokenException by {@code opener}
   */
  ImmutableList<BlockRing> open(
      ConnectionParameters parameters, BlockGeometry geometry, RingOpener opener)
      throws RingBrokenException {
    List<BlockRing> opened = new ArrayList<>();
    boolean complete = false;
    try {
      for (int queue = 0; queue < parameters.queues().size(); queue++) {
        opened.add(openRing(parameters, queue, geometry, opener));
      }
      complete = true;
      return ImmutableList.copyOf(opened);
    } finally {
      if (!complete) {
        opened.forEach(BlockRing::disconnect);
      }
    }
  }

  private BlockRing openRing(
      ConnectionParameters parameters, int queue, BlockGeometry geometry, RingOpener opener)
      throws RingBrokenException {
    ConnectionParameters.Queue nodes = parameters.queues().get(queue);
    GrantTable.Mapping mapping = guest.map(nodes.pages());
    BlockRing ring = null;
    try {
      BackRing back = opener.open(queue, mapping.memory());
      ring =
          new BlockRing(
              queue,
              parameters.layout(),
              mapping,
              events.bindInterdomain(domid, nodes.port(), wake),
              back,
              new RequestParser(parameters.layout(), geometry, limits, guest),
              guest,
              log);
      return ring;
    } finally {
      if (ring == null) {
        mapping.close();
      }
    }
  }
}

package io.netchannel.vdevice;

import com.google.common.collect.ImmutableList;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** Maps the rings of one guest's device and binds their event channels. */
final class RingMapper {
  private final int domid;
  private final GrantTable grants;
  private final EventChannels events;
  private final Runnable wake;
  private final GuestLog log;

  RingMapper(int domid, GrantTable grants, EventChannels events, Runnable wake, GuestLog log) {
    this.domid = domid;
    this.grants = grants;
    this.events = events;
    this.wake = wake;
    this.log = log;
  }

  /** Makes our end of the mapped ring that has a queue's requests. */
  interface RingOpener {
    BackRing open(int queue, ByteBuffer memory) throws RingBrokenException;
  }

  /**
   * Maps and binds all queues, or none.
   *
   * @throws io.netchannel.xen.XenException when a grant or an event channel is refused
   * @throws RingBrokenException by {@code opener} or {@code protocol}
   */
  <R extends VirtualRequest, P extends FrontendRings> ImmutableList<RequestRing<? extends R>> open(
      P parameters, DeviceProtocol<R, P> protocol, RingOpener opener) throws RingBrokenException {
    List<MappedQueue> queues = new ArrayList<>();
    ImmutableList.Builder<RequestRing<? extends R>> rings = ImmutableList.builder();
    boolean complete = false;
    try {
      for (QueueNodes nodes : parameters.queues()) {
        MappedQueue queue = map(queues.size(), nodes);
        queues.add(queue);
        BackRing ring = opener.open(queue.number(), queue.memory(0));
        rings.add(protocol.makeRing(parameters, queue, ring));
      }
      complete = true;
      return rings.build();
    } finally {
      if (!complete) {
        queues.forEach(MappedQueue::disconnect);
      }
    }
  }

  private MappedQueue map(int number, QueueNodes nodes) {
    List<GrantTable.Mapping> mappings = new ArrayList<>();
    boolean complete = false;
    try {
      for (int ring = 0; ring < nodes.rings().size(); ring++) {
        mappings.add(grants.map(domid, nodes.pages(ring)));
      }
      EventChannels.EventChannel channel = events.bindInterdomain(domid, nodes.port(), wake);
      complete = true;
      return new MappedQueue(number, ImmutableList.copyOf(mappings), channel, log);
    } finally {
      if (!complete) {
        mappings.forEach(GrantTable.Mapping::close);
      }
    }
  }
}

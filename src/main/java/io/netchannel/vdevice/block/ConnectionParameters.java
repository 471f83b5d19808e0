package io.netchannel.vdevice.block;

import com.google.common.collect.ImmutableList;
import io.netchannel.vdevice.FrontendNodes;
import io.netchannel.vdevice.FrontendRings;
import io.netchannel.vdevice.HandshakeException;
import io.netchannel.vdevice.QueueNodes;
import io.netchannel.xen.XenStoreOperations;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What a frontend has published about its rings (io/blkif.h, "Frontend XenBus Nodes" and "Multiple
 * hardware queues/rings").
 */
record ConnectionParameters(RingLayout layout, ImmutableList<QueueNodes> queues)
    implements FrontendRings {

  /**
   * Reads the nodes under {@code frontend}. Written by the guest: anything may be there.
   *
   * @throws HandshakeException when a node is missing or says what we do not take
   */
  static ConnectionParameters read(XenStoreOperations store, String frontend, VbdLimits limits)
      throws HandshakeException {
    Optional<String> protocol = store.read(frontend + "/protocol");
    RingLayout layout =
        RingLayout.of(protocol)
            .orElseThrow(
                () ->
                    new HandshakeException(
                        "unknown fe protocol " + FrontendNodes.printable(protocol.get())));
    int queues = FrontendNodes.optional(store, frontend, "multi-queue-num-queues").orElse(1);
    if (queues < 1 || queues > limits.maxQueues()) {
      throw new HandshakeException(
          "guest requested %s queues, exceeding the maximum of %d"
              .formatted(Integer.toUnsignedString(queues), limits.maxQueues()));
    }
    Optional<Integer> order = FrontendNodes.optional(store, frontend, "ring-page-order");
    if (order.isPresent() && Integer.compareUnsigned(order.get(), limits.maxRingPageOrder()) > 0) {
      throw new HandshakeException(
          "requested ring page order %s exceed max:%d"
              .formatted(Integer.toUnsignedString(order.get()), limits.maxRingPageOrder()));
    }
    ImmutableList.Builder<QueueNodes> rings = ImmutableList.builder();
    for (int queue = 0; queue < queues; queue++) {
      rings.add(readQueue(store, queues == 1 ? frontend : frontend + "/queue-" + queue, order));
    }
    return new ConnectionParameters(layout, rings.build());
  }

  private static QueueNodes readQueue(
      XenStoreOperations store, String directory, Optional<Integer> order)
      throws HandshakeException {
    int port = FrontendNodes.required(store, directory, "event-channel");
    ImmutableList.Builder<Integer> references = ImmutableList.builder();
    if (order.isEmpty()) {
      references.add(FrontendNodes.required(store, directory, "ring-ref"));
    } else {
      for (int page = 0; page < 1 << order.get(); page++) {
        references.add(FrontendNodes.required(store, directory, "ring-ref" + page));
      }
    }
    return QueueNodes.of(references.build(), port);
  }

  @Override
  public int slotBytes() {
    return layout.slotBytes();
  }

  /** For our own node: a restarted daemon compares it to see whether these are still the rings. */
  @Override
  public String toString() {
    return layout.protocol()
        + queues.stream().map(QueueNodes::toString).collect(Collectors.joining(" ", " ", ""));
  }
}

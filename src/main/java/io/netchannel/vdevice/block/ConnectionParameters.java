package io.netchannel.vdevice.block;

import com.google.common.collect.ImmutableList;
import com.google.common.primitives.Ints;
import io.netchannel.xen.XenStoreOperations;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What a frontend has published about its rings (io/blkif.h, "Frontend XenBus Nodes" and "Multiple
 * hardware queues/rings").
 */
record ConnectionParameters(RingLayout layout, ImmutableList<Queue> queues) {

  /**
   * One ring.
   *
   * @param references grant references of its pages, in order
   */
  record Queue(ImmutableList<Integer> references, int port) {
    int[] pages() {
      return Ints.toArray(references);
    }

    @Override
    public String toString() {
      return references.stream().map(Integer::toUnsignedString).collect(Collectors.joining(","))
          + ":"
          + Integer.toUnsignedString(port);
    }
  }

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
                () -> new HandshakeException("unknown fe protocol " + printable(protocol.get())));
    int queues = optional(store, frontend, "multi-queue-num-queues").orElse(1);
    if (queues < 1 || queues > limits.maxQueues()) {
      throw new HandshakeException(
          "guest requested %s queues, exceeding the maximum of %d"
              .formatted(Integer.toUnsignedString(queues), limits.maxQueues()));
    }
    Optional<Integer> order = optional(store, frontend, "ring-page-order");
    if (order.isPresent() && Integer.compareUnsigned(order.get(), limits.maxRingPageOrder()) > 0) {
      throw new HandshakeException(
          "requested ring page order %s exceed max:%d"
              .formatted(Integer.toUnsignedString(order.get()), limits.maxRingPageOrder()));
    }
    ImmutableList.Builder<Queue> rings = ImmutableList.builder();
    for (int queue = 0; queue < queues; queue++) {
      rings.add(readQueue(store, queues == 1 ? frontend : frontend + "/queue-" + queue, order));
    }
    return new ConnectionParameters(layout, rings.build());
  }

  private static Queue readQueue(
      XenStoreOperations store, String directory, Optional<Integer> order)
      throws HandshakeException {
    int port = required(store, directory, "event-channel");
    ImmutableList.Builder<Integer> references = ImmutableList.builder();
    if (order.isEmpty()) {
      references.add(required(store, directory, "ring-ref"));
    } else {
      for (int page = 0; page < 1 << order.get(); page++) {
        references.add(required(store, directory, "ring-ref" + page));
      }
    }
    return new Queue(references.build(), port);
  }

  private static int required(XenStoreOperations store, String directory, String name)
      throws HandshakeException {
    return optional(store, directory, name)
        .orElseThrow(() -> new HandshakeException("reading %s/%s".formatted(directory, name)));
  }

  /** An unsigned 32-bit number, as the kernel reads it with "%u". */
  static Optional<Integer> optional(XenStoreOperations store, String directory, String name)
      throws HandshakeException {
    Optional<String> text = store.read(directory + "/" + name);
    if (text.isEmpty()) {
      return Optional.empty();
    }
    try {
      return Optional.of(Integer.parseUnsignedInt(text.get()));
    } catch (NumberFormatException e) {
      throw new HandshakeException(
          "reading %s/%s: expected a number, found %s"
              .formatted(directory, name, printable(text.get())));
    }
  }

  /** A guest's text for our log: short, and without anything that could forge a line. */
  private static String printable(String text) {
    String plain = text.replaceAll("[^\\x20-\\x7e]", "?");
    return "\"" + (plain.length() <= 32 ? plain : plain.substring(0, 32) + "...") + "\"";
  }

  /** For our own node: a restarted daemon compares it to see whether these are still the rings. */
  @Override
  public String toString() {
    return layout.protocol()
        + queues.stream().map(Queue::toString).collect(Collectors.joining(" ", " ", ""));
  }
}

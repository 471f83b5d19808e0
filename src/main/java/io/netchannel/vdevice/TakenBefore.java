package io.netchannel.vdevice;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The requests that a process which died had taken off the rings, sorted into answered and
 * unanswered as the rings are attached one by one.
 *
 * <p>A request is answered when its answer was recorded and the shared rsp_prod has passed it. An
 * answer is recorded before it is published, so nothing the frontend has seen is missed; what was
 * recorded only is answered again.
 */
final class TakenBefore {
  private final List<ByteBuffer> taken;
  private final boolean[] answered;
  private final int[] consumers;
  private final int slotBytes;
  private final int inherited;

  /**
   * @param inherited of a device with one queue: how many requests it inherited
   */
  TakenBefore(List<ByteBuffer> taken, int[] consumers, FrontendRings parameters, int inherited)
      throws RingBrokenException {
    this.taken = taken;
    this.consumers = consumers;
    this.inherited = inherited;
    slotBytes = parameters.slotBytes();
    answered = new boolean[taken.size()];
    for (ByteBuffer encoded : taken) {
      int queue = TakenRequest.encodedQueue(encoded);
      if (queue < 0 || queue >= parameters.queues().size()) {
        throw new RingBrokenException(
            "a request was taken from queue %d, the frontend has %d"
                .formatted(queue, parameters.queues().size()));
      }
    }
  }

  /** Attaches to the ring of one queue, and learns from it what was answered. */
  BackRing attach(int queue, ByteBuffer memory) throws RingBrokenException {
    int published = SharedRing.readIndex(memory, SharedRing.RSP_PROD_OFFSET);
    int unanswered = 0;
    int unansweredInherited = 0;
    for (int i = 0; i < answered.length; i++) {
      if (TakenRequest.encodedQueue(taken.get(i)) == queue) {
        answered[i] = TakenRequest.encodedAnswerSeen(taken.get(i), published);
        boolean isInherited = TakenRequest.encodedInherited(taken.get(i));
        unanswered += answered[i] || isInherited ? 0 : 1;
        unansweredInherited += !answered[i] && isInherited ? 1 : 0;
      }
    }
    // Nothing is published before all that was inherited is taken: then what is not among the
    // unanswered is answered.
    int ahead = published == 0 ? 0 : inherited - unansweredInherited;
    BackRing ring = BackRing.attach(memory, slotBytes, published - ahead, unanswered, ahead);
    // Requests refused as malformed were answered without having been recorded: consumers may lag.
    if (queue < consumers.length && consumers[queue] - ring.consumer() > 0) {
      throw new RingBrokenException(
          "queue %d: %s requests were taken, but only %s are accounted for"
              .formatted(
                  queue,
                  Integer.toUnsignedString(consumers[queue]),
                  Integer.toUnsignedString(ring.consumer())));
    }
    return ring;
  }

  /** In the order they were given; complete when all rings are attached. */
  List<ByteBuffer> unanswered() {
    return IntStream.range(0, answered.length)
        .filter(i -> !answered[i])
        .mapToObj(taken::get)
        .toList();
  }
}

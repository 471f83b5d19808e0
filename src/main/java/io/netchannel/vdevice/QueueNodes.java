package io.netchannel.vdevice;

import static java.util.stream.Collectors.joining;

import com.google.common.collect.ImmutableList;
import com.google.common.primitives.Ints;

/**
 * What a frontend has published of one queue: an event channel, and the rings that share it. The
 * first ring has the requests.
 *
 * @param rings grant references of each ring's pages, in order
 * @param port of the frontend
 */
public record QueueNodes(ImmutableList<ImmutableList<Integer>> rings, int port) {

  /** A queue of one ring. */
  public static QueueNodes of(ImmutableList<Integer> references, int port) {
    return new QueueNodes(ImmutableList.of(references), port);
  }

  int[] pages(int ring) {
    return Ints.toArray(rings.get(ring));
  }

  /** "8,9:3"; with two rings "8+9:3". */
  @Override
  public String toString() {
    return rings.stream()
            .map(ring -> ring.stream().map(Integer::toUnsignedString).collect(joining(",")))
            .collect(joining("+"))
        + ":"
        + Integer.toUnsignedString(port);
  }
}

package io.netchannel.vdevice;

import java.nio.ByteBuffer;

/**
 * How one kind of device makes requests of slots, or of what a process before has written down; one
 * per ring.
 *
 * @param <Q> its requests, {@link TakenRequest}s
 */
public interface RequestFormat<Q extends VirtualRequest> {

  /** One more request for {@code ring}; they are used again. */
  Q newRequest(RequestRing<Q> ring, int place);

  /** A private buffer of a slot's size, where the slot is copied to before {@link #parse}. */
  ByteBuffer slot();

  /**
   * Fills {@code request} from the copied slot: what has been checked cannot be changed by the
   * guest any more.
   *
   * @return whether it is to be served; else it has been answered here, and said why
   */
  boolean parse(Q request);

  /** What of a ring of before is to be served here; the same object for the ring's life. */
  default InheritedRequests inherited() {
    return InheritedRequests.NONE;
  }

  /**
   * Serves the queue's other rings, if it has any; before requests are taken.
   *
   * @throws RingBrokenException when what is there cannot be: the device is closed then
   */
  default void serveOtherRings() throws RingBrokenException {}

  /**
   * Fills {@code request}, not answered, from what {@link VirtualRequest#encode} has written.
   *
   * @throws IllegalArgumentException when that was another version of this program
   * @throws RingBrokenException when it is not known what became of others
   */
  void decode(ByteBuffer encoded, Q request) throws RingBrokenException;
}

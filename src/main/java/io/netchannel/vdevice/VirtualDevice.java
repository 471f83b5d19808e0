package io.netchannel.vdevice;

import java.nio.ByteBuffer;
import java.util.List;

/**
 * The backend end of one virtual device: the xenbus handshake and the rings. It takes requests and
 * gives responses; where requests go is somebody else's business.
 *
 * <p>Owned by one thread, the mid-point's: all methods are called there. Watches and event channels
 * call only the {@code wake} given at construction.
 *
 * <pre>
 *   PREPARED --offer--> OFFERED --frontend Initialised/Connected--> CONNECTED
 *      ^  ^                |                                          |
 *      |  |                +--frontend gone--> GONE <--frontend gone--+
 *      |  +--frontend Initialising again (resume, reconnect)----------+
 *      +-----frontend Closed, then Initialising-----  CLOSED <--Closed, nonsense--+
 * </pre>
 *
 * A frontend that is Closing stays CONNECTED until it is Closed: it may wait for answers. One that
 * was not connected becomes CLOSED at once. Any state becomes GONE.
 *
 * <p>PREPARED: nodes are published, the backend is Initialising: the frontend waits. OFFERED: the
 * backend is InitWait with its features. After a connection ended, the owner first finishes what
 * was pending and then offers it again: that is what keeps a late write from passing a resubmitted
 * one.
 *
 * @param <R> its requests
 */
public interface VirtualDevice<R extends VirtualRequest> extends AutoCloseable {

  enum State {
    PREPARED,
    OFFERED,
    CONNECTED,
    CLOSED,
    /** The frontend's nodes have been removed: the domain is destroyed or the device detached. */
    GONE
  }

  /** What happens at the device; called from {@link #poll} only. */
  interface Handler<R extends VirtualRequest> {
    /** A validated request. It is answered by a response. */
    void onRequest(R request);

    /** Rings are mapped, the backend is Connected. */
    void onConnected();

    /**
     * The connection ended; the state tells why (PREPARED: the frontend starts again; CLOSED;
     * GONE). Responses to requests of that connection go nowhere from now on, their data must not
     * be copied.
     */
    void onDisconnected();
  }

  State state();

  /**
   * Follows the frontend's state and takes requests off the rings. Malformed requests are answered
   * with an error here, visible with the next {@link #publishResponses}; a ring that breaks the
   * protocol closes the device, with a log line that names guest and device.
   *
   * @param maxRequests 0 follows the handshake only: requests stay on the ring
   * @return how much was done; 0 when there was nothing to do
   */
  int poll(Handler<R> handler, int maxRequests);

  /**
   * Makes the responses given since the last call visible to the frontend and notifies it where it
   * asked for that. Grants are released by then (io/ring.h, RING_PUSH_RESPONSES_AND_CHECK_NOTIFY).
   */
  void publishResponses();

  /**
   * Number of requests on the rings that have not been taken. Only a suspended or paused guest
   * keeps it still.
   */
  int untaken();

  /**
   * Maps the rings of a frontend that is Connected since before this process started, and makes the
   * requests again that the process before had taken. Only for a device that is CONNECTED from its
   * construction on, and before anything else.
   *
   * <p>The state may be another one afterwards: CLOSED when {@code taken} does not fit what the
   * rings say. Nothing is returned then.
   *
   * @param taken all encoded requests that were not released, as {@link VirtualRequest#encode}
   *     wrote them last: before and, if they were answered, after its response; any order
   * @param requestConsumers per queue, what {@link #requestConsumer} said last, or a value from
   *     before that: the rings themselves tell how many requests were answered, this only has to
   *     agree
   * @return the requests that have not been answered, in the order of {@code taken}; those whose
   *     answer the frontend can see are left out, a new answer replaces one that it cannot
   */
  List<R> reattach(List<ByteBuffer> taken, int[] requestConsumers);

  /**
   * Index of the next request to take from {@code queue}: to be remembered for {@link #reattach}.
   */
  int requestConsumer(int queue);

  int queues();

  /**
   * Unmaps everything; the nodes stay when the frontend may come back to another process (restart),
   * and are removed with the empty directory above them when {@code state() == GONE} or {@code
   * removeNodes}. Idempotent.
   */
  void close(boolean removeNodes);

  @Override
  default void close() {
    close(false);
  }
}

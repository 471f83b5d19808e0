package io.netchannel.vdevice;

import io.netchannel.xen.XenStoreOperations;

/**
 * What one kind of virtual devices does its own way between the handshake and the requests, for one
 * device. Called on the thread of the {@link XenbusBackend}.
 *
 * @param <R> its requests
 * @param <P> what its frontends publish
 */
public interface DeviceProtocol<R extends VirtualRequest, P extends FrontendRings> {

  /**
   * Whether it is known what the frontend was offered last, also by a process before: a connection
   * that was made on another offer cannot be gone on with.
   */
  boolean wasOffered();

  /**
   * Whether frontends go from Initialising to Connected at once. Of such one every step says
   * Connected: new rings are known by themselves.
   */
  boolean skipsInitialised();

  /**
   * Reads the nodes under {@code frontend}. Written by the guest: anything may be there.
   *
   * @throws HandshakeException when a node is missing or says what we do not take
   */
  P readFrontend(XenStoreOperations store, String frontend) throws HandshakeException;

  /**
   * How many requests the process before this one inherited, with the connection that it has made
   * ({@link InheritedRequests#count}); asked when that is gone on with.
   */
  default int inheritedBefore() {
    return 0;
  }

  /**
   * Writes what a restarted process has to know of the rings that were made last, in the
   * transaction that shows the frontend the connection.
   */
  default void connected(XenStoreOperations nodes) {}

  /**
   * Makes the ring of requests of one queue.
   *
   * @param ring our end of the queue's first ring
   * @throws RingBrokenException when another ring of the queue cannot be used
   */
  RequestRing<? extends R> makeRing(P parameters, MappedQueue queue, BackRing ring)
      throws RingBrokenException;
}

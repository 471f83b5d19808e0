package io.netchannel.midpoint;

import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.VirtualRequest;

/**
 * The connection that the guest's requests come by; no guest memory is touched but while it is UP.
 * Owned by the agent's thread.
 *
 * <pre>
 *   DOWN --connected, reattached--> UP --disconnected--> LOST --all that was pending settled--> DOWN
 *   any --close--> CLOSED
 * </pre>
 *
 * DOWN is also a connection of a process before this one, until it is reattached. While LOST the
 * device is not offered again: what was pending of the connection is finished first.
 *
 * @param <R> the guest's requests
 */
final class FrontendLink<R extends VirtualRequest> {
  private enum State {
    DOWN,
    UP,
    LOST,
    CLOSED
  }

  private final VirtualDevice<R> virtual;
  private final InflightTable inflight;
  private State state = State.DOWN;

  /** For other threads. */
  private volatile VirtualDevice.State frontend;

  /** So many polls in a row found nothing although requests are on the rings. */
  private int fruitlessPolls;

  FrontendLink(VirtualDevice<R> virtual, InflightTable inflight) {
    this.virtual = virtual;
    this.inflight = inflight;
    frontend = virtual.state();
  }

  boolean isUp() {
    return state == State.UP;
  }

  boolean isLost() {
    return state == State.LOST;
  }

  boolean isClosed() {
    return state == State.CLOSED;
  }

  void connected() {
    state = State.UP;
  }

  void disconnected() {
    state = State.LOST;
  }

  /** What was pending is settled. */
  void settled() {
    state = State.DOWN;
  }

  /** The virtual device is connected, here or by a process before. */
  boolean isConnected() {
    return virtual.state() == VirtualDevice.State.CONNECTED;
  }

  boolean isGone() {
    return virtual.state() == VirtualDevice.State.GONE;
  }

  /** After Closed there is no resubmission: that frontend has given its requests up itself. */
  boolean resubmits() {
    return virtual.state() != VirtualDevice.State.CLOSED;
  }

  /** From any thread. */
  VirtualDevice.State frontend() {
    return frontend;
  }

  /** Whether the device may be offered; {@link #offered} is told. */
  boolean isOfferable() {
    return virtual.state() == VirtualDevice.State.PREPARED && state != State.LOST;
  }

  void offered() {
    frontend = virtual.state();
  }

  /**
   * Follows the frontend, and takes requests.
   *
   * @param maxRequests 0 for the handshake only: requests stay on the rings
   */
  int poll(VirtualDevice.Handler<R> handler, int maxRequests) {
    if (state == State.CLOSED) {
      return 0;
    }
    int work = virtual.poll(handler, maxRequests);
    rememberConsumers();
    frontend = virtual.state();
    return work;
  }

  /** After every poll, before anything is published: malformed requests move the consumers too. */
  void rememberConsumers() {
    if (state == State.UP) {
      for (int queue = 0; queue < virtual.queues(); queue++) {
        inflight.consumed(queue, virtual.requestConsumer(queue));
      }
    }
  }

  /** Makes the responses visible. */
  void publish() {
    if (state == State.UP) {
      virtual.publishResponses();
    }
  }

  /** Requests on the rings. */
  int untaken() {
    return isConnected() ? virtual.untaken() : 0;
  }

  /**
   * Notes what a poll has found.
   *
   * @return how many polls in a row, this one too, were fruitless although requests are there
   */
  int fruitless(boolean foundNothing) {
    fruitlessPolls = foundNothing && untaken() > 0 ? fruitlessPolls + 1 : 0;
    return fruitlessPolls;
  }

  /** Closes the virtual device, once. */
  void close(boolean removeNodes) {
    if (state != State.CLOSED) {
      state = State.CLOSED;
      virtual.close(removeNodes);
      frontend = virtual.state();
    }
  }
}

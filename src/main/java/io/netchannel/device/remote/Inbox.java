package io.netchannel.device.remote;

import java.util.ArrayDeque;

/**
 * Requests on their way from any thread to the event loop, and those that wait to be used again.
 */
final class Inbox {
  /** What is kept for later; as many as a server lets be outstanding, and some that wait. */
  private static final int MAX_IDLE = 1024;

  private final ArrayDeque<RemoteRequest> idle = new ArrayDeque<>();
  private ArrayDeque<RemoteRequest> arrived = new ArrayDeque<>();
  private boolean awake;

  synchronized RemoteRequest obtain() {
    RemoteRequest request = idle.pollLast();
    return request == null ? new RemoteRequest() : request;
  }

  synchronized void giveBack(RemoteRequest request) {
    request.clear();
    if (idle.size() < MAX_IDLE) {
      idle.addLast(request);
    }
  }

  /**
   * Puts one in.
   *
   * @return whether the event loop has to be woken
   */
  synchronized boolean add(RemoteRequest request) {
    arrived.addLast(request);
    boolean wake = !awake;
    awake = true;
    return wake;
  }

  /**
   * Takes all.
   *
   * @param empty is used from now on
   */
  synchronized ArrayDeque<RemoteRequest> take(ArrayDeque<RemoteRequest> empty) {
    ArrayDeque<RemoteRequest> taken = arrived;
    arrived = empty;
    awake = false;
    return taken;
  }
}

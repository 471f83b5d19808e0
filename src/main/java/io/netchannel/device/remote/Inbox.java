package io.netchannel.device.remote;

import java.util.ArrayDeque;
import java.util.function.Supplier;

/**
 * Requests on their way from any thread to the event loop, and those that wait to be used again.
 *
 * @param <R> the requests of a kind of devices
 */
final class Inbox<R extends RemoteRequest> {
  /** What is kept for later; as many as a server lets be outstanding, and some that wait. */
  private static final int MAX_IDLE = 1024;

  private final Supplier<R> maker;
  private final ArrayDeque<R> idle = new ArrayDeque<>();
  private ArrayDeque<R> arrived = new ArrayDeque<>();
  private boolean awake;

  /**
   * @param maker makes one
   */
  Inbox(Supplier<R> maker) {
    this.maker = maker;
  }

  synchronized R obtain() {
    R request = idle.pollLast();
    return request == null ? maker.get() : request;
  }

  synchronized void giveBack(R request) {
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
  synchronized boolean add(R request) {
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
  synchronized ArrayDeque<R> take(ArrayDeque<R> empty) {
    ArrayDeque<R> taken = arrived;
    arrived = empty;
    awake = false;
    return taken;
  }
}

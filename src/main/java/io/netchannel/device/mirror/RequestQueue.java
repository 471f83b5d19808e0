package io.netchannel.device.mirror;

/** Requests in the order in which they came, without an object for each. */
final class RequestQueue {
  private MirroredRequest first;
  private MirroredRequest last;

  boolean isEmpty() {
    return first == null;
  }

  MirroredRequest first() {
    return first;
  }

  void add(MirroredRequest request) {
    request.queued = true;
    request.nextInQueue = null;
    if (last == null) {
      first = request;
    } else {
      last.nextInQueue = request;
    }
    last = request;
  }

  /** Null when there is none. */
  MirroredRequest poll() {
    MirroredRequest request = first;
    if (request != null) {
      first = request.nextInQueue;
      if (first == null) {
        last = null;
      }
      request.nextInQueue = null;
      request.queued = false;
    }
    return request;
  }

  /**
   * Takes one out.
   *
   * @param previous the one before it; null when it is the first
   */
  void remove(MirroredRequest previous, MirroredRequest request) {
    if (previous == null) {
      first = request.nextInQueue;
    } else {
      previous.nextInQueue = request.nextInQueue;
    }
    if (last == request) {
      last = previous;
    }
    request.nextInQueue = null;
    request.queued = false;
  }
}

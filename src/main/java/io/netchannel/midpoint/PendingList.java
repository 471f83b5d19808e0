package io.netchannel.midpoint;

/**
 * Requests in an order, linked through themselves: a request is in one list at most, is taken out
 * of the middle at no cost, and nothing is allocated. Walked by {@link PendingRequest#next}.
 */
final class PendingList {
  private PendingRequest first;
  private PendingRequest last;
  private int size;

  /** The oldest, or null. */
  PendingRequest first() {
    return first;
  }

  int size() {
    return size;
  }

  boolean isEmpty() {
    return size == 0;
  }

  void addLast(PendingRequest request) {
    if (request.list != null) {
      throw new IllegalStateException("request " + request.sequence + " is in a list already");
    }
    request.list = this;
    request.previous = last;
    request.next = null;
    if (last == null) {
      first = request;
    } else {
      last.next = request;
    }
    last = request;
    size++;
  }

  void remove(PendingRequest request) {
    if (request.list != this) {
      throw new IllegalStateException("request " + request.sequence + " is not in this list");
    }
    if (request.previous == null) {
      first = request.next;
    } else {
      request.previous.next = request.next;
    }
    if (request.next == null) {
      last = request.previous;
    } else {
      request.next.previous = request.previous;
    }
    request.list = null;
    request.previous = null;
    request.next = null;
    size--;
  }
}

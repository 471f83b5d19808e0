package io.netchannel.midpoint;

import java.util.concurrent.atomic.AtomicReference;

/**
 * Completed requests on their way from any thread to the agent: a stack linked through the requests
 * themselves, taken as a whole. No allocation, and no ABA problem, because nothing is popped
 * singly.
 */
final class CompletionQueue {
  private final AtomicReference<PendingRequest> head = new AtomicReference<>();

  void push(PendingRequest request) {
    PendingRequest old;
    do {
      old = head.get();
      request.nextCompleted = old;
    } while (!head.compareAndSet(old, request));
  }

  /** All that have completed, first one first, linked by {@code nextCompleted}; or null. */
  PendingRequest takeAll() {
    if (head.get() == null) {
      return null;
    }
    PendingRequest stack = head.getAndSet(null);
    PendingRequest reversed = null;
    while (stack != null) {
      PendingRequest next = stack.nextCompleted;
      stack.nextCompleted = reversed;
      reversed = stack;
      stack = next;
    }
    return reversed;
  }
}

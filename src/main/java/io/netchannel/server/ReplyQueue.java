package io.netchannel.server;

/**
 * Finished slots that wait for a connection's event loop, in the order in which they finished.
 * Guarded by the session. A slot is in it at most once, so it never has more than there are.
 */
final class ReplyQueue {
  private final Slot[] waiting;
  private int count;
  private boolean awake;

  ReplyQueue(int slots) {
    waiting = new Slot[slots];
  }

  /**
   * Puts one in.
   *
   * @return whether the event loop has to be woken
   */
  boolean add(Slot slot) {
    waiting[count++] = slot;
    boolean wake = !awake;
    awake = true;
    return wake;
  }

  /** Takes all out; when there are none the event loop will be woken again. */
  int drain(Slot[] to) {
    int drained = count;
    System.arraycopy(waiting, 0, to, 0, drained);
    count = 0;
    awake = drained > 0;
    return drained;
  }

  /** Its connection has been fenced: the slots are not its business any more. */
  int stop() {
    count = 0;
    return 0;
  }
}

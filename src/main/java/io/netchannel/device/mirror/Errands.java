package io.netchannel.device.mirror;

/**
 * The threads that are on their way to a leg or a guest with what was decided under the lock: they
 * use memory of the guest and of the mirror, so its close waits for them. Guarded by the mirror's
 * lock, but for {@link #end}.
 */
final class Errands {
  private final Object lock;
  private final Runnable onEnd;

  /** How many the thread has itself: what a leg does at once may lead to the next one. */
  private final ThreadLocal<int[]> own = ThreadLocal.withInitial(() -> new int[1]);

  private int underWay;

  /**
   * None yet.
   *
   * @param onEnd run with the end of each, under the lock
   */
  Errands(Object lock, Runnable onEnd) {
    this.lock = lock;
    this.onEnd = onEnd;
  }

  boolean areDone() {
    return underWay == 0;
  }

  /** The thread goes, as soon as it has released the lock. */
  void begin() {
    underWay++;
    own.get()[0]++;
  }

  /** It is back, also by a leg that threw, which has nothing of it then. Without the lock. */
  void end() {
    synchronized (lock) {
      underWay--;
      own.get()[0]--;
      onEnd.run();
      lock.notifyAll();
    }
  }

  /** Waits until no other thread is on its way; those of the caller's go on after it. */
  void awaitOthers() {
    boolean interrupted = false;
    while (underWay > own.get()[0]) {
      try {
        lock.wait();
      } catch (InterruptedException e) {
        interrupted = true; // the memory must stay until they are back
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}

package io.netchannel.device.mirror;

/**
 * Begins the copies that can, without the lock: one thread at a time, however deep devices complete
 * at once.
 *
 * <pre>
 *   STILL --somebody comes--> PUMPING --nothing to begin--> STILL
 *                              | ^
 *                              +-+ somebody else comes: he goes away, as it looks again before it ends
 * </pre>
 */
final class CopyPump {
  private final Object lock;
  private final MirrorStates states;
  private final Copier copier;

  /** Guarded by the mirror's lock. */
  private boolean pumping;

  CopyPump(Object lock, MirrorStates states, Copier copier) {
    this.lock = lock;
    this.states = states;
    this.copier = copier;
  }

  void run() {
    synchronized (lock) {
      if (pumping) {
        return;
      }
      pumping = true;
    }
    boolean ends = false;
    try {
      ends = runAll();
    } finally {
      if (!ends) {
        synchronized (lock) {
          pumping = false; // it threw: the next one begins copies again
        }
      }
    }
  }

  private boolean runAll() {
    while (true) {
      RegionCopy copy;
      synchronized (lock) {
        copy = states.isCopying() ? copier.claim() : null;
        if (copy == null) {
          pumping = false;
          return true;
        }
      }
      copier.begin(copy);
    }
  }
}

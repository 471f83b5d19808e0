package io.netchannel.device.mirror;

/**
 * Begins the copies, and comparisons, that can, without the lock: one thread at a time, however
 * deep devices complete at once.
 *
 * <pre>
 *   STILL --somebody comes--> PUMPING --nothing to begin--> STILL
 *                              | ^
 *                              +-+ somebody else comes: he goes away, as it looks again before it ends
 * </pre>
 */
final class CopyPump {
  private final Object lock;
  private final Errands errands;
  private final MirrorStates states;
  private final Copier copier;
  private final Verification verification;

  /** Guarded by the mirror's lock. */
  private boolean pumping;

  CopyPump(
      Object lock, Errands errands, MirrorStates states, Copier copier, Verification verification) {
    this.lock = lock;
    this.errands = errands;
    this.states = states;
    this.copier = copier;
    this.verification = verification;
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
      Comparison comparison;
      synchronized (lock) {
        copy = states.isCopying() ? copier.claim() : null;
        comparison = states.isVerifying() ? verification.claim() : null;
        if (copy == null && comparison == null) {
          pumping = false;
          return true;
        }
        errands.begin();
      }
      try {
        if (copy != null) {
          copier.begin(copy);
        } else {
          verification.begin(comparison);
        }
      } finally {
        errands.end();
      }
    }
  }
}

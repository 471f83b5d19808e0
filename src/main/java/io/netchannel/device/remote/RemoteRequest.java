package io.netchannel.device.remote;

/** A request on its way. Used again and again, so that a busy device makes no garbage. */
abstract class RemoteRequest {
  /** 0 until it is sent for the first time; then the same for ever. */
  long sequence;

  int slot;

  /**
   * Whether it is one of the generation before, which is only asked for: there is nothing to send
   * again.
   */
  boolean inherited;

  /** By {@link System#nanoTime}; only with {@link io.netchannel.wire.Stages}. */
  long enqueuedNanos;

  /** Whether the server keeps its outcome for who has lost its connection. */
  abstract boolean isKept();

  /** Whether it has the slot after those of the window, and not one of them. */
  boolean hasOwnSlot() {
    return false;
  }

  /** What it has of the server's window. */
  abstract int windowBytes();

  void clear() {
    sequence = 0;
    inherited = false;
  }
}

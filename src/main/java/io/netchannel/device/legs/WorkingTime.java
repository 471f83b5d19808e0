package io.netchannel.device.legs;

import java.util.function.LongSupplier;

/**
 * A monotonic clock, in nanoseconds, that stands still while its user rests: what is not done then
 * is nobody's silence. Read by any thread; {@link #rest} and {@link #goOn} come one at a time.
 */
final class WorkingTime implements LongSupplier {
  /**
   * @param nanos where it stands still; else how far it is behind
   */
  private record State(boolean rests, long nanos) {}

  private final LongSupplier nanoTime;
  private volatile State state = new State(false, 0);

  WorkingTime(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  @Override
  public long getAsLong() {
    while (true) {
      State now = state;
      long nanos = now.rests ? now.nanos : nanoTime.getAsLong() - now.nanos;
      if (state.equals(now)) { // else it has begun to rest in between, perhaps long ago
        return nanos;
      }
    }
  }

  void rest() {
    state = new State(true, getAsLong());
  }

  void goOn() {
    state = new State(false, nanoTime.getAsLong() - getAsLong());
  }

  boolean rests() {
    return state.rests;
  }
}

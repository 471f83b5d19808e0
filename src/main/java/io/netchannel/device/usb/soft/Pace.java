package io.netchannel.device.usb.soft;

import java.time.Duration;

/** Lets one thing pass in each period. */
final class Pace {
  private final SoftFunction.Bus bus;
  private final long periodNanos;
  private long nextNanos;

  Pace(SoftFunction.Bus bus, Duration period) {
    this.bus = bus;
    periodNanos = period.toNanos();
    restart();
  }

  /** The first passes one period from now. */
  void restart() {
    nextNanos = bus.nanoTime() + periodNanos;
  }

  /** Whether one may pass now; if not, {@code ready} is called when it may. */
  boolean pass() {
    long now = bus.nanoTime();
    long waitNanos = nextNanos - now;
    if (waitNanos > 0) {
      bus.wakeAfter(Duration.ofNanos(waitNanos));
      return false;
    }
    // What was late stays late: nobody is flooded with what nobody has asked for.
    nextNanos = now + periodNanos;
    return true;
  }
}

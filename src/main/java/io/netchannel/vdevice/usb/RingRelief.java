package io.netchannel.vdevice.usb;

import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Finds slots for a frontend that has none left because INs wait in all of them: its control
 * requests time out then, and unlinks that found no slot are forgotten by Linux' xen-hcd, so that
 * the guest cannot freeze for a migration. The oldest IN is ended with what has come, which is
 * mostly nothing.
 *
 * <p>Only where an empty answer does no harm: at endpoints of the classes 02 and 0a
 * (communications), whose drivers ask again. In mass storage a short read is an error.
 *
 * <p>When the guest is about to suspend, all its URBs are unlinked and waited for: those whose
 * unlinks were forgotten are ended one after the other, whatever they are of. Which these are is
 * not known here; the others are ended by their unlinks anyway.
 */
final class RingRelief {
  /** A device that has data answers sooner; a control request of Linux waits for 5 s. */
  static final long PARKED_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** Often enough for 16 of them before Linux gives its freeze up, after 20 s. */
  static final long FREEZE_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  private int endpoints;
  private long seen;
  private long since;
  private boolean suspending;
  private boolean hasRelieved;
  private long relievedNanos;

  void endpoints(int bits) {
    endpoints = bits;
  }

  /** Whether the guest is about to suspend. */
  void suspending(boolean yes) {
    suspending = yes;
  }

  boolean allows(int endpoint) {
    return (endpoints >>> endpoint & 1) != 0;
  }

  /** The IN to be ended now. */
  Optional<UrbRequest> due(UrbRing ring, long nowNanos) {
    if (ring.progress() != seen) {
      seen = ring.progress();
      since = nowNanos;
    }
    boolean isStuck = ring.isFullOfParkedIns() && nowNanos - since >= PARKED_NANOS;
    boolean isPaused = hasRelieved && nowNanos - relievedNanos < FREEZE_NANOS;
    boolean freezes = suspending && ring.mayMissUnlinks() && !isPaused;
    if ((!isStuck && !freezes) || ring.isRelieving()) {
      return Optional.empty();
    }
    Optional<RingUrb> oldest = ring.oldestParkedIn(freezes);
    oldest.ifPresent(RingUrb::relieve);
    hasRelieved = true;
    relievedNanos = nowNanos;
    return oldest.map(urb -> urb);
  }
}

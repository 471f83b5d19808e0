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
 */
final class RingRelief {
  /** A device that has data answers sooner; a control request of Linux waits for 5 s. */
  static final long PARKED_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private int endpoints;
  private long seen;
  private long since;

  void endpoints(int bits) {
    endpoints = bits;
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
    boolean asked = ring.isFullOfParkedIns() && nowNanos - since >= PARKED_NANOS;
    if (!asked || ring.isRelieving()) {
      return Optional.empty();
    }
    Optional<RingUrb> oldest = ring.oldestRelievable();
    oldest.ifPresent(RingUrb::relieve);
    return oldest.map(urb -> urb);
  }
}

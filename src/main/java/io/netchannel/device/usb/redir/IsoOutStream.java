package io.netchannel.device.usb.redir;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.OptionalLong;

/**
 * An isochronous OUT endpoint: the peer answers none of its packets, so a URB completes when its
 * frames have passed by this host's clock. Else the guest would send as fast as it can, and the
 * peer would drop what its buffer has no room for.
 */
final class IsoOutStream {
  private record Playing(Pending pending, long endNanos) {}

  private final long periodNanos;
  private final Deque<Playing> playing = new ArrayDeque<>();
  private long endNanos;

  IsoOutStream(long periodNanos, long nowNanos) {
    this.periodNanos = periodNanos;
    endNanos = nowNanos;
  }

  /** Its packets have been sent. */
  void sent(Pending pending, long nowNanos) {
    boolean isLate = endNanos - nowNanos < 0;
    endNanos = (isLate ? nowNanos : endNanos) + pending.urb.packets() * periodNanos;
    playing.add(new Playing(pending, endNanos));
  }

  void tick(long nowNanos) {
    while (!playing.isEmpty() && nowNanos - playing.element().endNanos >= 0) {
      playing.remove().pending.end(UrbStatus.OK);
    }
  }

  OptionalLong nextNanos() {
    return playing.isEmpty() ? OptionalLong.empty() : OptionalLong.of(playing.element().endNanos);
  }

  /** As {@link InStream#unlink}. */
  void unlink(Urb urb) {
    for (Playing each : playing) {
      if (each.pending.urb == urb) {
        playing.remove(each);
        each.pending.end(UrbStatus.CANCELLED);
        return;
      }
    }
  }

  /** As {@link InStream#stop}. */
  void stop(UrbStatus status) {
    for (Playing each = playing.poll(); each != null; each = playing.poll()) {
      each.pending.end(status);
    }
  }
}

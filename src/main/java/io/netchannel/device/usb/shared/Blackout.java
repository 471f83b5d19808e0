package io.netchannel.device.usb.shared;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;

/**
 * What an endpoint of a HID has to say while nobody asks: from the moment its owner's last URB
 * there was unlinked until the next one comes.
 *
 * <pre>
 *             a report came, room for more
 *              +-----------------------+
 *              v                       |
 *   begun --> ASKS: a URB is posted ---+--the last room is taken, or an error--> SILENT
 *              |                                                                   |
 *              | the owner asks: unlinked                        the owner asks    |
 *              v                                                                   v
 *             GIVES: a report for each of the owner's URBs, in order; none left: over
 * </pre>
 *
 * Guarded by its {@link SharedDevice}.
 */
final class Blackout implements UrbCompletion {
  /** A person types that much within the longest blackout, and no mouse is polled that seldom. */
  static final int MAX_REPORTS = 16;

  /**
   * Of a report. Boot keyboards and mice have 8 at most, full-speed devices 64; what may be longer
   * stays in the device.
   */
  static final int MAX_REPORT_BYTES = 1024;

  private static final class Report {
    private final byte[] data;
    private final long nanos;

    Report(byte[] data, long nanos) {
      this.data = data;
      this.nanos = nanos;
    }
  }

  private final SharedDevice device;
  final int endpoint;
  final int incarnation;

  /** Of who owned the device at its beginning. */
  final long generation;

  private final int interval;
  private final Urb urb = new Urb();
  private final ByteBuffer data;
  private final ArrayDeque<Report> reports = new ArrayDeque<>();

  private boolean atDevice;
  private boolean unlinked;
  private boolean full;

  /** Whether its owner has stopped, and may go on elsewhere. */
  boolean isLong;

  /**
   * One that asks for nothing yet.
   *
   * @param last of its owner there, which has ended and is still its
   */
  Blackout(SharedDevice device, Urb last, int incarnation, Holder owner) {
    this.device = device;
    this.incarnation = incarnation;
    endpoint = last.endpoint();
    generation = owner.generation;
    isLong = owner.resting;
    interval = last.interval();
    data = ByteBuffer.allocateDirect(last.dataBytes());
  }

  /** The URB to post. */
  Urb post() {
    atDevice = true;
    urb.interrupt(endpoint, data, false, interval);
    return urb;
  }

  /** The URB that is posted, the first time that its end is to be asked for; else null. */
  Urb unlink() {
    boolean first = atDevice && !unlinked;
    unlinked |= first;
    return first ? urb : null;
  }

  boolean isAtDevice() {
    return atDevice;
  }

  /** Whether it has had no room for more; once. */
  boolean tellsFull() {
    boolean tells = full;
    full = false;
    return tells;
  }

  @Override
  public void complete(Urb done) {
    device.completed(this);
  }

  /**
   * What became of the URB that was posted.
   *
   * @return whether another one may be
   */
  boolean take(long nowNanos) {
    atDevice = false;
    boolean isWhole = urb.status() == UrbStatus.OK;
    if (isWhole || (urb.status() == UrbStatus.CANCELLED && urb.actualBytes() > 0)) {
      byte[] report = new byte[urb.actualBytes()];
      data.get(0, report);
      reports.addLast(new Report(report, nowNanos));
      full = reports.size() == MAX_REPORTS;
    }
    return isWhole && !unlinked && !full;
  }

  /**
   * Lets go of what nobody wants any more.
   *
   * @return how many there were
   */
  int dropBefore(long nanos) {
    int dropped = 0;
    while (!reports.isEmpty() && reports.peekFirst().nanos - nanos < 0) {
      reports.removeFirst();
      dropped++;
    }
    return dropped;
  }

  /** Whether there is one; then it is {@code to}'s, which has ended with it. */
  boolean give(Urb to) {
    Report report = reports.pollFirst();
    if (report == null) {
      return false;
    }
    int bytes = Math.min(report.data.length, to.dataBytes());
    to.data().put(to.data().position(), report.data, 0, bytes);
    to.clearOutcome();
    to.done(status(report, to), bytes);
    return true;
  }

  private static UrbStatus status(Report report, Urb to) {
    if (report.data.length > to.dataBytes()) {
      return UrbStatus.OVERFLOW;
    }
    return to.shortNotOk() && report.data.length < to.dataBytes() ? UrbStatus.SHORT : UrbStatus.OK;
  }
}

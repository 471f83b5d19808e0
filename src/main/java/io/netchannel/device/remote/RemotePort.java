package io.netchannel.device.remote;

import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.wire.UsbPort;

/**
 * What is at a server's port, as the server tells it and as the user of a device knows it. The
 * server counts what was plugged since it opened the device, and anew after a restart; this counts
 * on, over all lives of the server.
 *
 * <pre>
 *   AS THE USER KNOWS IT --told that something was plugged or unplugged--> CHANGING
 *          ^     | +--told other settings of it: known at once               |
 *          |     +---^                                                       |
 *          +------------ the last URB of what was there has ended -----------+
 * </pre>
 *
 * What is read may be read on any thread; all else is the event loop's.
 */
final class RemotePort {
  private volatile PortState known = PortState.EMPTY;
  private volatile UsbDevice.PortListener listener = () -> {};

  /** What the server has told last; null before. */
  private UsbPort heard;

  /** Of what was plugged in {@link #heard}, as this counts. */
  private int incarnation;

  private boolean changing;

  /** What its user knows. */
  PortState known() {
    return known;
  }

  void listen(UsbDevice.PortListener newListener) {
    listener = newListener;
    newListener.portChanged();
  }

  /** Of what is plugged, as the server counts. */
  int serversIncarnation() {
    return heard.incarnation();
  }

  /** Of what is plugged, as this counts. */
  int incarnation() {
    return incarnation;
  }

  boolean isChanging() {
    return changing;
  }

  /** Whether what a URB is for is not plugged any more, whether its user knows that or not. */
  boolean isGone(int ofIncarnation) {
    return ofIncarnation != incarnation || heard.plugged().isEmpty();
  }

  /**
   * What is there from now on. If that is {@link #isChanging changing}, URBs of what was there are
   * to be ended, and then it is to be {@link #tell told}.
   *
   * @param counts whether the server counts as before
   */
  void hear(UsbPort now, boolean counts) {
    if (heard == null) {
      incarnation = now.incarnation();
    } else if (!isSame(now, counts)) {
      changing = true;
      int plugged = now.plugged().isPresent() ? 1 : 0;
      incarnation += counts ? now.incarnation() - heard.incarnation() : plugged;
    }
    heard = now;
    if (!changing) {
      known = UsbPorts.state(now, incarnation);
    }
  }

  private boolean isSame(UsbPort now, boolean counts) {
    return counts
        ? now.incarnation() == heard.incarnation()
            && now.plugged().isPresent() == heard.plugged().isPresent()
        : UsbPorts.isUnchanged(heard, now);
  }

  /** All URBs of what was there before have ended. */
  void tell() {
    changing = false;
    known = UsbPorts.state(heard, incarnation);
    listener.portChanged();
  }
}

package io.netchannel.device.usb.fs;

/**
 * Takes what the kernel is done with: poll, then REAPURBNDELAY until there is no more. On the
 * device's thread.
 *
 * <pre>
 *   WATCHING: poll for completions --said so, and none was there--> PACED: a pause, then a look
 *       ^                                                              |
 *       +---------------------------- one was reaped ------------------+
 * </pre>
 *
 * The kernel tells exactly when there is something. What plays a device in its place may say so all
 * the time: it is looked at in growing pauses then, which keeps the processor free and ends with
 * the next URB.
 */
final class Reaper {
  private static final int FIRST_PAUSE_MILLIS = 1;
  private static final int LONGEST_PAUSE_MILLIS = 16;

  /** What is done with a URB that was reaped. */
  @FunctionalInterface
  interface Taker {
    /**
     * Takes one.
     *
     * @param urb the address of its struct
     */
    void reaped(long urb);
  }

  private final Usbfs usbfs;
  private final Taker taker;

  /** 0 when {@link Usbfs#await} is believed. */
  private int pauseMillis;

  Reaper(Usbfs usbfs, Taker taker) {
    this.usbfs = usbfs;
    this.taker = taker;
  }

  /**
   * Waits for something to do and reaps what there is.
   *
   * @param boundMillis how long at most; -1 for ever
   * @return false when the device is gone; then too all that was done has been reaped
   */
  boolean await(int boundMillis) {
    boolean paced = pauseMillis > 0;
    int bound = paced && (boundMillis < 0 || boundMillis > pauseMillis) ? pauseMillis : boundMillis;
    int found = usbfs.await(paced ? Usbfs.GONE : Usbfs.COMPLETED | Usbfs.GONE, bound);
    long urb = usbfs.reap();
    boolean any = urb > 0;
    while (urb > 0) {
      taker.reaped(urb);
      urb = usbfs.reap();
    }
    if (any) {
      pauseMillis = 0;
    } else if (paced || (found & Usbfs.COMPLETED) != 0) {
      pauseMillis = Math.min(Math.max(FIRST_PAUSE_MILLIS, 2 * pauseMillis), LONGEST_PAUSE_MILLIS);
    }
    return (found & Usbfs.GONE) == 0 && urb != -Errno.ENODEV;
  }

  /**
   * Reaps, after a pause, what is left of a device that is gone or is to be. The kernel says that a
   * device is gone before it has ended all that it had.
   */
  void reapLast() {
    var unused = usbfs.await(0, LONGEST_PAUSE_MILLIS);
    for (long urb = usbfs.reap(); urb > 0; urb = usbfs.reap()) {
      taker.reaped(urb);
    }
  }
}

package io.netchannel.device.usb.fs;

import io.netchannel.device.usb.DescriptorLoop;
import java.util.function.Supplier;

/**
 * Takes what the kernel is done with: poll, then REAPURBNDELAY as long as it may have more. On the
 * device's thread; or on the one of an event loop, while the device's has nothing to do.
 *
 * <pre>
 *   WATCHING: poll for completions --said so, and none was there--> PACED: a pause, then a look
 *    |    ^ ^                                                          |
 *    |    | +--------------------------- one was reaped ---------------+
 *    |    |
 *    |    +-- the device's thread wakes: somebody has woken it, or the loop has,
 *    |    |   as none was there, or the device is gone, or the loop ends
 *    v    |
 *   LENT: the device's thread sleeps; the loop waits for the descriptor, reaps and tells
 * </pre>
 *
 * So what blocks, and what must not come between two completions, the device's thread does while
 * nobody else reaps; and no other thread is between the kernel and the loop as long as URBs only
 * come and go.
 *
 * <p>The kernel tells exactly when there is something. What plays a device in its place may say so
 * all the time: it is looked at in growing pauses then, which keeps the processor free and ends
 * with the next URB.
 */
final class Reaper {
  private static final int FIRST_PAUSE_MILLIS = 1;
  private static final int LONGEST_PAUSE_MILLIS = 16;

  /** What is done with URBs that were reaped. */
  interface Taker {
    /**
     * Takes one.
     *
     * @param urb the address of its struct
     * @return whether the kernel has more
     */
    boolean reaped(long urb);

    /** There are no more for now; called by a loop, whose thread it is on. */
    void reapedOnLoop();
  }

  private final Usbfs usbfs;
  private final Taker taker;
  private final Supplier<DescriptorLoop> wanted;

  /** 0 when {@link Usbfs#await} is believed. */
  private int pauseMillis;

  /** To whom it is lent at times; null for nobody. Of the device's thread. */
  private Loan loan;

  /**
   * One that has reaped nothing yet.
   *
   * @param wanted the loop that it is lent to; null for none
   */
  Reaper(Usbfs usbfs, Taker taker, Supplier<DescriptorLoop> wanted) {
    this.usbfs = usbfs;
    this.taker = taker;
    this.wanted = wanted;
  }

  /**
   * Waits for something to do and reaps what there is.
   *
   * @param boundMillis how long at most; -1 for ever, and then a loop may reap meanwhile
   * @return false when the device is gone; then too all that was done has been reaped
   */
  boolean await(int boundMillis) {
    if (boundMillis < 0 && pauseMillis == 0 && lend()) {
      usbfs.await(0, boundMillis);
      loan.takeBack();
      return reap(0);
    }
    return reap(boundMillis);
  }

  private boolean reap(int boundMillis) {
    boolean paced = pauseMillis > 0;
    int bound = paced && (boundMillis < 0 || boundMillis > pauseMillis) ? pauseMillis : boundMillis;
    int found = usbfs.await(paced ? Usbfs.GONE : Usbfs.COMPLETED | Usbfs.GONE, bound);
    long urb = usbfs.reap();
    boolean any = urb > 0;
    while (urb > 0) {
      urb = taker.reaped(urb) ? usbfs.reap() : 0;
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

  /** Before usbfs is closed: no loop waits for its descriptor any more, or reaps. */
  void end() {
    if (loan != null) {
      loan.end();
      loan = null;
    }
  }

  /** Whether a loop reaps from now on. */
  private boolean lend() {
    DescriptorLoop loop = wanted.get();
    if (loan != null && !loan.loop.equals(loop)) {
      end();
    }
    if (loan == null && loop != null) {
      loan = new Loan(loop);
    }
    return loan != null && loan.give();
  }

  /** What one loop has of it. */
  private final class Loan implements DescriptorLoop.Watcher {
    private final DescriptorLoop loop;

    // All below is guarded by this.
    private DescriptorLoop.Watch watch;
    private boolean isLent;
    private boolean listens = true;
    private boolean isOver;

    private Loan(DescriptorLoop loop) {
      this.loop = loop;
    }

    private synchronized boolean give() {
      isLent = !isOver;
      if (watch == null) {
        watch = loop.watch(usbfs.descriptor(), this);
      } else if (isLent) {
        listen(true);
      }
      return isLent;
    }

    private synchronized void end() {
      isLent = false;
      if (!isOver) {
        isOver = true;
        watch.cancel();
      }
    }

    /** Waits for what the loop reaps at this moment. */
    private synchronized void takeBack() {
      isLent = false;
    }

    private void listen(boolean on) {
      if (listens != on) {
        listens = on;
        watch.listen(on);
      }
    }

    @Override
    public void ready(boolean broken) {
      boolean any = false;
      synchronized (this) {
        if (broken) {
          end();
        } else if (!isLent) {
          listen(false);
          return;
        } else {
          for (long urb = usbfs.reap(); urb > 0; urb = taker.reaped(urb) ? usbfs.reap() : 0) {
            any = true;
          }
        }
        if (!any) {
          isLent = false;
        }
      }
      if (any) {
        taker.reapedOnLoop();
      } else {
        usbfs.wake();
      }
    }

    @Override
    public void over() {
      synchronized (this) {
        isOver = true;
        isLent = false;
      }
      usbfs.wake();
    }
  }
}

package io.netchannel.device.usb.filter;

import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * URBs that a filter holds for a while before they go on. Those of one endpoint go on in their
 * order, however long each is held.
 *
 * <pre>
 *            its time has come, and that of all before it
 *   HELD ------------------------------------------------> gone on: to the device, or to its end
 *     |
 *     +--unlinked: CANCELLED
 *     +--reset: CANCELLED
 *     +--unplugged: NO_DEVICE, before the port's listener is told
 * </pre>
 *
 * Held or with the device is decided under the lock, which is kept while a URB goes on: so that one
 * that is unlinked in that moment is unlinked at one of both.
 */
final class HeldUrbs {
  /** Where one goes on. */
  @FunctionalInterface
  interface Way {
    /**
     * Called under the lock.
     *
     * @return whether that is its end, with the outcome that it has now; it is told then
     */
    boolean goOn(Urb urb, int incarnation, UrbCompletion completion);
  }

  private static final class Held {
    private final Urb urb;
    private final int incarnation;
    private final UrbCompletion completion;
    private boolean due;

    Held(Urb urb, int incarnation, UrbCompletion completion) {
      this.urb = urb;
      this.incarnation = incarnation;
      this.completion = completion;
    }
  }

  private final UsbDevice device;
  private final ScheduledExecutorService timer;
  private final Way way;
  private final Map<Urb, Held> byUrb = new HashMap<>();

  /** By endpoint, in the order of submission. */
  private final Map<Integer, Deque<Held>> queues = new HashMap<>();

  /**
   * @param device asked what is plugged, and told of what is unlinked and not held
   * @param timer shared with others
   */
  HeldUrbs(UsbDevice device, ScheduledExecutorService timer, Way way) {
    this.device = device;
    this.timer = timer;
    this.way = way;
  }

  void hold(Urb urb, int incarnation, UrbCompletion completion, long nanos) {
    Held held = new Held(urb, incarnation, completion);
    synchronized (this) {
      byUrb.put(urb, held);
      queues.computeIfAbsent(urb.endpoint(), unused -> new ArrayDeque<>()).add(held);
    }
    var unused = timer.schedule(() -> due(held), nanos, TimeUnit.NANOSECONDS);
  }

  private void due(Held held) {
    List<Held> ended = new ArrayList<>();
    synchronized (this) {
      held.due = true;
      Deque<Held> queue = queues.getOrDefault(held.urb.endpoint(), new ArrayDeque<>());
      while (!queue.isEmpty() && queue.element().due) {
        goOn(queue.remove(), ended);
      }
    }
    ended.forEach(this::tell);
  }

  private void goOn(Held held, List<Held> ended) {
    byUrb.remove(held.urb);
    if (way.goOn(held.urb, held.incarnation, held.completion)) {
      ended.add(held);
    }
  }

  /** Unlinks one here or at the device. */
  void unlink(Urb urb) {
    Held held;
    synchronized (this) {
      held = byUrb.remove(urb);
      if (held == null) {
        device.unlink(urb);
        return;
      }
      queues.get(urb.endpoint()).remove(held);
    }
    timer.execute(() -> end(List.of(held), UrbStatus.CANCELLED));
  }

  /** Ends all of them, as a reset does. */
  void cancelAll() {
    List<Held> all = take(false);
    timer.execute(() -> end(all, UrbStatus.CANCELLED));
  }

  /** Has all of them go on at once. */
  void letGo() {
    List<Held> ended = new ArrayList<>();
    synchronized (this) {
      for (Deque<Held> queue : queues.values()) {
        while (!queue.isEmpty()) {
          goOn(queue.remove(), ended);
        }
      }
    }
    ended.forEach(this::tell);
  }

  /**
   * A listener for the device's port, which is told after what was for an older incarnation ended.
   */
  UsbDevice.PortListener before(UsbDevice.PortListener listener) {
    return () -> {
      end(take(true), UrbStatus.NO_DEVICE);
      listener.portChanged();
    };
  }

  private synchronized List<Held> take(boolean onlyOutdated) {
    PortState port = device.port();
    List<Held> taken = new ArrayList<>();
    for (Deque<Held> queue : queues.values()) {
      for (Held held : queue) {
        boolean isOutdated = port.plugged().isEmpty() || held.incarnation != port.incarnation();
        if (isOutdated || !onlyOutdated) {
          taken.add(held);
        }
      }
      queue.removeAll(taken);
    }
    taken.forEach(held -> byUrb.remove(held.urb));
    return taken;
  }

  private void end(List<Held> ended, UrbStatus status) {
    for (Held held : ended) {
      held.urb.done(status, 0);
      tell(held);
    }
  }

  private void tell(Held held) {
    UrbCompletion.tell(held.completion, held.urb, this);
  }

  @Override
  public String toString() {
    return "a filter before " + device;
  }
}

package io.netchannel.device.usb.fs;

import com.sun.jna.Pointer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * The kernel's side of one open device, as a test plays it. A URB that was submitted waits until
 * the test completes it; all other calls are noted and give 0, or what the test has said.
 */
final class ScriptedUsbfs implements Usbfs {
  /** What the device's thread is told when a call is held: go on. */
  private boolean held;

  private final List<String> calls = new ArrayList<>();
  private final Map<String, Integer> results = new HashMap<>();
  private final Map<String, Runnable> within = new HashMap<>();

  /** Addresses; none is kept twice. */
  private final long[] submitted = new long[2 * PluggedDevice.MAX_IN_KERNEL];

  private int submittedCount;
  private final long[] done = new long[2 * PluggedDevice.MAX_IN_KERNEL];
  private int doneCount;

  private int submitResult;
  private boolean echo;
  private boolean timeFlies;
  private boolean timeStands;
  private boolean gone;
  private boolean woken;
  private boolean closed;
  private int wakes;

  // ---- for the test

  /** What a call, as it is noted, gives. */
  synchronized ScriptedUsbfs gives(String call, int result) {
    results.put(call, result);
    return this;
  }

  /** What happens within a call. */
  synchronized void within(String call, Runnable what) {
    within.put(call, what);
  }

  synchronized void submitGives(int result) {
    submitResult = result;
  }

  /** What is submitted is done at once, as it is. */
  synchronized void setEcho() {
    echo = true;
  }

  /** A pause takes no time. */
  synchronized void setTimeFlies() {
    timeFlies = true;
  }

  /** A pause lasts until a URB is done. */
  synchronized void setTimeStands() {
    timeStands = true;
  }

  /** The next call of what is noted so is held until {@link #goOn}. */
  void hold(String call) {
    synchronized (this) {
      held = true;
    }
    within(call, this::awaitGoOn);
  }

  private synchronized void awaitGoOn() {
    while (held) {
      waitHere(0);
    }
  }

  synchronized void goOn() {
    held = false;
    notifyAll();
  }

  /** What was called since the last look, but SUBMITURB and REAPURB. */
  synchronized List<String> takeCalls() {
    List<String> taken = List.copyOf(calls);
    calls.clear();
    return taken;
  }

  synchronized void awaitCall(String call) {
    while (!calls.contains(call)) {
      waitHere(0);
    }
  }

  /** The struct of the URB that was submitted longest ago and not completed; waits for it. */
  synchronized Pointer awaitSubmitted() {
    return awaitSubmitted(1)[0];
  }

  synchronized Pointer[] awaitSubmitted(int count) {
    while (submittedCount < count) {
      waitHere(0);
    }
    Pointer[] found = new Pointer[count];
    for (int i = 0; i < count; i++) {
      found[i] = new Pointer(submitted[i]);
    }
    return found;
  }

  synchronized int submittedCount() {
    return submittedCount;
  }

  synchronized boolean isClosed() {
    return closed;
  }

  synchronized int wakes() {
    return wakes;
  }

  synchronized void awaitWakes(int count) {
    while (wakes < count) {
      waitHere(0);
    }
  }

  /** The kernel is done with it. */
  synchronized void complete(Pointer urb, int status, int actual) {
    urb.setInt(UsbfsLayout.STATUS, status);
    urb.setInt(UsbfsLayout.ACTUAL_LENGTH, actual);
    complete(Pointer.nativeValue(urb));
  }

  synchronized void complete(long urb) {
    for (int i = 0; i < submittedCount; i++) {
      if (submitted[i] == urb) {
        System.arraycopy(submitted, i + 1, submitted, i, submittedCount - i - 1);
        submittedCount--;
        done[doneCount++] = urb;
        notifyAll();
        return;
      }
    }
    throw new AssertionError("not submitted");
  }

  /** It is unplugged; what is outstanding is still to be completed. */
  synchronized void setGone() {
    gone = true;
    notifyAll();
  }

  static Pointer data(Pointer urb) {
    return urb.getPointer(UsbfsLayout.BUFFER);
  }

  // ---- as the kernel

  @Override
  public synchronized int submit(long urb) {
    if (gone || submitResult != 0) {
      return gone ? -Errno.ENODEV : submitResult;
    }
    if (echo) {
      done[doneCount++] = urb;
    } else {
      submitted[submittedCount++] = urb;
    }
    notifyAll();
    return 0;
  }

  @Override
  public synchronized long reap() {
    if (doneCount == 0) {
      return gone ? -Errno.ENODEV : -Errno.EAGAIN;
    }
    long urb = done[0];
    System.arraycopy(done, 1, done, 0, --doneCount);
    return urb;
  }

  /** The URB comes back as one that was killed, unless the test has said what this gives. */
  @Override
  public synchronized int discard(long urb) {
    int result = call("discard");
    if (result == 0 && !gone) {
      complete(new Pointer(urb), -Errno.ENOENT, 0);
    }
    return gone ? -Errno.ENODEV : result;
  }

  @Override
  public int claim(int interfaceNumber) {
    return call("claim " + interfaceNumber);
  }

  @Override
  public int release(int interfaceNumber) {
    return call("release " + interfaceNumber);
  }

  @Override
  public int connect(int interfaceNumber) {
    return call("connect " + interfaceNumber);
  }

  @Override
  public int setInterface(int interfaceNumber, int alternate) {
    return call("interface " + interfaceNumber + " " + alternate);
  }

  @Override
  public int setConfiguration(int value) {
    return call("configuration " + value);
  }

  @Override
  public int clearHalt(int endpoint) {
    return call("clear " + Integer.toHexString(endpoint));
  }

  @Override
  public int reset() {
    return call("reset");
  }

  private int call(String call) {
    Runnable what;
    int result;
    synchronized (this) {
      calls.add(call);
      notifyAll();
      what = within.getOrDefault(call, () -> {});
      result = results.getOrDefault(call, 0);
    }
    what.run();
    return result;
  }

  @Override
  public synchronized int await(int events, int boundMillis) {
    if (timeFlies && events == 0) {
      return 0;
    }
    while (timeStands && events == 0 && doneCount == 0) {
      waitHere(0);
    }
    long endNanos = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(boundMillis);
    while (!woken && ready(events) == 0 && (boundMillis < 0 || endNanos - System.nanoTime() > 0)) {
      waitHere(1); // time passes also without a notification
    }
    woken = false;
    return ready(events);
  }

  private int ready(int events) {
    return events & ((doneCount > 0 ? COMPLETED : 0) | (gone ? GONE : 0));
  }

  @Override
  public int descriptor() {
    return 42;
  }

  @Override
  public synchronized void wake() {
    woken = true;
    wakes++;
    notifyAll();
  }

  @Override
  public synchronized void close() {
    closed = true;
    notifyAll();
  }

  @SuppressWarnings("WaitNotInLoop") // all who call it do so in a loop
  private void waitHere(long millis) {
    try {
      wait(millis);
    } catch (InterruptedException e) {
      throw new AssertionError("interrupted", e);
    }
  }

  /** Bytes of a URB's data that the kernel sees. */
  static byte[] bytes(Pointer urb) {
    return data(urb).getByteArray(0, urb.getInt(UsbfsLayout.BUFFER_LENGTH));
  }
}

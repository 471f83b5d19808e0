package io.netchannel.device.usb.fs;

import io.netchannel.device.usb.DescriptorLoop;
import java.util.ArrayList;
import java.util.List;

/** An event loop whose thread is whichever the test is on. */
final class ScriptedLoop implements DescriptorLoop {
  private final List<String> calls = new ArrayList<>();
  private Watcher watcher;

  @Override
  public synchronized Watch watch(int descriptor, Watcher newWatcher) {
    watcher = newWatcher;
    note("watch " + descriptor);
    return new Watch() {
      @Override
      public void listen(boolean on) {
        note(on ? "listen" : "ignore");
      }

      @Override
      public void cancel() {
        note("cancel");
      }
    };
  }

  private synchronized void note(String call) {
    calls.add(call);
    notifyAll();
  }

  synchronized List<String> calls() {
    return List.copyOf(calls);
  }

  synchronized void awaitCall(String call) {
    while (!calls.contains(call)) {
      waitHere();
    }
  }

  /** Who waits for the descriptor, as soon as somebody does. */
  Watcher watcher() {
    synchronized (this) {
      while (watcher == null) {
        waitHere();
      }
      return watcher;
    }
  }

  @SuppressWarnings("WaitNotInLoop") // all who call it do so in a loop
  private void waitHere() {
    try {
      wait();
    } catch (InterruptedException e) {
      throw new AssertionError("interrupted", e);
    }
  }
}

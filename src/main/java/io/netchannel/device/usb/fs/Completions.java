package io.netchannel.device.usb.fs;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;

/**
 * URBs that are done and whose owners are still to be told, in order, by who reaps: never within
 * the call that gave them. From any thread.
 */
final class Completions {
  private final ArrayDeque<Urb> urbs = new ArrayDeque<>();
  private final ArrayDeque<UrbCompletion> owners = new ArrayDeque<>();

  /** Held by who tells: one thread after the other, each all that there is. */
  private final Object telling = new Object();

  private final Object device;
  private boolean ended;

  /**
   * None yet.
   *
   * @param device for the log
   */
  Completions(Object device) {
    this.device = device;
  }

  /** One more; its outcome is in it. */
  synchronized void add(Urb urb, UrbCompletion owner) {
    if (ended) {
      var unused = CompletableFuture.runAsync(() -> UrbCompletion.tell(owner, urb, device));
      return;
    }
    urbs.addLast(urb);
    owners.addLast(owner);
  }

  /** The last that the device's thread tells; others tell whoever comes later. */
  void end() {
    synchronized (this) {
      ended = true;
    }
    tell();
  }

  /** Tells their owners; afterwards all that was done before has been told, by whomever. */
  void tell() {
    synchronized (telling) {
      while (true) {
        Urb urb;
        UrbCompletion owner;
        synchronized (this) {
          urb = urbs.pollFirst();
          owner = owners.pollFirst();
        }
        if (urb == null) {
          return;
        }
        UrbCompletion.tell(owner, urb, device);
      }
    }
  }
}

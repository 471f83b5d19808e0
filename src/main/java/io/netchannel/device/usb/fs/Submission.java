package io.netchannel.device.usb.fs;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import java.util.concurrent.CompletableFuture;

/**
 * A URB, or a reset, that has no outcome yet; used again and again. Owned by its {@link
 * PluggedDevice}.
 */
final class Submission {
  /** Null of a reset. */
  Urb urb;

  UrbCompletion completion;

  /** Null of a URB. */
  CompletableFuture<UrbStatus> reset;

  SpecialRequests.Kind kind;

  /** What the kernel has of it; null while it waits, or is done by a call of its own. */
  KernelUrb kernel;

  /** Somebody has asked for its end, or for something that ends it. */
  boolean killed;

  /** The kernel has been told of that. */
  boolean discarded;

  /** Makes it one of nothing. */
  void clear() {
    urb = null;
    completion = null;
    reset = null;
    kind = null;
    kernel = null;
    killed = false;
    discarded = false;
  }

  /** Whether nothing of what was submitted later may overtake it. */
  boolean isBarrier() {
    return reset != null || kind.isSpecial();
  }
}

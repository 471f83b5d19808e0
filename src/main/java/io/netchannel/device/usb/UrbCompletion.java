package io.netchannel.device.usb;

import io.netchannel.threads.LastResort;

/**
 * Told that a URB is done, exactly once, on any thread but never within {@link UsbDevice#submit} or
 * {@link UsbDevice#unlink}. The outcome is in the URB, which is its owner's again. Must not block
 * and must not throw.
 */
@FunctionalInterface
public interface UrbCompletion {
  void complete(Urb urb);

  /**
   * Completes a URB for a device, as {@link io.netchannel.device.Completion#tell} does a request.
   *
   * @param device for the log
   */
  static void tell(UrbCompletion completion, Urb urb, Object device) {
    try {
      completion.complete(urb);
    } catch (RuntimeException | Error e) {
      LastResort.end(device + ": the completion of a URB threw, its outcome is lost", e);
    }
  }
}

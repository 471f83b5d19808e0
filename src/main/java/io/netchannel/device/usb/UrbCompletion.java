package io.netchannel.device.usb;

/**
 * Told that a URB is done, exactly once, on any thread but never within {@link UsbDevice#submit} or
 * {@link UsbDevice#unlink}. The outcome is in the URB, which is its owner's again. Must not block
 * and must not throw.
 */
@FunctionalInterface
public interface UrbCompletion {
  void complete(Urb urb);
}

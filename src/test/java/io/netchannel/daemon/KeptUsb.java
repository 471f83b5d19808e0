package io.netchannel.daemon;

import io.netchannel.device.usb.ForwardingUsbDevice;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A device that outlives who has opened it, as hardware does: it stays plugged, configured and
 * where it was. What is outstanding when it is closed ends, as with usbfs.
 */
final class KeptUsb implements UsbKind {
  private final UsbDevice device;
  private final AtomicInteger atDevice = new AtomicInteger();

  KeptUsb(UsbDevice device) {
    this.device = device;
  }

  /** URBs that are at the device. */
  int atDevice() {
    return atDevice.get();
  }

  @Override
  public UsbDevice open(String text, UsbOpenOptions options) {
    return new Opened();
  }

  private final class Opened extends ForwardingUsbDevice {
    /** Guarded by itself. */
    private final Set<Urb> outstanding = new HashSet<>();

    Opened() {
      super(KeptUsb.this.device);
    }

    @Override
    public void submit(Urb urb, int incarnation, UrbCompletion completion) {
      synchronized (outstanding) {
        outstanding.add(urb);
      }
      atDevice.incrementAndGet();
      device.submit(
          urb,
          incarnation,
          done -> {
            atDevice.decrementAndGet();
            synchronized (outstanding) {
              outstanding.remove(done);
              outstanding.notifyAll();
            }
            completion.complete(done);
          });
    }

    @Override
    public void close() {
      device.listen(() -> {});
      synchronized (outstanding) {
        Set.copyOf(outstanding).forEach(device::unlink);
        while (!outstanding.isEmpty()) {
          try {
            outstanding.wait();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return;
          }
        }
      }
    }
  }
}

package io.netchannel.server;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.ForwardingUsbDevice;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpenOptions.User;
import io.netchannel.device.usb.shared.SharedDevices;
import io.netchannel.device.usb.soft.SoftKeyboard;
import io.netchannel.device.usb.soft.SoftPort;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.atomic.AtomicInteger;

/** A keyboard of a host, which its server and its guests share; it outlives them. */
final class SharedKeyboard implements AutoCloseable {
  static final String SCHEME = "keyboard";
  static final String SOURCE = SCHEME + ":it";
  static final int IN = 0x81;

  private static final int LONG_SECONDS = 30;

  private final ScheduledExecutorService executor = Executors.newSingleThreadScheduledExecutor();
  private final SoftKeyboard keyboard = new SoftKeyboard("NC42", Optional.empty());
  private final SoftPort port = new SoftPort(keyboard, executor, System::nanoTime);
  final AtomicInteger opens = new AtomicInteger();
  final AtomicInteger closes = new AtomicInteger();

  /** Of the host; a restart of its daemon is another one. */
  private UsbKind kind;

  SharedKeyboard() {
    restart();
  }

  /** A daemon after this one knows nothing of who has it. */
  void restart() {
    kind =
        new SharedDevices(executor, System::nanoTime)
            .around(
                SCHEME,
                (text, options) -> {
                  opens.incrementAndGet();
                  return new ForwardingUsbDevice(port) {
                    @Override
                    public void close() {
                      closes.incrementAndGet();
                    }
                  };
                });
  }

  UsbKind kind() {
    return kind;
  }

  /** As a guest of the host has it. */
  UsbDevice open(String user, long generation) throws DeviceException {
    return kind.open("it", UsbOpenOptions.of(new User(user, generation)));
  }

  /** Configures it, as a guest's driver does. */
  static void configure(UsbDevice device) throws Exception {
    Transfer.control(0, 9, 1, 0, 0)
        .submitTo(device, device.port().incarnation())
        .awaitDone(LONG_SECONDS);
  }

  void type(String text) {
    int typed = keyboard.type(text);
    if (typed != text.length()) {
      throw new IllegalStateException("only " + typed + " keys fit");
    }
  }

  static Transfer ask(UsbDevice device) {
    return Transfer.interrupt(IN, new byte[8]).submitTo(device, device.port().incarnation());
  }

  /** What the next keys are, each pressed and released. */
  static String read(UsbDevice device, int keys) throws Exception {
    StringBuilder read = new StringBuilder();
    for (int i = 0; i < 2 * keys; i++) {
      Transfer report = ask(device);
      report.awaitDone(LONG_SECONDS);
      read.append(key(report.data()));
    }
    return read.toString();
  }

  /** The key of a report; none where one is released, or nothing came. */
  static String key(byte[] report) {
    return report.length == 0 || report[2] == 0 ? "" : String.valueOf((char) ('a' + report[2] - 4));
  }

  /** The guest stands still: what it has there ends. */
  static void stopAsking(UsbDevice device) throws Exception {
    Transfer last = ask(device);
    device.unlink(last.urb);
    last.awaitDone(LONG_SECONDS);
  }

  @Override
  public void close() {
    port.close();
    executor.shutdownNow();
  }
}

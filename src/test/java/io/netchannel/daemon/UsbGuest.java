package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.soft.CounterPattern;
import io.netchannel.vdevice.usb.PipeType;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import io.netchannel.xen.Waiting;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/** A guest at one of its USB ports: Linux' driver, and drivers above it. On the test's thread. */
final class UsbGuest implements AutoCloseable {
  private static final int OUT = 1;
  private static final int IN = 0x81;
  private static final int ADDRESS = 5;
  private static final int DEVICE_BYTES = 18;
  private static final int REPORT_BYTES = 8;

  private EmbeddedDomain domain;
  private final XenHcdModel driver;
  private final CounterPattern written = new CounterPattern();

  UsbGuest(EmbeddedDomain domain, int port, Driver kind) {
    this.domain = domain;
    driver = new XenHcdModel(domain, port, kind);
  }

  XenHcdModel driver() {
    return driver;
  }

  /** Lets the guest run until something is so. */
  void until(String what, BooleanSupplier condition) {
    Waiting.until(
        what,
        () -> {
          driver.poll();
          assertThat(driver.failure()).isEmpty();
          return condition.getAsBoolean();
        });
  }

  /** Its driver has found the port, and what is plugged there. */
  UsbGuest plugged() {
    until("a device is plugged", () -> driver.speed() != 0);
    return this;
  }

  GuestUrb done(GuestUrb urb) {
    until("given back: " + urb, () -> urb.timesGivenBack() > 0);
    assertThat(urb.timesGivenBack()).isEqualTo(1);
    return urb;
  }

  private GuestUrb control(int address, int type, int request, int value, int index, int length) {
    long setup = GuestUrb.setup(type, request, value, index, length);
    return done(driver.submit(GuestUrb.control(domain, setup).address(address)));
  }

  /**
   * As Linux does it: address, device descriptor, configuration.
   *
   * @return the device descriptor
   */
  byte[] enumerate() {
    assertThat(control(0, 0, 5, ADDRESS, 0, 0).status()).isZero();
    GuestUrb descriptor = control(ADDRESS, 0x80, 6, 0x100, 0, DEVICE_BYTES);
    assertThat(descriptor.status()).isZero();
    assertThat(descriptor.actualBytes()).isEqualTo(DEVICE_BYTES);
    assertThat(control(ADDRESS, 0, 9, 1, 0, 0).status()).isZero();
    return descriptor.bytes(0, DEVICE_BYTES);
  }

  /** Its kernel freezes for a suspend: nothing is outstanding when that is done. */
  void freeze() {
    driver.freeze();
    until("all is unlinked", () -> driver.outstanding() == 0);
  }

  /** It goes on as another domain, which has its memory. */
  void resume(EmbeddedDomain next) {
    domain = next;
    driver.resume(next);
  }

  /** The next bytes of a counter to a sink. */
  GuestUrb write(int bytes) {
    ByteBuffer next = ByteBuffer.allocate(bytes);
    written.fill(next);
    return driver.submit(
        GuestUrb.of(domain, PipeType.BULK, OUT, bytes, 0).address(ADDRESS).fill(next.array()));
  }

  /** From a source. */
  GuestUrb read(int bytes) {
    return driver.submit(GuestUrb.of(domain, PipeType.BULK, IN, bytes, 0).address(ADDRESS));
  }

  /** Waits for the next report of a keyboard. */
  GuestUrb awaitReport() {
    return driver.submit(
        GuestUrb.of(domain, PipeType.INTERRUPT, IN, REPORT_BYTES, 0)
            .address(ADDRESS)
            .interval(REPORT_BYTES));
  }

  /** What the sink has seen: whole words, those left out, those again. */
  List<Long> sink() {
    GuestUrb report = control(ADDRESS, 0xc0, 1, 0, OUT, 24);
    assertThat(report.status()).isZero();
    ByteBuffer numbers = ByteBuffer.wrap(report.bytes(0, 24)).order(ByteOrder.LITTLE_ENDIAN);
    List<Long> counts = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      counts.add(numbers.getLong());
    }
    return counts;
  }

  @Override
  public void close() {
    driver.close();
  }
}

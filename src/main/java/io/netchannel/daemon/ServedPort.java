package io.netchannel.daemon;

import io.netchannel.device.usb.UsbDevice;
import io.netchannel.midpoint.InflightTable;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.midpoint.usb.UsbMidPoint;
import io.netchannel.vdevice.usb.UsbPort;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;

/** A USB port of a domain. */
final class ServedPort extends ServedDevice<UsbDevice, UsbMidPoint, PortDetails> {

  /** As every {@link ServedDevice}. */
  ServedPort(
      Environment environment,
      PortDetails details,
      Consumer<? super ServedDevice<UsbDevice, UsbMidPoint, PortDetails>> whenGone) {
    super(environment, details, whenGone);
  }

  @Override
  UsbMidPoint makeMidPoint(Path table, MidPointTrace trace, Runnable wake) throws IOException {
    Environment environment = environment();
    InflightTable inflight = UsbMidPoint.inflight(table);
    UsbPort port =
        new UsbPort(
            address(),
            guest().name(),
            environment.store(),
            environment.grants(),
            environment.events(),
            environment.foreignMemory(),
            wake);
    return new UsbMidPoint(
        id(), port, inflight, environment.memory().buffers(), trace, environment.nanoTime(), wake);
  }

  /** Also why the guest is not shown what is plugged. */
  @Override
  Optional<String> problem() {
    Optional<String> problem = super.problem();
    return problem.isPresent() || !isServing() ? problem : midPoint().refusal();
  }

  /** Not for what is plugged: a hub, or what a program of this host has, may stay so for ever. */
  @Override
  boolean guestWaits() {
    return isExpecting() || noDevice().isPresent();
  }

  /** What the guest's driver is; see {@link GuestUsbDriver}. */
  GuestUsbDriver driver() {
    return GuestUsbDriver.of(environment().store(), address(), status().frontend());
  }
}

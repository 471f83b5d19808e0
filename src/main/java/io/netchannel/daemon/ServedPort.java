package io.netchannel.daemon;

import io.netchannel.device.usb.UsbDevice;
import io.netchannel.midpoint.InflightTable;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.midpoint.usb.UsbMidPoint;
import io.netchannel.vdevice.usb.UsbPort;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/** A USB port of a domain. */
final class ServedPort extends ServedDevice<UsbDevice, UsbMidPoint, PortDetails> {
  private final GuestSuspends.Follower suspends;

  /**
   * As every {@link ServedDevice}.
   *
   * @param suspends tells when its guest is to suspend
   */
  ServedPort(
      Environment environment,
      PortDetails details,
      Consumer<? super ServedDevice<UsbDevice, UsbMidPoint, PortDetails>> whenGone,
      GuestSuspends suspends) {
    super(environment, details, whenGone);
    this.suspends = suspends.follow(details.guest(), this::suspending);
  }

  /** A guest that replugs must not take its device along as it is. */
  private void suspending(boolean yes) {
    present().ifPresent(midPoint -> suspending(midPoint, yes));
  }

  private void suspending(UsbMidPoint midPoint, boolean yes) {
    midPoint.suspending(yes);
    if (details().replugs()) {
      var unused = yes ? midPoint.withdraw() : midPoint.show();
    }
  }

  /** Its guest was to leave, and goes on here. */
  void stays() {
    suspends.goesOn();
  }

  @Override
  CompletableFuture<Void> end(boolean removeNodes, Executor executor) {
    executor.execute(suspends::close);
    return super.end(removeNodes, executor);
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
    UsbMidPoint midPoint =
        new UsbMidPoint(
            id(),
            port,
            inflight,
            environment.memory().buffers(),
            trace,
            environment.nanoTime(),
            wake,
            what -> environment.notes().note(guest().uuid(), target() + " " + what));
    if (suspends.isAsked()) {
      suspending(midPoint, true);
    }
    return midPoint;
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

  /** Why its guest cannot be migrated now, and what to do; empty when it can. */
  Optional<String> obstacle() {
    if (isEnding() || details().replugs()) {
      return Optional.empty();
    }
    Optional<String> noDevice = noDevice();
    return noDevice.isPresent() ? noDevice : present().flatMap(UsbMidPoint::obstacle);
  }

  /** Requests that were found on the guest's ring of before, as {@link UsbMidPoint#orphans}. */
  int orphans() {
    return present().map(UsbMidPoint::orphans).orElse(0);
  }

  /** As {@link UsbMidPoint#uncoveredResponses}. */
  long uncoveredResponses() {
    return present().map(UsbMidPoint::uncoveredResponses).orElse(0L);
  }

  /** What the guest's driver is; see {@link GuestUsbDriver}. */
  GuestUsbDriver driver() {
    return GuestUsbDriver.of(environment().store(), address(), status().frontend());
  }
}

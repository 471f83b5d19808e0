package io.netchannel.device.usb.shared;

import io.netchannel.device.usb.Descriptors.Configuration;
import io.netchannel.device.usb.Descriptors.Interface;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.PortState.Plugged;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbDevice;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The blackouts of a device's endpoints. Guarded by its {@link SharedDevice}. */
final class Blackouts {
  private static final Logger log = LoggerFactory.getLogger(Blackouts.class);

  /** bInterfaceClass of human interface devices. */
  private static final int HID_CLASS = 3;

  /** A keyboard has one or two endpoints, one with a pad and knobs four. */
  private static final int MAX_BLACKOUTS = 4;

  /** Numbers of endpoints (USB 2.0, 9.6.6). */
  private static final int ENDPOINTS = 16;

  /**
   * How long a report waits for an owner who may just have ended its asking for good: what is older
   * is no answer to what it asks next.
   */
  static final long SHORT_NANOS = TimeUnit.SECONDS.toNanos(1);

  /**
   * How long for one who has stopped, or for the next one: a guest that is migrated stands still
   * for two seconds and more until its driver has its rings, for 15 where hosts are busy, and what
   * was typed meanwhile is for it. Not for one that was given up long ago.
   */
  static final long LONG_NANOS = TimeUnit.SECONDS.toNanos(60);

  private final String place;
  private final UsbDevice device;
  private final LongSupplier nanoTime;

  /** By the number of their IN endpoint; null where there is none. */
  private final Blackout[] all = new Blackout[ENDPOINTS];

  Blackouts(String place, UsbDevice device, LongSupplier nanoTime) {
    this.place = place;
    this.device = device;
    this.nanoTime = nanoTime;
  }

  /** Of the endpoint that a URB is for; null when there is none. */
  Blackout of(Urb urb) {
    return urb.isIn() && urb.type() != UrbType.CONTROL ? all[urb.endpoint() % ENDPOINTS] : null;
  }

  /**
   * Begins one where a HID's endpoint is asked no more.
   *
   * @param last its owner's, which has ended
   */
  void begin(SharedDevice shared, Passage last) {
    Urb urb = last.urb;
    int number = urb.endpoint() % ENDPOINTS;
    if (urb.type() != UrbType.INTERRUPT
        || !urb.isIn()
        || number == 0
        || all[number] != null
        || urb.dataBytes() == 0
        || urb.dataBytes() > Blackout.MAX_REPORT_BYTES
        || present().count() == MAX_BLACKOUTS
        || !isOfHid(urb.endpoint(), last.incarnation)) {
      return;
    }
    all[number] = new Blackout(shared, urb, last.incarnation, last.holder);
    post(all[number]);
  }

  private boolean isOfHid(int endpoint, int incarnation) {
    PortState port = device.port();
    return port.incarnation() == incarnation
        && port.plugged().stream()
            .flatMap(Blackouts::settings)
            .filter(setting -> setting.usbClass() == HID_CLASS)
            .flatMap(setting -> setting.endpoints().stream())
            .anyMatch(each -> each.address() == endpoint && each.type() == UrbType.INTERRUPT);
  }

  /** The alternate settings that are set. */
  private static Stream<Interface> settings(Plugged plugged) {
    return plugged.descriptors().configuration(plugged.configuration()).stream()
        .map(Configuration::interfaces)
        .flatMap(interfaces -> interfaces.stream())
        .filter(each -> plugged.alternates().getOrDefault(each.number(), -1) == each.alternate());
  }

  private void post(Blackout blackout) {
    device.submit(blackout.post(), blackout.incarnation, blackout);
  }

  /**
   * The URB that was posted is done.
   *
   * @param isWanted whether its owner asks now
   */
  void completed(Blackout blackout, boolean isWanted) {
    boolean more = blackout.take(nanoTime.getAsLong());
    if (more && !isWanted && isPresent(blackout)) {
      post(blackout);
    }
  }

  boolean isPresent(Blackout blackout) {
    return all[blackout.endpoint % ENDPOINTS] == blackout;
  }

  /**
   * Ends a URB of the owner with what came before it.
   *
   * @return false when there is nothing, or it is too old
   */
  boolean gives(Blackout blackout, Passage to) {
    boolean isLong = blackout.isLong || to.holder.generation > blackout.generation;
    long boundNanos = isLong ? LONG_NANOS : SHORT_NANOS;
    if (isLong && blackout.tellsFull()) {
      log.warn(
          "{}: {} reports came while its guest stood still; the device keeps what followed, or has"
              + " dropped it",
          place,
          Blackout.MAX_REPORTS);
    }
    int dropped = blackout.dropBefore(nanoTime.getAsLong() - boundNanos);
    if (isLong && dropped > 0) {
      log.warn(
          "{}: {} reports are dropped: its guest has stood still for more than {} s",
          place,
          dropped,
          TimeUnit.NANOSECONDS.toSeconds(boundNanos));
    }
    return blackout.give(to.urb);
  }

  /** Its owner asks: what is posted is to end. */
  void stop(Blackout blackout) {
    Urb posted = blackout.unlink();
    if (posted != null) {
      device.unlink(posted);
    }
  }

  void end(Blackout blackout) {
    all[blackout.endpoint % ENDPOINTS] = null;
  }

  /** Nobody wants what came any more. */
  void forget(Predicate<Blackout> which) {
    present()
        .filter(which)
        .toList()
        .forEach(
            each -> {
              stop(each);
              end(each);
            });
  }

  /** The owner has stopped, and may go on elsewhere. */
  void rest() {
    present().forEach(each -> each.isLong = true);
  }

  private Stream<Blackout> present() {
    return Arrays.stream(all).filter(Objects::nonNull);
  }
}

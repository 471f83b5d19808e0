package io.netchannel.device.usb.fs;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedSet;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.PortState.Plugged;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import java.util.Map;

/**
 * Control requests that change what a device is, which its host has to know of: they are done by
 * ioctls of their own (USB 2.0, 9.4). And the reset. All block, so they are for the device's
 * thread.
 */
final class SpecialRequests {
  /** What a URB is. */
  enum Kind {
    /** One for the device alone. */
    ORDINARY,
    SET_CONFIGURATION,
    SET_INTERFACE,
    /** CLEAR_FEATURE(ENDPOINT_HALT): host and device must agree on the data toggle. */
    CLEAR_HALT,
    /** Must not come here: the kernel has given the device its address. */
    SET_ADDRESS;

    /** Whether it is done here. */
    boolean isSpecial() {
      return this != ORDINARY && this != SET_ADDRESS;
    }
  }

  /** What came of one, and what the device is afterwards. */
  record Done(UrbStatus status, Plugged plugged) {}

  // bmRequestType in the low byte, bRequest in the high one.
  private static final int SET_ADDRESS = 0x0500;
  private static final int SET_CONFIGURATION = 0x0900;
  private static final int SET_INTERFACE = 0x0B01;
  private static final int CLEAR_ENDPOINT_FEATURE = 0x0102;
  private static final int SET_ENDPOINT_FEATURE = 0x0302;

  private static final int ENDPOINT_HALT = 0;
  private static final int VALUE = 2;
  private static final int INDEX = 4;
  private static final int BYTE = 0xff;
  private static final int ENDPOINT_NUMBER = 0x0f;

  private final Usbfs usbfs;
  private final Claims claims;

  SpecialRequests(Usbfs usbfs, Claims claims) {
    this.usbfs = usbfs;
    this.claims = claims;
  }

  /** Looks at the type first: only a control transfer has a setup packet. */
  static Kind kind(Urb urb) {
    if (urb.type() != UrbType.CONTROL) {
      return Kind.ORDINARY;
    }
    return switch (urb.setupShort(0)) {
      case SET_ADDRESS -> Kind.SET_ADDRESS;
      case SET_CONFIGURATION -> Kind.SET_CONFIGURATION;
      case SET_INTERFACE -> Kind.SET_INTERFACE;
      // Endpoint 0 has no halt that the host would know of.
      case CLEAR_ENDPOINT_FEATURE ->
          urb.setupShort(VALUE) == ENDPOINT_HALT && endpoint(urb) != 0
              ? Kind.CLEAR_HALT
              : Kind.ORDINARY;
      default -> Kind.ORDINARY;
    };
  }

  /** Its address; 0 for both ways of endpoint 0. */
  private static int endpoint(Urb urb) {
    int index = urb.setupShort(INDEX);
    return (index & ENDPOINT_NUMBER) == 0 ? 0 : index & (Urb.IN | ENDPOINT_NUMBER);
  }

  /** Does one of those that are done here. */
  Done perform(Kind kind, Urb urb, Plugged before) {
    return switch (kind) {
      case SET_CONFIGURATION -> setConfiguration(urb.setupShort(VALUE) & BYTE, before);
      case SET_INTERFACE ->
          setInterface(urb.setupShort(INDEX) & BYTE, urb.setupShort(VALUE) & BYTE, before);
      case CLEAR_HALT -> clearHalt(endpoint(urb), before);
      case ORDINARY, SET_ADDRESS -> throw new IllegalArgumentException(kind + " is not done here");
    };
  }

  private Done setConfiguration(int value, Plugged before) {
    Descriptors descriptors = before.descriptors();
    if (value != 0 && value == before.configuration() && descriptors.configurations().size() == 1) {
      return configurationAsNew(before);
    }
    // EBUSY while any interface is claimed, by us too.
    claims.releaseAll();
    int result = usbfs.setConfiguration(value);
    if (result == -Errno.EINVAL) { // there is no such one, which a device stalls
      return claimed(unset(before, before.configuration()), UrbStatus.STALL);
    }
    Plugged after = unset(before, result < 0 ? 0 : value);
    return claimed(after, result < 0 ? KernelStatus.ofRefused(result) : UrbStatus.OK);
  }

  /**
   * Its only configuration, set once more: some devices do not bear that, and the kernel has done
   * it. What their user expects of it is done piece by piece.
   */
  private Done configurationAsNew(Plugged before) {
    for (Map.Entry<Integer, Integer> each : before.alternates().entrySet()) {
      if (each.getValue() != 0) {
        int result = usbfs.setInterface(each.getKey(), 0);
        if (result < 0) {
          return new Done(KernelStatus.ofRefused(result), before);
        }
      }
    }
    for (int endpoint : before.halted()) {
      var unused = usbfs.clearHalt(endpoint); // of another setting it is gone with that
    }
    return new Done(UrbStatus.OK, unset(before, before.configuration()));
  }

  private Done claimed(Plugged after, UrbStatus status) {
    int result = claims.claimAll(after.descriptors().interfaceNumbers(after.configuration()));
    if (result < 0) {
      claims.releaseAll();
    }
    return new Done(result < 0 ? KernelStatus.ofRefused(result) : status, after);
  }

  private Done setInterface(int number, int alternate, Plugged before) {
    int result = usbfs.setInterface(number, alternate);
    if (result < 0) {
      return new Done(
          result == -Errno.EINVAL ? UrbStatus.STALL : KernelStatus.ofRefused(result), before);
    }
    ImmutableMap<Integer, Integer> alternates =
        ImmutableMap.<Integer, Integer>builder()
            .putAll(before.alternates())
            .put(number, alternate)
            .buildKeepingLast();
    ImmutableSet<Integer> gone = endpoints(before, number);
    ImmutableSet<Integer> halted =
        before.halted().stream()
            .filter(each -> !gone.contains(each))
            .collect(ImmutableSet.toImmutableSet());
    return new Done(UrbStatus.OK, with(before, before.configuration(), alternates, halted));
  }

  /** Addresses of all that an interface has in any setting. */
  private static ImmutableSet<Integer> endpoints(Plugged of, int number) {
    return of.descriptors().configuration(of.configuration()).stream()
        .flatMap(each -> each.interfaces().stream())
        .filter(each -> each.number() == number)
        .flatMap(each -> each.endpoints().stream())
        .map(Descriptors.Endpoint::address)
        .collect(ImmutableSet.toImmutableSet());
  }

  private Done clearHalt(int endpoint, Plugged before) {
    int result = usbfs.clearHalt(endpoint);
    return result < 0
        ? new Done(KernelStatus.ofRefused(result), before)
        : new Done(UrbStatus.OK, halted(before, endpoint, false));
  }

  /**
   * Resets the device. The kernel configures it again, takes usbfs away from what is claimed, and
   * may give that to its own drivers: so it is released before, which sets its first settings, and
   * taken from them afterwards.
   */
  Done reset(Plugged before) {
    claims.releaseAll();
    int result = usbfs.reset();
    return claimed(
        unset(before, before.configuration()),
        result < 0 ? KernelStatus.ofRefused(result) : UrbStatus.OK);
  }

  /** What is there after a URB for the device alone was done, which may halt an endpoint. */
  static Plugged after(Urb urb, Plugged before) {
    if (urb.type() == UrbType.CONTROL) {
      boolean halts =
          urb.setupShort(0) == SET_ENDPOINT_FEATURE
              && urb.setupShort(VALUE) == ENDPOINT_HALT
              && endpoint(urb) != 0
              && urb.status() == UrbStatus.OK;
      return halts ? halted(before, endpoint(urb), true) : before;
    }
    return urb.status() == UrbStatus.STALL ? halted(before, urb.endpoint(), true) : before;
  }

  /** With this configuration as it is at first. */
  private static Plugged unset(Plugged before, int configuration) {
    return with(
        before,
        configuration,
        firstSettings(before.descriptors().interfaceNumbers(configuration)),
        ImmutableSet.of());
  }

  /** Setting 0 of each interface: what one has that was taken from a driver. */
  static ImmutableMap<Integer, Integer> firstSettings(ImmutableSortedSet<Integer> interfaces) {
    return interfaces.stream().collect(ImmutableMap.toImmutableMap(each -> each, each -> 0));
  }

  private static Plugged halted(Plugged before, int endpoint, boolean isHalted) {
    if (before.halted().contains(endpoint) == isHalted) {
      return before;
    }
    ImmutableSet.Builder<Integer> halted = ImmutableSet.builder();
    before.halted().stream().filter(each -> each != endpoint).forEach(halted::add);
    if (isHalted) {
      halted.add(endpoint);
    }
    return with(before, before.configuration(), before.alternates(), halted.build());
  }

  private static Plugged with(
      Plugged before,
      int configuration,
      ImmutableMap<Integer, Integer> alternates,
      ImmutableSet<Integer> halted) {
    return new Plugged(
        before.speed(), before.descriptors(), before.serial(), configuration, alternates, halted);
  }
}

package io.netchannel.midpoint.usb;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.hash.Hashing;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.Descriptors.Configuration;
import io.netchannel.device.usb.Descriptors.Interface;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.PortState.Plugged;
import io.netchannel.device.usb.Urb;
import io.netchannel.vdevice.usb.UsbPort;
import java.util.Optional;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the guest is shown of what is at its port's device. Owned by the agent's thread, but for
 * {@link #refusal}.
 *
 * <pre>
 *              something is there            it went, or another came
 *   NOTHING ----------------------> SHOWN ------------------------------> NOTHING
 *      ^  |
 *      |  +-- a hub is there, or the port is withdrawn --> HIDDEN
 *      +--------- it went, or the port is shown again -------+
 * </pre>
 */
final class PlugState {
  private static final Logger log = LoggerFactory.getLogger(PlugState.class);

  private static final int ENDPOINT_NUMBER = 0x0f;

  /** An incarnation of nothing. */
  static final int NOTHING = -1;

  private final Object owner;
  private final UsbPort port;
  private final ResumeGate gate;
  private boolean withdrawn;
  private int shown = NOTHING;

  /** A bit for each IN endpoint where reads wait for what a device may say at any time. */
  private int waiting;

  private volatile Optional<String> refusal = Optional.empty();

  /**
   * Of nothing yet.
   *
   * @param owner for log lines
   * @param gate is told what the guest is shown
   */
  PlugState(Object owner, UsbPort port, ResumeGate gate) {
    this.owner = owner;
    this.port = port;
    this.gate = gate;
  }

  /** Another device takes the place of the one before: its incarnations are others. */
  void exchanged() {
    hide();
  }

  /**
   * Whether the guest is shown an empty port, whatever is there; what is shown changes with the
   * next {@link #follow}.
   */
  void withdrawn(boolean yes) {
    withdrawn = yes;
  }

  /** Shows the guest what is there now. */
  void follow(PortState state) {
    if (state.plugged().isEmpty() || withdrawn || state.incarnation() != shown) {
      hide();
    }
    refusal = Optional.empty();
    if (!withdrawn) {
      state.plugged().ifPresent(plugged -> show(state.incarnation(), plugged));
    }
  }

  private void show(int incarnation, Plugged plugged) {
    if (isHub(plugged.descriptors())) {
      String reason =
          "%s is a hub, and a guest's port has no ports below it; give the guest the devices at the"
              + " hub's ports";
      refusal = Optional.of(reason.formatted(plugged.descriptors()));
      log.warn("{}: {}", owner, refusal.get());
      return;
    }
    port.relievable(endpoints(plugged, PlugState::isCommunications));
    waiting = endpoints(plugged, PlugState::saysWhatItWants);
    if (shown == NOTHING) {
      shown = incarnation;
      gate.shown(plugged.descriptors());
      port.plugged(plugged.speed().number(), identity(plugged));
      log.info("{}: {} is plugged, {}", owner, plugged.descriptors(), plugged.speed());
    }
  }

  private void hide() {
    if (shown != NOTHING) {
      shown = NOTHING;
      port.unplugged();
      log.info("{}: unplugged", owner);
    }
  }

  /** Which incarnation the guest sees; {@link #NOTHING} for none. */
  int shown() {
    return shown;
  }

  /** Why what is there is not shown to the guest; on any thread. */
  Optional<String> refusal() {
    return refusal;
  }

  /** Who plugs in another one like it, without a number of its own, is not found out. */
  static String identity(Plugged plugged) {
    return Hashing.sha256()
        .newHasher()
        .putInt(plugged.speed().number())
        .putBytes(plugged.descriptors().bytes())
        .putString(plugged.serial().orElse(""), UTF_8)
        .hash()
        .toString();
  }

  private static boolean isHub(Descriptors descriptors) {
    return descriptors.usbClass() == UsbClass.HUB
        || descriptors.configurations().stream()
            .flatMap(configuration -> configuration.interfaces().stream())
            .anyMatch(each -> each.usbClass() == UsbClass.HUB);
  }

  /**
   * Whether a read there waits for what the device may say at any time, and may be asked of it
   * later: what it says meanwhile it keeps. Not of a stick, which answers a command of the guest.
   */
  boolean isWaiting(int endpoint) {
    return (waiting >>> (endpoint & ENDPOINT_NUMBER) & 1) != 0;
  }

  /** A bit for each IN of such interfaces; for {@link UsbPort#relievable} too. */
  private static int endpoints(Plugged plugged, Predicate<Interface> which) {
    return plugged.descriptors().configurations().stream()
        .map(Configuration::interfaces)
        .flatMap(interfaces -> interfaces.stream())
        .filter(which)
        .flatMap(each -> each.endpoints().stream())
        // An OUT may have its number in common with an IN of another interface, as of a disk.
        .filter(endpoint -> (endpoint.address() & Urb.IN) != 0)
        .mapToInt(endpoint -> 1 << (endpoint.address() & ENDPOINT_NUMBER))
        .reduce(0, (bits, bit) -> bits | bit);
  }

  private static boolean saysWhatItWants(Interface each) {
    return isCommunications(each)
        || each.usbClass() == UsbClass.HID
        || each.usbClass() == UsbClass.VENDOR_SPECIFIC;
  }

  /** Their drivers ask again when nothing comes. */
  private static boolean isCommunications(Interface each) {
    return each.usbClass() == UsbClass.COMMUNICATIONS
        || each.usbClass() == UsbClass.COMMUNICATIONS_DATA;
  }
}

package io.netchannel.device.remote;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.UsbSpeed;
import io.netchannel.wire.UsbPort;
import java.util.Optional;

/** What a server tells of its port, as devices tell it. */
final class UsbPorts {
  private UsbPorts() {}

  /**
   * As the user of a device has it.
   *
   * @param incarnation as the device counts
   */
  static PortState state(UsbPort told, int incarnation) {
    return new PortState(
        incarnation,
        told.plugged()
            .filter(UsbPorts::hasDescriptors)
            .map(
                found ->
                    new PortState.Plugged(
                        speed(found.speed()),
                        Descriptors.of(found.descriptorBytes()),
                        Optional.of(found.serial()).filter(serial -> !serial.isEmpty()),
                        found.configuration(),
                        found.alternates(),
                        found.halted())));
  }

  /** A server may send anything: what is not a device is not there. */
  private static boolean hasDescriptors(UsbPort.Plugged found) {
    try {
      var unused = Descriptors.of(found.descriptorBytes());
      return true;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  private static UsbSpeed speed(int number) {
    for (UsbSpeed speed : UsbSpeed.values()) {
      if (speed.number() == number) {
        return speed;
      }
    }
    throw new IllegalArgumentException("speed " + number);
  }

  /**
   * Whether what two lives of a server tell may be the same device, as its user has left it. Who
   * plugs in another one like it in between is not found out; its URBs fail all the same.
   */
  static boolean isUnchanged(UsbPort before, UsbPort now) {
    if (before.plugged().isEmpty() || now.plugged().isEmpty()) {
      return before.plugged().isEmpty() && now.plugged().isEmpty();
    }
    UsbPort.Plugged one = before.plugged().get();
    UsbPort.Plugged other = now.plugged().get();
    return one.speed() == other.speed()
        && one.configuration() == other.configuration()
        && one.alternates().equals(other.alternates())
        && one.serial().equals(other.serial())
        && one.descriptors().equals(other.descriptors());
  }
}

package io.netchannel.daemon;

import io.netchannel.coordinator.Standing;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.UsbDevice;
import java.util.UUID;
import java.util.function.BiFunction;

/** Gives USB ports their sources again. */
final class PortRecovery extends DeviceRecovery<UsbDevice, ServedPort> {
  private final UsbPorts ports;

  PortRecovery(
      UsbPorts ports,
      BiFunction<UUID, String, Standing> standings,
      GenerationClaim generations,
      Timer timer,
      ServedAgain servedAgain) {
    super(standings, generations, timer, servedAgain);
    this.ports = ports;
  }

  @Override
  String source(ServedPort port, String noted) {
    return noted;
  }

  @Override
  long newestGeneration(ServedPort port, String source) throws DeviceException {
    return ports.newestGeneration(port, source);
  }

  @Override
  UsbDevice open(ServedPort port, String source, long generation) throws DeviceException {
    return ports.openFor(port, source, generation);
  }

  /** Whatever is plugged there now: its mid-point shows the guest another device as another. */
  @Override
  UsbDevice opened(ServedPort port, String source, UsbDevice device) {
    return device;
  }

  @Override
  void recovered(ServedPort port) {}
}

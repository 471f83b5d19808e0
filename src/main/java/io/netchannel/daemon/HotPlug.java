package io.netchannel.daemon;

import io.netchannel.device.Backend;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.vdevice.DeviceNodes;
import io.netchannel.xen.XenStore;
import java.time.Duration;
import java.util.Map;

/** Plugs devices of any kind into running guests, and unplugs them, for people who wait for it. */
final class HotPlug {
  /** Opening a device and offering it takes well under a second. */
  private static final Duration ATTACH_BOUND = Duration.ofSeconds(20);

  /** The longest anybody may wait at a prompt for a guest to let go of a device. */
  private static final long MAX_DETACH_SECONDS = 600;

  private final XenStore store;
  private final GenerationClaim generations;

  HotPlug(XenStore store, GenerationClaim generations) {
    this.store = store;
    this.generations = generations;
  }

  /**
   * Gives a guest a device.
   *
   * @param what it is, for people: "disk xvdb"
   * @throws ControlException when it has one already, or this cannot be served: then it is as
   *     before
   */
  <
          B extends Backend,
          S extends ServedDevice<B, ? extends MidPoint<B, ?>, D>,
          D extends DeviceDetails<D>>
      S attach(ServedDevices<B, S, D> kind, D details, String what, String source)
          throws ControlException {
    if (store.exists(details.address().frontendPath())) {
      throw new ControlException("%s has a %s already".formatted(details.guest(), what));
    }
    S device;
    try {
      device = kind.publishNew(details);
    } catch (IllegalStateException e) {
      throw new ControlException(e.getMessage(), e);
    }
    try {
      ControlCommands.await(kind.serve(device, source, generations), ATTACH_BOUND);
    } catch (ControlException e) {
      kind.remove(device);
      throw e;
    }
    return device;
  }

  /**
   * Takes a device from its guest, which is asked to let go of it.
   *
   * @param request may bound that by "timeoutSeconds", and want it removed then by "force"
   * @param hint why a guest may not let go
   */
  <
          B extends Backend,
          S extends ServedDevice<B, ? extends MidPoint<B, ?>, D>,
          D extends DeviceDetails<D>>
      void detach(ServedDevices<B, S, D> kind, S device, Map<String, Object> request, String hint)
          throws ControlException {
    Duration bound =
        request.get("timeoutSeconds") instanceof Long seconds && seconds > 0
            ? Duration.ofSeconds(Math.min(seconds, MAX_DETACH_SECONDS))
            : ATTACH_BOUND;
    DeviceNodes.requestClose(store, device.address());
    try {
      ControlCommands.await(device.midPoint().retired(), bound);
    } catch (ControlException e) {
      if (!Boolean.TRUE.equals(request.get("force"))) {
        throw new ControlException(
            "%s still uses %s after %d s%s: it goes when the guest lets go; --force removes it now"
                .formatted(device.guest(), device.target(), bound.toSeconds(), hint),
            e);
      }
    }
    kind.remove(device);
  }
}

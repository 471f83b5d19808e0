package io.netchannel.midpoint.usb;

import static com.google.common.base.Preconditions.checkArgument;

import io.netchannel.device.usb.Descriptors.Interface;
import io.netchannel.device.usb.PortState.Plugged;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.midpoint.HandOver;
import io.netchannel.midpoint.Seal;
import io.netchannel.midpoint.usb.UsbManifest.Settings;
import io.netchannel.midpoint.usb.UsbManifest.Unanswered;
import io.netchannel.vdevice.usb.PortMemory;
import io.netchannel.vdevice.usb.UsbPort;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How what is at a USB port leaves for another host, and comes from one: mostly what the guest
 * knows of its device, so that it is shown nothing when that is the same here.
 *
 * <pre>
 *   same device, same settings ----------------> the guest is shown nothing
 *   another one, other settings, a lost URB ---> unplug and plug
 *   nothing is there --------------------------> unplug
 * </pre>
 */
final class UsbHandOver implements HandOver<UsbDevice, UsbManifest> {
  private static final Logger log = LoggerFactory.getLogger(UsbHandOver.class);

  private final UsbFlow flow;
  private final UsbPort port;

  /** What is not as the guest has left it, in words. */
  private volatile Optional<String> lost = Optional.empty();

  UsbHandOver(UsbFlow flow, UsbPort port) {
    this.flow = flow;
    this.port = port;
  }

  /** On any thread. */
  Optional<String> lost() {
    return lost;
  }

  @Override
  public UsbManifest nothing() {
    return UsbManifest.nothing(flow.generation());
  }

  @Override
  public Seal<UsbManifest> seal(Seal.Terms<UsbManifest> terms) {
    Optional<String> obstacle = flow.obstacleNow();
    if (obstacle.isPresent()) {
      throw new IllegalStateException(obstacle.get());
    }
    return new UsbSeal(flow, terms);
  }

  @Override
  public void drop() {}

  /** There is nothing to prepare: a manifest is a few hundred bytes. */
  @Override
  public void stage(UsbManifest expected) {}

  @Override
  public void unstage() {}

  @Override
  public void check(UsbManifest handedOver, UsbDevice newDevice) {
    Optional<Plugged> here =
        newDevice.port().plugged().filter(plugged -> isSame(handedOver, plugged));
    if (here.isEmpty() || handedOver.device().isEmpty()) {
      return; // another one: nothing of the manifest is about it
    }
    Settings settings = handedOver.device().get();
    checkArgument(
        settings.configuration() == 0 || configures(here.get(), settings),
        "%s: the guest has configuration %s with the alternate settings %s of its device, and"
            + " %s, which is the same, has no such ones; the manifest is not of this device",
        flow.id(),
        settings.configuration(),
        settings.alternates(),
        here.get().descriptors());
  }

  private static boolean configures(Plugged plugged, Settings settings) {
    return plugged.descriptors().configuration(settings.configuration()).stream()
        .anyMatch(
            configuration ->
                settings.alternates().entrySet().stream()
                    .allMatch(
                        wanted ->
                            configuration.interfaces().stream()
                                .anyMatch(
                                    one -> isSetting(one, wanted.getKey(), wanted.getValue()))));
  }

  private static boolean isSetting(Interface one, int number, int alternate) {
    return one.number() == number && one.alternate() == alternate;
  }

  @Override
  public void takeOver(UsbManifest handedOver, UsbDevice newDevice) {
    for (Unanswered entry : handedOver.unanswered()) {
      flow.trace().adopt(entry, entry.state());
    }
    flow.arrives();
    lost = lostOf(handedOver);
    Optional<Plugged> here =
        newDevice.port().plugged().filter(plugged -> isSame(handedOver, plugged));
    Optional<String> changed = here.flatMap(plugged -> changed(handedOver, plugged));
    lost.or(() -> changed).ifPresent(why -> log.warn("{}: {}", flow.id(), why));
    boolean asItWas = lost.isEmpty() && changed.isEmpty();
    port.remember(asItWas ? handedOver.port() : another(handedOver.port()));
    handedOver.mark().ifPresent(port::inherit);
  }

  /** Whether the guest was told of just this device. */
  private static boolean isSame(UsbManifest handedOver, Plugged plugged) {
    return handedOver.port().told().equals(PlugState.identity(plugged));
  }

  /** What the guest was told of, if of anything, is to be seen unplugged. */
  private static PortMemory another(PortMemory before) {
    return before.told().isEmpty() ? before : PortMemory.OF_ANOTHER;
  }

  /** The device is the one that the guest had; whether somebody has used it since. */
  private static Optional<String> changed(UsbManifest handedOver, Plugged here) {
    Settings now = Settings.of(here);
    return handedOver
        .device()
        .filter(before -> !before.isAs(now))
        .map(
            before ->
                ("%s is set to configuration %d, alternate settings %s, and the guest had left it"
                        + " at %d, %s: the guest is shown that it was plugged anew")
                    .formatted(
                        here.descriptors(),
                        now.configuration(),
                        now.alternates(),
                        before.configuration(),
                        before.alternates()));
  }

  /** A driver that resumes sends again what has no answer; what has moved data must not be. */
  private static Optional<String> lostOf(UsbManifest handedOver) {
    return handedOver.unanswered().stream()
        .filter(entry -> entry.outcome().isPresent())
        .findFirst()
        .map(
            entry ->
                ("the guest has suspended while %s request %d at endpoint %02x was going on, of"
                        + " which %d bytes were moved (%s): it is shown that its device was plugged"
                        + " anew")
                    .formatted(
                        entry.kind(),
                        entry.id(),
                        entry.endpoint(),
                        entry.actualBytes(),
                        entry.outcome().orElseThrow()));
  }
}

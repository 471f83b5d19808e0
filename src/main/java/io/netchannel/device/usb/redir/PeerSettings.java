package io.netchannel.device.usb.redir;

import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.Descriptors.Endpoint;
import io.netchannel.device.usb.Descriptors.Interface;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.UsbSpeed;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/** What a peer's device is, and what has been set of it. */
final class PeerSettings {
  private final UsbSpeed speed;
  private final Descriptors descriptors;
  private final Optional<String> serial;
  private int configuration;
  private final Map<Integer, Integer> alternates = new TreeMap<>();
  private final TreeSet<Integer> halted = new TreeSet<>();

  PeerSettings(UsbSpeed speed, Descriptors descriptors, Optional<String> serial) {
    this.speed = speed;
    this.descriptors = descriptors;
    this.serial = serial;
  }

  PortState.Plugged plugged() {
    return new PortState.Plugged(
        speed,
        descriptors,
        serial,
        configuration,
        ImmutableSortedMap.copyOf(alternates),
        ImmutableSet.copyOf(halted));
  }

  void configure(int value) {
    configuration = value;
    alternates.clear();
    all().forEach(each -> alternates.put(each.number(), 0));
    halted.clear();
  }

  /** The device was reset, and has its configuration again. */
  void reset() {
    configure(configuration);
  }

  /**
   * An alternate setting was selected.
   *
   * @return false when there is no such interface
   */
  boolean select(int number, int alternate) {
    if (!alternates.containsKey(number)) {
      return false;
    }
    halted.removeIf(endpoint -> isOf(number, endpoint));
    alternates.put(number, alternate);
    return true;
  }

  /**
   * An endpoint has halted.
   *
   * @return whether that is new
   */
  boolean halt(int endpoint) {
    return halted.add(endpoint);
  }

  /** As {@link #halt}, of its end. */
  boolean clearHalt(int endpoint) {
    return halted.remove(endpoint);
  }

  /** Of the settings that are selected. */
  Stream<Endpoint> endpoints() {
    return all()
        .filter(each -> alternates.get(each.number()) == each.alternate())
        .flatMap(each -> each.endpoints().stream());
  }

  /** One of these. */
  Optional<Endpoint> endpoint(int address) {
    return endpoints().filter(each -> each.address() == address).findFirst();
  }

  /** Whether an endpoint belongs to any setting of an interface. */
  boolean isOf(int interfaceNumber, int endpoint) {
    return all()
        .filter(each -> each.number() == interfaceNumber)
        .flatMap(each -> each.endpoints().stream())
        .anyMatch(each -> each.address() == endpoint);
  }

  private Stream<Interface> all() {
    return descriptors
        .configuration(configuration)
        .map(found -> found.interfaces().stream())
        .orElse(Stream.of());
  }
}

package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.DeviceKey;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * What our backend's nodes say of a device beside the handshake: all that a restarted daemon needs
 * to serve it again, and what administrators look for. A value.
 *
 * @param <D> itself
 */
interface DeviceDetails<D extends DeviceDetails<D>> {
  /** The service domain we run in. */
  int BACKEND_DOMID = 0;

  Guest guest();

  /** What tells it from all other devices of its guest: "xvdb", "usb1". */
  String target();

  /** Where its requests go; empty while it waits for its device. */
  Optional<String> source();

  /** 0 while it waits for its device. */
  long generation();

  /** The same, served from a device. */
  D with(Optional<String> newSource, long newGeneration);

  DeviceAddress address();

  /** All nodes that tell it. */
  ImmutableMap<String, String> nodes();

  /** As what the journal knows it. */
  default DeviceKey key() {
    return new DeviceKey(guest().uuid(), target());
  }

  /** The nodes that every kind of device has. */
  static ImmutableMap<String, String> common(DeviceDetails<?> details) {
    ImmutableMap.Builder<String, String> nodes = ImmutableMap.builder();
    nodes.put(DeviceDetail.DOMAIN, details.guest().name());
    nodes.put(DeviceDetail.UUID, details.guest().uuid().toString());
    nodes.put(DeviceDetail.GENERATION, Long.toString(details.generation()));
    details.source().ifPresent(text -> nodes.put(DeviceDetail.PARAMS, text));
    return nodes.buildOrThrow();
  }

  /**
   * Whose nodes these are.
   *
   * @throws IllegalArgumentException when something is missing or malformed
   */
  static Guest guest(DeviceAddress address, Map<String, String> nodes) {
    return new Guest(
        required(nodes, DeviceDetail.DOMAIN),
        UUID.fromString(required(nodes, DeviceDetail.UUID)),
        address.domid());
  }

  /** What a node says. */
  static String required(Map<String, String> nodes, String name) {
    String value = nodes.get(name);
    if (value == null) {
      throw new IllegalArgumentException("no node " + name);
    }
    return value;
  }
}

package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.DiskKey;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.vdevice.block.VbdNodes.Detail;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * What our backend's nodes say of a disk beside the handshake: all that a restarted daemon needs to
 * serve it again, and what administrators look for.
 *
 * @param source where its requests go; empty while it waits for a take-over
 * @param generation 0 while it waits for a take-over
 * @param inherited whether libxl made it, so that its {@code <disk>} says which device it is
 */
record DiskDetails(
    Guest guest,
    String target,
    boolean readOnly,
    Optional<String> source,
    long generation,
    boolean inherited) {

  /** The service domain we run in. */
  static final int BACKEND_DOMID = 0;

  private static final String READ_ONLY = "r";
  private static final String READ_WRITE = "w";

  private static final String YES = "1";

  /** One that the domain's metadata describes. */
  DiskDetails(
      Guest guest, String target, boolean readOnly, Optional<String> source, long generation) {
    this(guest, target, readOnly, source, generation, false);
  }

  /** A disk that has no device yet. */
  static DiskDetails expecting(Guest guest, String target, boolean readOnly) {
    return new DiskDetails(guest, target, readOnly, Optional.empty(), 0);
  }

  /** As what the coordinator knows it. */
  DiskKey key() {
    return new DiskKey(guest.uuid(), target);
  }

  /** The same of one that libxl made. */
  DiskDetails asInherited() {
    return new DiskDetails(guest, target, readOnly, source, generation, true);
  }

  /** The same, served from a device. */
  DiskDetails with(Optional<String> newSource, long newGeneration) {
    return new DiskDetails(guest, target, readOnly, newSource, newGeneration, inherited);
  }

  /** What the nodes at {@code address} say; empty when something is missing or malformed. */
  static Optional<DiskDetails> parse(DeviceAddress address, Map<String, String> nodes) {
    try {
      Guest guest =
          new Guest(
              required(nodes, DeviceDetail.DOMAIN),
              UUID.fromString(required(nodes, DeviceDetail.UUID)),
              address.domid());
      return Optional.of(
          new DiskDetails(
              guest,
              required(nodes, Detail.DEV),
              required(nodes, Detail.MODE).equals(READ_ONLY),
              Optional.ofNullable(nodes.get(DeviceDetail.PARAMS)),
              Long.parseLong(required(nodes, DeviceDetail.GENERATION)),
              YES.equals(nodes.get(Detail.INHERITED))));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  /** How its device is opened. */
  OpenOptions openOptions(long forGeneration, Optional<Inheritance> inheritance) {
    return OpenOptions.of(
        readOnly, OpenOptions.User.disk(guest.uuid(), target, forGeneration, inheritance));
  }

  /**
   * Likewise of a device that has become its disk, of which the authority does not know yet. What
   * was written to it on the other host may be lost by now: then the guest's flush is to fail.
   */
  OpenOptions copyOptions(long forGeneration) {
    return OpenOptions.anew(
        OpenOptions.User.disk(
            guest.uuid(), target, forGeneration, Optional.of(Inheritance.UNTOLD)));
  }

  /** What an authority of its device calls it. */
  String userName() {
    return OpenOptions.User.diskName(guest.uuid(), target);
  }

  DeviceAddress address() {
    return VbdNodes.TYPE.address(guest.domid(), DiskName.devid(target), BACKEND_DOMID);
  }

  ImmutableMap<String, String> nodes() {
    ImmutableMap.Builder<String, String> nodes = ImmutableMap.builder();
    nodes.put(DeviceDetail.DOMAIN, guest.name());
    nodes.put(DeviceDetail.UUID, guest.uuid().toString());
    nodes.put(Detail.DEV, target);
    nodes.put(Detail.MODE, readOnly ? READ_ONLY : READ_WRITE);
    nodes.put(DeviceDetail.GENERATION, Long.toString(generation));
    source.ifPresent(text -> nodes.put(DeviceDetail.PARAMS, text));
    if (inherited) {
      nodes.put(Detail.INHERITED, YES);
    }
    return nodes.buildOrThrow();
  }

  private static String required(Map<String, String> nodes, String name) {
    String value = nodes.get(name);
    if (value == null) {
      throw new IllegalArgumentException("no node " + name);
    }
    return value;
  }

  @Override
  public String toString() {
    return guest + " " + target;
  }
}

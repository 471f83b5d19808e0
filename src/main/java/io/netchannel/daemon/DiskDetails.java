package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceDetail;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.vdevice.block.VbdNodes.Detail;
import java.util.Map;
import java.util.Optional;

/**
 * What our backend's nodes say of a disk.
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
    boolean inherited)
    implements DeviceDetails<DiskDetails> {
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

  /** The same of one that libxl made. */
  DiskDetails asInherited() {
    return new DiskDetails(guest, target, readOnly, source, generation, true);
  }

  @Override
  public DiskDetails with(Optional<String> newSource, long newGeneration) {
    return new DiskDetails(guest, target, readOnly, newSource, newGeneration, inherited);
  }

  /** What the nodes at {@code address} say; empty when something is missing or malformed. */
  static Optional<DiskDetails> parse(DeviceAddress address, Map<String, String> nodes) {
    try {
      return Optional.of(
          new DiskDetails(
              DeviceDetails.guest(address, nodes),
              DeviceDetails.required(nodes, Detail.DEV),
              DeviceDetails.required(nodes, Detail.MODE).equals(READ_ONLY),
              Optional.ofNullable(nodes.get(DeviceDetail.PARAMS)),
              Long.parseLong(DeviceDetails.required(nodes, DeviceDetail.GENERATION)),
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

  @Override
  public DeviceAddress address() {
    return VbdNodes.TYPE.address(guest.domid(), DiskName.devid(target), BACKEND_DOMID);
  }

  @Override
  public ImmutableMap<String, String> nodes() {
    ImmutableMap.Builder<String, String> nodes = ImmutableMap.builder();
    nodes.putAll(DeviceDetails.common(this));
    nodes.put(Detail.DEV, target);
    nodes.put(Detail.MODE, readOnly ? READ_ONLY : READ_WRITE);
    if (inherited) {
      nodes.put(Detail.INHERITED, YES);
    }
    return nodes.buildOrThrow();
  }

  @Override
  public String toString() {
    return guest + " " + target;
  }
}

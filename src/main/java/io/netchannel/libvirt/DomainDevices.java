package io.netchannel.libvirt;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;

/**
 * What a domain's XML says about its Netchannel devices.
 *
 * @param domid from {@code <domain id=>}; present only while it runs, in "started" and "stopped"
 * @param disks from {@code <metadata>}, in the order written
 * @param usb likewise, its USB ports
 */
public record DomainDevices(
    String name, UUID uuid, OptionalInt domid, List<Disk> disks, List<Usb> usb) {

  /**
   * A {@code <netchannel:disk>}.
   *
   * @param target the guest's name for it: "xvdb"
   * @param source a device source, or {@link #INHERIT}
   * @param follow the pool in which the disk gets a volume where its guest runs; empty when it
   *     stays where it is
   */
  public record Disk(String target, String source, boolean readOnly, Optional<String> follow) {
    /** Take over the libxl-made phy disk of the same target. */
    public static final String INHERIT = "inherit";

    /** One that stays where it is. */
    public Disk(String target, String source, boolean readOnly) {
      this(target, source, readOnly, Optional.empty());
    }
  }

  /**
   * A {@code <netchannel:usb>}.
   *
   * @param port 1 to {@link #MAX_PORT}, each a USB controller of its own in the guest
   * @param source of a USB device
   * @param replugs whether the guest is shown an unplug before it suspends and a plug after it has
   *     resumed
   */
  public record Usb(int port, String source, boolean replugs) {
    /** As many as a controller may have ports (io/usbif.h). */
    public static final int MAX_PORT = 31;

    /** One whose device stays plugged over a migration. */
    public Usb(int port, String source) {
      this(port, source, false);
    }
  }

  /** Whether Netchannel serves any device of it. */
  public boolean hasAny() {
    return !disks.isEmpty() || !usb.isEmpty();
  }
}

package io.netchannel.vdevice.usb;

/**
 * What a port knows of its guest that no ring tells, when the guest has suspended: by that another
 * host's port goes on without showing the guest anything.
 *
 * @param told which device the frontend was told of last; empty for none, {@link #GONE} for one
 *     that it has to see unplugged
 * @param address that the guest has given it; 0 while it has none
 */
public record PortMemory(String told, int address) {
  /** The identity of a device that was there: it equals none that is plugged. */
  public static final String GONE = "gone";

  /** Of a port whose frontend has not been told anything. */
  public static final PortMemory NOTHING = new PortMemory("", 0);

  /** The frontend was told of a device that the guest must not take for the one that is there. */
  public static final PortMemory OF_ANOTHER = new PortMemory(GONE, 0);
}

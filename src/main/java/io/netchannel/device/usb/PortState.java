package io.netchannel.device.usb;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import java.util.Optional;

/**
 * What is at a port at one moment.
 *
 * @param incarnation counts what was plugged since the device was opened; 0 before the first
 * @param plugged empty while nothing is there
 */
public record PortState(int incarnation, Optional<Plugged> plugged) {

  /**
   * What is plugged, and what its user has set.
   *
   * @param serial its serial number; empty when it has none
   * @param configuration the value of the one that is set, 0 for none
   * @param alternates the alternate setting of each interface of it, by its number
   * @param halted addresses of the endpoints that are halted
   */
  public record Plugged(
      UsbSpeed speed,
      Descriptors descriptors,
      Optional<String> serial,
      int configuration,
      ImmutableMap<Integer, Integer> alternates,
      ImmutableSet<Integer> halted) {}

  /** Nothing has been there yet. */
  public static final PortState EMPTY = new PortState(0, Optional.empty());
}

package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.Migration.MovedDevice;
import java.util.function.ToLongFunction;

/**
 * The highest generation of a disk this host has heard of, and who may use it.
 *
 * @param holder name of a peer, or empty for this host
 */
public record Generation(long number, String holder) {
  static Generation here(long number) {
    return new Generation(number, "");
  }

  static Generation at(String peer, long number) {
    return new Generation(number, peer);
  }

  /** Whether this host may write with it. */
  public boolean isHere() {
    return holder.isEmpty();
  }

  /**
   * What a step of a migration makes the generations of its disks.
   *
   * @param number of each disk
   * @param holder of all of them
   */
  static ImmutableMap<DeviceKey, Generation> of(
      Migration migration, ToLongFunction<MovedDevice> number, String holder) {
    return migration.devices().stream()
        .collect(
            ImmutableMap.toImmutableMap(
                moved -> DeviceKey.of(moved.device()),
                moved -> new Generation(number.applyAsLong(moved), holder)));
  }
}

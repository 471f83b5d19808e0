package io.netchannel.daemon;

import com.google.common.collect.ImmutableSet;
import io.netchannel.libvirt.DomainDevices;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;

/**
 * A domain between "start begin" and the end of "started begin".
 *
 * <pre>
 *   ARMED --its xenstore directory appears--> PLACED --started--> (forgotten)
 *     +--------- bound passes, or stopped/release --------------> (forgotten)
 * </pre>
 *
 * Its monitor guards it: looks and hooks take turns at a domain, not at all domains.
 */
final class Arrival {
  private final DomainDevices devices;
  private final boolean incoming;
  private final ImmutableSet<Integer> earlier;
  private final long armedAtNanos;
  private final Map<String, CompletableFuture<Void>> placed = new TreeMap<>();

  /**
   * An armed domain.
   *
   * @param incoming whether it comes by a migration: its disks wait for a take-over
   * @param earlier domids with the same UUID that were there before: what is left of its last run
   */
  Arrival(DomainDevices devices, boolean incoming, Set<Integer> earlier, long armedAtNanos) {
    this.devices = devices;
    this.incoming = incoming;
    this.earlier = ImmutableSet.copyOf(earlier);
    this.armedAtNanos = armedAtNanos;
  }

  DomainDevices devices() {
    return devices;
  }

  boolean incoming() {
    return incoming;
  }

  boolean isEarlier(int domid) {
    return earlier.contains(domid);
  }

  long armedAtNanos() {
    return armedAtNanos;
  }

  /** Whether a disk's nodes are published, or it was given up: its future tells. */
  boolean isPlaced(String target) {
    return placed.containsKey(target);
  }

  /**
   * A disk's nodes are published; {@code ready} completes when it is served, or not needed here.
   */
  void place(String target, CompletableFuture<Void> ready) {
    placed.put(target, ready);
  }

  /** The future of a disk, empty while it has no nodes. */
  Optional<CompletableFuture<Void>> ready(String target) {
    return Optional.ofNullable(placed.get(target));
  }
}

package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import java.time.Clock;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.Executor;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * What both sides of a migration need.
 *
 * @param clock for what people read: when something happened
 * @param nanoTime of a monotonic clock, for all that happens by time
 */
record Context(
    String host,
    MigrationStore store,
    DiskJobStore jobs,
    LocalDevices devices,
    ImmutableMap<String, Peer> peers,
    Timeouts timeouts,
    StockDiskPolicy stockDisks,
    FaultPoints faults,
    Clock clock,
    LongSupplier nanoTime,
    Executor executor,
    Supplier<UUID> ids,
    MigrationLocks locks,
    Errands<UUID> errands,
    Backoffs backoff,
    Tells tells) {

  /** That much from now. */
  Deadline deadline(Duration bound) {
    return Deadline.after(nanoTime, bound);
  }

  /**
   * @throws PeerException when it was configured once and is not any more
   */
  Peer peer(String name) throws PeerException {
    Peer peer = peers.get(name);
    if (peer == null) {
      throw new PeerException(
          PeerException.Kind.NO_ANSWER,
          name + " is not configured as a [[peer]] on " + host + "; add it again");
    }
    return peer;
  }

  /** What a user reads of a migration that cannot go on here. */
  MigrationRefusedException refused(Migration migration, String why) {
    return new MigrationRefusedException(host + ": " + migration.label() + " " + why);
  }

  MigrationRefusedException refused(Migration migration, String why, Exception cause) {
    return new MigrationRefusedException(host + ": " + migration.label() + " " + why, cause);
  }
}

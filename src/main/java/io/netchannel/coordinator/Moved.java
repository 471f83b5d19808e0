package io.netchannel.coordinator;

import java.time.Instant;
import java.util.Optional;
import java.util.UUID;

/**
 * A disk was switched from one source to another: the old one is out of date since, and whoever
 * still has a description that names it is told so. That holds until the disk is switched to the
 * old one again, however often it is switched elsewhere before.
 *
 * @param at by the wall clock
 * @param oldStorage identity of the storage that was left, until its host is started anew; empty
 *     when it is not known
 * @param newStorage likewise of the storage that has become the disk
 */
public record Moved(
    DeviceKey disk,
    String domainName,
    String oldSource,
    String newSource,
    Instant at,
    Optional<UUID> oldStorage,
    Optional<UUID> newStorage) {

  /** One of which no storage is known. */
  Moved(DeviceKey disk, String domainName, String oldSource, String newSource, Instant at) {
    this(disk, domainName, oldSource, newSource, at, Optional.empty(), Optional.empty());
  }

  /** Whether it makes what was left before the disk again. */
  boolean isBackTo(Moved before) {
    return disk.equals(before.disk)
        && (newSource.equals(before.oldSource)
            || (newStorage.isPresent() && newStorage.equals(before.oldStorage)));
  }
}

package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import java.util.Map;
import java.util.Optional;

/**
 * What one frame of the journal says: all of it is durable, or none.
 *
 * @param generations by disk
 * @param forgotten a disk of which {@link #moved} before is to be forgotten
 */
record JournalRecord(
    Optional<Migration> migration,
    ImmutableMap<DiskKey, Generation> generations,
    Optional<DiskJob> job,
    Optional<Moved> moved,
    Optional<DiskKey> forgotten) {

  static JournalRecord of(Migration migration, Map<DiskKey, Generation> generations) {
    return new JournalRecord(
        Optional.of(migration),
        ImmutableMap.copyOf(generations),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  static JournalRecord of(Map<DiskKey, Generation> generations) {
    return new JournalRecord(
        Optional.empty(),
        ImmutableMap.copyOf(generations),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  static JournalRecord of(DiskJob job, Optional<Moved> moved) {
    return new JournalRecord(
        Optional.empty(), ImmutableMap.of(), Optional.of(job), moved, Optional.empty());
  }

  static JournalRecord of(Moved moved) {
    return new JournalRecord(
        Optional.empty(),
        ImmutableMap.of(),
        Optional.empty(),
        Optional.of(moved),
        Optional.empty());
  }

  static JournalRecord forgotten(DiskKey disk) {
    return new JournalRecord(
        Optional.empty(), ImmutableMap.of(), Optional.empty(), Optional.empty(), Optional.of(disk));
  }
}

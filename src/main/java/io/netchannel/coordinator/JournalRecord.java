package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What one frame of the journal says: all of it is durable, or none.
 *
 * @param generations by disk
 * @param jobs several are those that a migration decides over, or that have come with it, in the
 *     record of its end; or that are to tell what was forgotten
 * @param forgotten a disk of which all {@link #moved} before are to be forgotten
 */
record JournalRecord(
    Optional<Migration> migration,
    ImmutableMap<DeviceKey, Generation> generations,
    ImmutableList<DiskJob> jobs,
    ImmutableList<Moved> moved,
    Optional<DeviceKey> forgotten) {

  static JournalRecord of(Migration migration, Map<DeviceKey, Generation> generations) {
    return of(migration, generations, ImmutableList.of(), ImmutableList.of());
  }

  static JournalRecord of(
      Migration migration,
      Map<DeviceKey, Generation> generations,
      List<DiskJob> jobs,
      List<Moved> moved) {
    return new JournalRecord(
        Optional.of(migration),
        ImmutableMap.copyOf(generations),
        ImmutableList.copyOf(jobs),
        ImmutableList.copyOf(moved),
        Optional.empty());
  }

  static JournalRecord of(Map<DeviceKey, Generation> generations) {
    return new JournalRecord(
        Optional.empty(),
        ImmutableMap.copyOf(generations),
        ImmutableList.of(),
        ImmutableList.of(),
        Optional.empty());
  }

  static JournalRecord of(DiskJob job, Optional<Moved> moved) {
    return new JournalRecord(
        Optional.empty(),
        ImmutableMap.of(),
        ImmutableList.of(job),
        moved.map(ImmutableList::of).orElse(ImmutableList.of()),
        Optional.empty());
  }

  static JournalRecord of(Moved moved) {
    return new JournalRecord(
        Optional.empty(),
        ImmutableMap.of(),
        ImmutableList.of(),
        ImmutableList.of(moved),
        Optional.empty());
  }

  /**
   * That all the places which a disk has left may be used.
   *
   * @param jobs those whose servers are to be told so
   */
  static JournalRecord forgotten(DeviceKey disk, List<DiskJob> jobs) {
    return new JournalRecord(
        Optional.empty(),
        ImmutableMap.of(),
        ImmutableList.copyOf(jobs),
        ImmutableList.of(),
        Optional.of(disk));
  }
}

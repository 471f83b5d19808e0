package io.netchannel.coordinator;

import java.time.Instant;
import java.util.Optional;
import java.util.UUID;

/**
 * One disk that is put under its running guest in the place of another one, as the journal has it;
 * immutable, {@link DiskJobStore} holds the newest.
 *
 * @param oldSource the disk until the switch
 * @param newSource the disk from then on
 * @param reason what led to its phase
 * @param settings what a person may change meanwhile
 * @param begun by the wall clock, as the other instants
 */
public record DiskJob(
    UUID id,
    DiskKey disk,
    String domainName,
    String oldSource,
    String newSource,
    JobPhase phase,
    String reason,
    Settings settings,
    Instant begun,
    Optional<Instant> switched,
    Optional<Instant> ended) {

  /**
   * What a person may change meanwhile.
   *
   * @param switches false to stay in sync until told to switch
   * @param mayThrottle whether a guest that writes faster than is copied may be held back
   * @param paused until told to go on
   * @param bytesPerSecond most that is copied; 0 for no bound
   */
  public record Settings(
      boolean switches, boolean mayThrottle, boolean paused, long bytesPerSecond) {}

  public static DiskJob begin(
      UUID id,
      DiskKey disk,
      String domainName,
      String oldSource,
      String newSource,
      Settings settings,
      Instant at) {
    return new DiskJob(
        id,
        disk,
        domainName,
        oldSource,
        newSource,
        JobPhase.COPYING,
        "begun",
        settings,
        at,
        Optional.empty(),
        Optional.empty());
  }

  /** The same with other settings. */
  DiskJob with(Settings changed) {
    return new DiskJob(
        id, disk, domainName, oldSource, newSource, phase, reason, changed, begun, switched, ended);
  }

  /** In another phase. */
  DiskJob moved(JobPhase next, String why, Instant at) {
    return new DiskJob(
        id,
        disk,
        domainName,
        oldSource,
        newSource,
        next,
        why,
        settings,
        begun,
        next == JobPhase.SWITCHED ? Optional.of(at) : switched,
        next.isOver() ? Optional.of(at) : Optional.empty());
  }

  public boolean isActive() {
    return !phase.isOver();
  }

  /** For people: "xvdb of web1". */
  public String label() {
    return disk.target() + " of " + domainName;
  }
}

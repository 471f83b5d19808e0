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
 * @param origin what it is for
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
    Origin origin,
    Settings settings,
    Instant begun,
    Optional<Instant> switched,
    Optional<Instant> ended) {

  /**
   * What it is for.
   *
   * @param follows whether the disk follows its guest to this host; when the guest leaves, that is
   *     over. Otherwise a person has asked for it, and it goes where the guest goes
   * @param anywhere whether the new source is the same disk on every host
   * @param from the host that it came from with its guest; empty when it was begun here
   * @param goesTo the host that takes over with the new source alone, when the guest goes there;
   *     empty when the disk is switched here
   */
  public record Origin(boolean follows, boolean anywhere, String from, String goesTo) {
    /** Begun here, and switched here. */
    public Origin(boolean follows, boolean anywhere) {
      this(follows, anywhere, "", "");
    }

    /** Whether it goes with its guest. */
    public boolean goesAlong() {
      return !goesTo.isEmpty();
    }
  }

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
      Origin origin,
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
        origin,
        settings,
        at,
        Optional.empty(),
        Optional.empty());
  }

  /** The same with other settings. */
  DiskJob with(Settings changed) {
    return new DiskJob(
        id,
        disk,
        domainName,
        oldSource,
        newSource,
        phase,
        reason,
        origin,
        changed,
        begun,
        switched,
        ended);
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
        origin,
        settings,
        begun,
        next == JobPhase.SWITCHED || next == JobPhase.TAKEN_OVER ? Optional.of(at) : switched,
        next.isOver() ? Optional.of(at) : Optional.empty());
  }

  /** What of it travels with its guest: one that goes along is switched there at the latest. */
  PeerMessages.CarriedJob carried() {
    boolean switches = settings.switches() || origin.goesAlong();
    return new PeerMessages.CarriedJob(
        disk.target(),
        newSource,
        origin.anywhere(),
        new Settings(
            switches, settings.mayThrottle(), settings.paused(), settings.bytesPerSecond()),
        origin.goesAlong());
  }

  /**
   * One that has come with its guest. A new source that may be another one on this host waits for a
   * person's word.
   *
   * @param host this one
   */
  static DiskJob carried(
      UUID id,
      String host,
      Migration migration,
      PeerMessages.CarriedJob carried,
      String oldSource,
      Instant at) {
    Settings settings = carried.settings();
    DiskJob job =
        begin(
            id,
            new DiskKey(migration.domain(), carried.target()),
            migration.domainName(),
            oldSource,
            carried.newSource(),
            new Origin(
                false, carried.anywhere(), migration.peer(), carried.takesOver() ? host : ""),
            settings,
            at);
    return carried.anywhere()
        ? job
        : job.with(
            new Settings(
                settings.switches(), settings.mayThrottle(), true, settings.bytesPerSecond()));
  }

  /** The same that stays behind: it is switched where its guest is now. */
  DiskJob stayed() {
    return new DiskJob(
        id,
        disk,
        domainName,
        oldSource,
        newSource,
        phase,
        reason,
        new Origin(origin.follows(), origin.anywhere(), origin.from(), ""),
        settings,
        begun,
        switched,
        ended);
  }

  /** Where its disk has gone. */
  Moved left(Instant at, Optional<UUID> oldStorage, Optional<UUID> newStorage) {
    return new Moved(disk, domainName, oldSource, newSource, at, oldStorage, newStorage);
  }

  /** Why its new source is not even opened before a person says so; empty when it may be. */
  public Optional<String> waitsForAWord() {
    return settings.paused() && !origin.anywhere() && !origin.from().isEmpty()
        ? Optional.of(
            "came from %s with its guest: if %s is the same one here, --resume, else --abort"
                .formatted(origin.from(), newSource))
        : Optional.empty();
  }

  public boolean isActive() {
    return !phase.isOver();
  }

  /** For people: "xvdb of web1". */
  public String label() {
    return disk.target() + " of " + domainName;
  }
}

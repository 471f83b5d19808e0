package io.netchannel.coordinator;

/** What moves a job from one {@link JobPhase} to the next; see {@link JobTransitions}. */
public enum JobEvent {
  /** Both devices are equal, and the new one is the disk from now on. */
  SWITCHED,
  /** The host that its guest has gone to uses the new device alone, for good. */
  TAKEN_OVER,
  /** Nobody uses the old device any more, and the domain's XML names the new one. */
  FINISHED,
  /** A person gave it up, or its guest has gone from this host. */
  ABORTED,
  /** Both devices were compared, and differ. */
  FAILED
}

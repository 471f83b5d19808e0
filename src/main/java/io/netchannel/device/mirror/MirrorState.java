package io.netchannel.device.mirror;

/** What a mirror is about; the diagram is in the package's description. */
public enum MirrorState {
  /** The leader is the disk; the follower gets what it lacks. */
  COPYING,
  /** The follower gets nothing: it failed, was silent, or a person said so. */
  PAUSED,
  /** All is copied; answers wait for both legs, and what was not answered so is waited for. */
  CONVERGING,
  /** The follower is being flushed. */
  FLUSHING,
  /** Answered is on both legs, flushed is durable on both. Verifies, if that was asked. */
  SYNC,
  /** It is being recorded that the follower is the disk. */
  RECORDING,
  /** Of a lasting one: it is being recorded that both legs are up to date. Still in sync. */
  JOINING,
  /**
   * Of a lasting one: it is being recorded that one leg alone is up to date, as the other fails.
   * Nothing is answered that not both have.
   */
  DROPPING,
  /** The follower is the disk, and the survivor; nothing new goes to the leader. */
  ALONE,
  /** Given up: the leader is the disk, and the survivor; nothing new goes to the follower. */
  ABORTED;

  /** Whether a write goes to both legs and is answered when both have it. */
  boolean isTogether() {
    return switch (this) {
      case CONVERGING, FLUSHING, SYNC, RECORDING, JOINING, DROPPING -> true;
      case COPYING, PAUSED, ALONE, ABORTED -> false;
    };
  }

  /** Whether both legs have all that was answered, flushed what was flushed. */
  boolean isInSync() {
    return switch (this) {
      case SYNC, RECORDING, JOINING, DROPPING -> true;
      case COPYING, PAUSED, CONVERGING, FLUSHING, ALONE, ABORTED -> false;
    };
  }
}

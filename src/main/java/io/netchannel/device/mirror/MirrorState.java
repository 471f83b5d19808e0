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
  /** The follower is the disk, and the survivor; nothing new goes to the leader. */
  ALONE,
  /** Given up: the leader is the disk, and the survivor; nothing new goes to the follower. */
  ABORTED;

  /** Whether a write goes to both legs and is answered when both have it. */
  boolean isTogether() {
    return switch (this) {
      case CONVERGING, FLUSHING, SYNC, RECORDING -> true;
      case COPYING, PAUSED, ALONE, ABORTED -> false;
    };
  }
}

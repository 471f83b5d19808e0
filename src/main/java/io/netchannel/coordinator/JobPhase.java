package io.netchannel.coordinator;

/** How far a job is, as the journal has it; see the diagram of {@link JobTransitions}. */
public enum JobPhase {
  /** The old device is the disk. */
  COPYING,
  /** The new device is the disk; nodes, the old device and the domain's XML may not know it yet. */
  SWITCHED,
  /** The new device is the disk, of a guest that has gone with it; the old one may not know it. */
  TAKEN_OVER,
  /** Over: all that has to know it does. */
  DONE,
  /** Over: the old device is the disk. */
  ABORTED,
  /** Over: the old device is the disk, as the new one was found not to be like it. */
  FAILED;

  /** No event leaves such a phase. */
  public boolean isOver() {
    return this == DONE || this == ABORTED || this == FAILED;
  }
}

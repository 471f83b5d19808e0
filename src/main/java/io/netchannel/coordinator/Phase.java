package io.netchannel.coordinator;

/** Where a migration is; the same names at both hosts, see the diagrams in package-info. */
public enum Phase {
  /** The destination asks who serves the domain; nothing is written down yet. */
  PREPARE,
  /** Memory is copied, the source serves. */
  PRECOPY,
  /** The source stops taking requests. */
  SEAL,
  /** Every disk is sealed; the pending requests travel. The source may still go on alone. */
  HAND_OVER,
  /** Generation N+1 belongs to the destination; the source may not touch the disks. */
  TAKE_OVER,
  /** The destination's mid-points have the devices; libvirt has not been answered. */
  REDIRECT,
  /** libvirt was told to let the guest run at the destination. */
  RESUME,
  /** Over: the guest is at the destination. */
  COMMIT,
  /** Over: the guest is at the source. */
  ABORT;

  /** No event leaves such a phase. */
  public boolean isOver() {
    return this == COMMIT || this == ABORT;
  }
}

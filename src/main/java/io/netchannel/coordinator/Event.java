package io.netchannel.coordinator;

/** What moves a migration from one {@link Phase} to the next; see {@link Transitions}. */
enum Event {
  /** Both sides checked every disk. */
  PREPARED,
  /** The guest is suspended, as the hypervisor says or the restored domain shows. */
  SUSPENDED,
  /** Every disk is sealed (source); every manifest is on stable storage (destination). */
  SEALED,
  /** Generation N+1 was given. */
  GIVEN,
  /** The destination's mid-points have their devices. */
  TAKEN_OVER,
  /** libvirt is about to be told that the guest may run. */
  ANSWERED,
  /** The guest runs at the destination for good. */
  COMMITTED,
  /** A failure before N+1 was given, as this side knows it. */
  ABORTED,
  /** The destination does not use N+1 and never will again. */
  GIVEN_UP
}

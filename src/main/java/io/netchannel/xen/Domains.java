package io.netchannel.xen;

/**
 * What the hypervisor itself says of domains (xen/include/public/domctl.h, getdomaininfo). xenstore
 * does not: a domain that has acknowledged "control/shutdown" is not suspended yet, and
 * "@releaseDomain" names nobody.
 *
 * <p>All methods may be called from any thread.
 */
public interface Domains extends AutoCloseable {

  /** Whether this hypervisor can be asked at all; if not, every state is {@link State#UNKNOWN}. */
  boolean canTell();

  /**
   * The state of a domain, from one hypercall.
   *
   * @return {@link State#UNKNOWN} when there is no such domain or the hypervisor cannot be asked
   */
  State state(int domid);

  @Override
  void close();

  /** What a domain does. */
  enum State {
    UNKNOWN,
    /** It may run: any state that is none of the others, paused by the toolstack too. */
    RUNNING,
    /** It has stopped itself for a save or a migration (SHUTDOWN_suspend), and may be resumed. */
    SUSPENDED,
    /** It has ended: shut down for another reason, or dying. */
    ENDED
  }
}

/**
 * An in-process hypervisor: the contracts of {@link io.netchannel.xen} with no Xen below, for the
 * demo, the tests and simulation. Several hypervisors (hosts) may live in one process.
 *
 * <pre>
 *  domain:    CREATED --unpause--> RUNNING --suspend--> SUSPENDED
 *                |                    ^  |                 |  |
 *                |                    |  |                 |  +--resume--> RUNNING (same memory)
 *                +---- destroy -------|--+---- destroy ----+
 *                                     |
 *                                 DESTROYED --(last foreign mapping gone)--> forgotten
 *                                     a zombie until then, see {@code zombies()}
 *
 *  grant:     granted --map/copy--> in use --unmap/done--> granted --endAccess--> gone
 *             endAccess while in use fails, as Linux warns "g.e. still in use"
 *
 *  memory:    a domain's --restore--> another domain's, here or at another host, at the same frames;
 *             its grants and ports stay behind
 *
 *  port:      UNBOUND(remote) --bindInterdomain by remote--> INTERDOMAIN(peer)
 *                 ^                                              |
 *                 +-------------- the peer closes its end -------+
 * </pre>
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>A mapping shows the very memory of the guest: both sides see each other's stores as on real
 *       shared memory. Pages of one {@link io.netchannel.xen.embedded.GuestPages} allocation are
 *       contiguous, and only such runs can be mapped as one; nothing but a ring needs it.
 *   <li>A grant may be in use several times side by side; a read-only mapping shows the same memory
 *       and cannot change it.
 *   <li>Grant references are never used twice in a domain, so that a stale one is always caught.
 *   <li>A frame number is not used twice either. Pages have theirs as long as somebody knows them:
 *       what a kernel has forgotten cannot be looked at.
 *   <li>No listener runs while a lock of the hypervisor is held. Listeners of one connection run
 *       one at a time, in order, on the injected executor; {@code Runnable::run} makes everything
 *       deterministic, a listener then runs inside the call that caused it.
 *   <li>A domain that is not RUNNING gets its events and watches when it runs (again).
 *   <li>The store refuses what xenstored 4.17 refuses, for the same reason; one contract test runs
 *       against both.
 * </ul>
 */
package io.netchannel.xen.embedded;

/**
 * The contracts of {@link io.netchannel.xen} on a real Xen, through libxenstore, libxengnttab,
 * libxenevtchn, libxencall and libxenforeignmemory. {@link io.netchannel.xen.jna.XenHost} opens
 * them all. Without the last two everything works, but nobody tells when a domain suspends, and
 * guests whose USB driver is not made for migrations stay where they are.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>No native handle is used after it was freed: operations hold the read half of a lock,
 *       closing holds the write half; an operation after that throws.
 *   <li>Listeners run on one daemon thread per connection, which waits with poll(2) and an eventfd,
 *       so that it can always be stopped; a listener is silent once its watch or channel is closed.
 *   <li>errno is read directly after the call that set it (JNA keeps it per thread).
 * </ul>
 */
package io.netchannel.xen.jna;

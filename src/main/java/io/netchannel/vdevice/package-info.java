/**
 * What all virtual devices share: the xenbus states two ends go through, and the mechanics of a
 * shared ring. {@code vdevice.block} speaks the protocol of disks over it. Where requests go is
 * nobody's business here.
 *
 * <p>The ring, with the two indexes each end keeps to itself:
 *
 * <pre>
 *                       rsp_event              req_event
 *                           |                      |
 *   slots  ... | seen | answered | taken, at the device | waiting | free ...
 *                     ^          ^                      ^         ^
 *                  rsp_cons   rsp_prod               req_cons  req_prod
 *                 (frontend)  (shared)               (backend) (shared)
 * </pre>
 *
 * Invariants:
 *
 * <ul>
 *   <li>rsp_prod &lt;= req_cons &lt;= req_prod &lt;= rsp_prod + slots, in arithmetic that wraps;
 *       anything else is a broken frontend ({@link io.netchannel.vdevice.RingBrokenException}).
 *   <li>Nothing is decided by a shared index that we wrote: the guest may have changed it.
 *   <li>A slot is copied once, then looked at.
 *   <li>A log line that a guest can cause is limited in number ({@link
 *       io.netchannel.vdevice.GuestLog}).
 * </ul>
 */
package io.netchannel.vdevice;

/**
 * The product's main job without Xen, for {@code netchannel demo}: what is real and what is played.
 *
 * <pre>
 *   played                     real                                   played
 *   Virsh  --hook socket-->  netchanneld of hosta  &lt;--mutual TLS-->  netchanneld of hostb
 *   (libvirt, libxl)         (mid-point, coordinator, journal)
 *                                 |  xenstore, rings, grants, events
 *   EmbeddedHypervisor  ----------+
 *                                 |
 *   LinuxGuest: blkfront's model, Workload ----- checks ----> DiskModel
 * </pre>
 *
 * <pre>
 *   Scenes:  start --> move A to B --> abort B to A --> move B to A --> end, final checks
 * </pre>
 *
 * Invariants:
 *
 * <ul>
 *   <li>The product's code does not know of the demo: nothing in it behaves otherwise here.
 *   <li>A verdict comes from something that was measured, and a test shows that it can fail.
 *   <li>Every wait has a bound; what passes it ends the demo with a verdict that says so.
 * </ul>
 */
package io.netchannel.demo;

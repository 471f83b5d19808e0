/**
 * What Netchannel needs of Xen, as contracts with two implementations each.
 *
 * <ul>
 *   <li>{@link io.netchannel.xen.XenStore}: the tree in which frontends and backends find each
 *       other;
 *   <li>{@link io.netchannel.xen.GrantTable}: access to pages another domain has granted;
 *   <li>{@link io.netchannel.xen.EventChannels}: notifications between domains.
 * </ul>
 *
 * {@code xen.jna} talks to the real libxenstore, libxengnttab and libxenevtchn; {@code
 * xen.embedded} is an in-process hypervisor for the demo, the tests and simulation. The same
 * contract tests run against both. Nothing here knows of blocks, USB or migration.
 */
package io.netchannel.xen;

/**
 * What Netchannel needs of Xen, as contracts with two implementations each.
 *
 * <ul>
 *   <li>{@link io.netchannel.xen.XenStore}: the tree in which frontends and backends find each
 *       other;
 *   <li>{@link io.netchannel.xen.GrantTable}: access to pages another domain has granted;
 *   <li>{@link io.netchannel.xen.EventChannels}: notifications between domains;
 *   <li>{@link io.netchannel.xen.ForeignMemory}: access to pages nobody has granted, for a control
 *       domain;
 *   <li>{@link io.netchannel.xen.Domains}: what domains do, as the hypervisor sees them.
 * </ul>
 *
 * {@code xen.jna} talks to the real libxenstore, libxengnttab, libxenevtchn, libxencall and
 * libxenforeignmemory; {@code xen.embedded} is an in-process hypervisor for the demo, the tests and
 * simulation. One contract test of the store runs against both. Grants and event channels need a
 * hypervisor: the tests use the embedded ones, the real ones are tried in the Xen lab. Nothing here
 * knows of blocks or migration.
 */
package io.netchannel.xen;

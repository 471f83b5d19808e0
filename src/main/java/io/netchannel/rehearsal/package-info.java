/**
 * Two model hosts, a model of libvirt's and libxl's part, and a model guest with verified I/O: the
 * stage for {@code netchannel demo}, and for the rehearsals by which a daemon warms its code.
 *
 * <pre>
 *   DaemonRehearsal (a thread beside the daemon)
 *      |  begins when no guest waits for a disk; pauses while one does, or while a real migration
 *      |  is under way; ends with the daemon
 *   Rehearsal: start at a --> move a to b --> move b to a --> ... --> destroyed, all removed
 *      |  then HandOverDrill: only the connection, a manifest again and again
 *      |
 *   host.Virsh -hook sockets-> host.ModelHost a &lt;--mutual TLS on loopback--> host.ModelHost b
 *                                   | each a whole netchanneld on an EmbeddedHypervisor
 *                               guest.LinuxGuest: blkfront's model, Workload, DiskModel
 * </pre>
 *
 * Invariants:
 *
 * <ul>
 *   <li>A rehearsal touches nothing of the real host: no Xen, no journal, no socket of the daemon.
 *   <li>Everything it has carries {@link io.netchannel.rehearsal.Rehearsal#MARK} in its name, by
 *       which the log is kept free of it.
 *   <li>What is warmed is the product's own code with nothing switched off in it.
 * </ul>
 */
package io.netchannel.rehearsal;

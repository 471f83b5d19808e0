/**
 * The guest: one CPU, the model of Linux' blkfront, a program with verified I/O.
 *
 * <pre>
 *   Workload: 32 random requests that do not overlap --> GuestDisk (blkfront) --> rings
 *      |  write: stamp(block, sequence)       completed: once?
 *      |  read:  is it the last stamp?   &lt;---------+
 *   DiskModel: block -> sequence of the last write that was seen done
 * </pre>
 *
 * Invariants: all guest code runs on the {@link io.netchannel.rehearsal.guest.GuestCpu}, none while
 * it is paused; at any time the content of every block that no request covers is known.
 */
package io.netchannel.rehearsal.guest;

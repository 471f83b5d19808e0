/**
 * The mid-point of disks: what they have of their own on the way of requests.
 *
 * <pre>
 *   taken --> known in the replay map? --> answered
 *     |
 *     +--> held while it must wait --> [flush] --> transfer --> [flush] --> answered
 * </pre>
 *
 * <h2>Invariants</h2>
 *
 * <ul>
 *   <li>Overlapping requests that change something are at the device one after the other, in the
 *       order in which they were taken; a barrier is alone ({@code BlockFlow}). It costs a scan
 *       over the open requests, where one of them could matter, and buys one order that holds
 *       across crash, reconnect and migration.
 *   <li>The replay map tells only what is on the disk now ({@code ReplayMap}).
 * </ul>
 *
 * <h2>What is in a manifest, and in which order</h2>
 *
 * All that the guest will resubmit, as far as it was taken: requests held, finished but unanswered,
 * and answered but not known to be seen. A guest suspends before the backend's last answers: these
 * are on a ring whose memory has been copied already. Order is that of taking, which is also the
 * order of effects where requests overlap. Requests still on the rings are taken by the seal while
 * there is room for them; the others just have no shortcut.
 *
 * <p>An answered entry loses its data when a later request changes its range: that later request
 * may be seen, forgotten and thus missing from the manifest, and what the older entry tells would
 * be believed although the disk has moved on. It also loses it when memory is short, oldest first:
 * when a newer request, or another guest, needs it. The entry stays, without its shortcut. So it
 * does when the host's manifests have no room for its data, or the destination's have none; one
 * seal takes at most half of what is left, so that of many the last has something too.
 *
 * <p>A failed request travels as FAILED: not tried again, nothing known of its range. The guest
 * resubmits it and gets the outcome of that.
 *
 * <h2>A disk that stays where it is</h2>
 *
 * A device with an authority, as another host's export, is neither waited for nor flushed by a seal
 * ({@code Device.custody}): the authority finishes what it has of this generation before it lets
 * the next one in, so nothing can land late. What is at the device travels as ISSUED, a write with
 * the name that the authority knows it by and the digests of its data; the destination opens the
 * device with these names and learns which of them are done. Whatever it does not learn the guest
 * resubmits. Until it is unsealed the source takes a success that still arrives for what it is, and
 * anything else for nothing: that request is held again. That writes were not flushed travels too,
 * so that a server's host that loses them makes the destination's flushes fail. A write that is
 * answered while the seal asks for the custody counts as such.
 *
 * <h2>Why replay is an optimisation and the seal is not</h2>
 *
 * A guest that resumes elsewhere resubmits every request it has not seen answered, and block writes
 * may be repeated as long as nothing newer has been written meanwhile. So a destination without
 * replay map is slower and still right, and whatever is missing from a manifest is only time. But a
 * request still at the source's device could land after a newer write of the destination: nothing
 * at the destination can undo that. Hence the seal waits for the device, and a seal that cannot
 * have that within its bound fails; the guest goes on at the source.
 *
 * <h2>Particular cases</h2>
 *
 * <ul>
 *   <li>Flush: the seal flushes a device without an authority, because completed writes may be in a
 *       cache that only this host reads, and the guest may have been told before that they are
 *       durable. A pending flush is done at the destination, and done again when the guest
 *       resubmits it: flushes, barriers and discards are never answered from the replay map.
 *   <li>Racing overlapping writes of a guest: either order is legal while both are outstanding.
 *       After a resume the guest's resubmissions decide: one that equals what is on the disk is
 *       only acknowledged, another one is written, and takes what is known of its range away.
 *   <li>A request that is covered in part by the map is issued as a whole. All is in sectors of 512
 *       bytes, the unit of the ring, so no range straddles one.
 *   <li>The frontend begins again on this host: the replay map is made from the own table. After
 *       Closed nothing is resubmitted: finished, no map.
 *   <li>Unseal after a restart of the daemon: recover(sealed) makes the table again and keeps
 *       still; unseal then issues it. Retained data of answered requests is lost with a process: no
 *       shortcut.
 * </ul>
 */
package io.netchannel.midpoint.block;

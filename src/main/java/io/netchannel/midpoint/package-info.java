/**
 * The mid-point: between a guest's virtual disk and the device its requests go to.
 *
 * <pre>
 *                 serve, takeOver, recover               seal
 *   EXPECTING ----------------------------> SERVING -------------> SEALING
 *      |                                    ^  |  ^                 |   |
 *      |                                    |  |  +--- bound passed,+   | nothing at the device,
 *      |                                    |  |       flush failed,    | flushed
 *      |                            unseal  |  |       unseal           v
 *      |                                    +--|--------------------- SEALED
 *      | frontend gone, retire                 | gone, retire           | gone, retire
 *      +---------------------------------> RETIRED <--------------------+
 * </pre>
 *
 * Not in the picture: EXPECTING becomes SEALED when it is sealed without a device (unseal leads
 * back) and when a disk that was sealed is recovered after a restart. From SEALING a retire, or a
 * frontend that goes, fails the seal and leads to RETIRED.
 *
 * <p>In EXPECTING a manifest may be staged, more than once: nothing changes but how much a
 * take-over with that manifest has to do ({@code Staged}).
 *
 * <p>Inside SERVING the frontend may begin again (it resumed on this host) and inside EXPECTING a
 * manifest may be taken over: both are a {@code Settlement}: what is pending is finished, becomes
 * the replay map, and only then is the disk offered. Any state waits for what is at the device
 * before it becomes RETIRED. RETIRED keeps following the frontend until its nodes have gone, then
 * closes the disk.
 *
 * <h2>Invariants</h2>
 *
 * <ul>
 *   <li>Every request taken has one outcome: answered, handed over, settled, dropped because its
 *       frontend has gone; or it is in the table ({@code PendingTable.Fate}).
 *   <li>SEALED and RETIRED give nothing to the device, touch no guest memory, and answer nothing.
 *   <li>Overlapping requests that change something are at the device one after the other, in the
 *       order in which they were taken; a barrier is alone ({@code IssueOrder}). It costs a scan
 *       over the open requests, where one of them could matter, and buys one order that holds
 *       across crash, reconnect and migration.
 *   <li>A request leaves the in-flight file only after its response was visible ({@code
 *       InflightTable}).
 *   <li>The replay map tells only what is on the disk now ({@code ReplayMap}).
 *   <li>A request's data is in memory of the host's budget ({@code device.memory}). Without any a
 *       request is not issued, and no later one is taken: they wait on their rings. Memory is given
 *       in the order of taking, so that no request waits for one that needs what it holds itself.
 *   <li>What manifests of all disks have of their data is bounded ({@code ManifestBudget}).
 *   <li>While SERVING without a replay map, a request makes no object on its way through here: what
 *       it needs is used again ({@code SteadyPathTest}).
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
 *   <li>The frontend begins again on this host: same as a take-over, from the own table. After
 *       Closed nothing is resubmitted: finished, no map.
 *   <li>The frontend goes (domain destroyed, disk detached): what is at the device is waited for,
 *       the rest is dropped and traced so, also when its mid-point is closed before all of that is
 *       done. While SEALED that is the normal end after a migration: silent.
 *   <li>A seal while EXPECTING without device, or without a connected frontend: an empty manifest.
 *   <li>A guest that is not suspended after all and puts more on the rings: it stays there untaken,
 *       and is taken after an unseal.
 *   <li>Unseal after a restart of the daemon: recover(sealed) makes the table again and keeps
 *       still; unseal then issues it. Retained data of answered requests is lost with a process: no
 *       shortcut.
 *   <li>A malformed request is answered by the virtual disk without coming here. If the process
 *       dies between its being taken and its answer becoming visible while a later request of the
 *       same poll has been remembered, it stays unanswered: the guest that sent it broke the
 *       protocol.
 * </ul>
 */
package io.netchannel.midpoint;

/**
 * A device with two legs, and what makes one of them take the other's place under a running guest.
 *
 * <p>The <em>leader</em> is the disk. The <em>follower</em> becomes like it and then takes its
 * place: replicate, then switch (VEE 2008, "device hot-swapping").
 *
 * <pre>
 *           +---the follower fails, is silent, or a person says so: PAUSED; goes on by itself, 1 s .. 30 s---+
 *           v                                                                                                |
 *   resume --> COPYING --map empty--> CONVERGING --nothing of before left--> FLUSHING --> SYNC --switch--> RECORDING
 *                ^                        |                                      |          |                  |
 *                +------------------------+---------a region differs again-------+----------+    recorded: ALONE
 *
 *   abort, before RECORDING: ABORTED. A record that fails: PAUSED, and again from there.
 * </pre>
 *
 * <p>The device is cut into regions of 64 KiB, each with a bit: set, it may differ between the legs
 * ({@code DifferenceMap}). All are set in the beginning.
 *
 * <table>
 *   <caption>Rules</caption>
 *   <tr><td>a write where a bit is set</td><td>goes to the leader only; all of its regions get
 *     their bits, and a copy that is under way there counts for nothing. It waits for no copy</td></tr>
 *   <tr><td>a write where none is, COPYING</td><td>goes to both, the follower has a copy of the
 *     data in memory of ours: so the leader alone decides when the guest is answered. If the
 *     follower is late then, the bits are set until it has ended ({@code late}). Without memory, or
 *     with an older write late at the same place, it goes to the leader only</td></tr>
 *   <tr><td>a copy</td><td>of regions that nothing is changing, at either leg. Their bits are
 *     cleared when it is written, unless something has changed them meanwhile</td></tr>
 *   <tr><td>hot regions</td><td>from the fourth pass on changes wait for the one copy that is under
 *     way there</td></tr>
 *   <tr><td>a guest that changes more than is copied</td><td>is answered when both legs have its
 *     write, once a pass has left more than half of what it began with: then no write sets a bit,
 *     and one more pass ends it</td></tr>
 *   <tr><td>from CONVERGING on</td><td>a write, and a flush, is answered when both legs have it;
 *     one that overlaps another waits for that</td></tr>
 *   <tr><td>the follower fails</td><td>the bits of all it has are set, the guest is answered by the
 *     leader. It goes on when all that was at the follower has ended: nothing of it lands later. A
 *     failed flush sets all bits: nobody knows what was lost</td></tr>
 *   <tr><td>the leader fails</td><td>the guest hears of it as without a mirror; in SYNC the follower
 *     takes its place first, and the guest gets that one's answer</td></tr>
 *   <tr><td>the switch</td><td>is recorded durably before anything goes to the follower alone. No
 *     request is held for it: what went to both waits for both</td></tr>
 * </table>
 *
 * Invariants:
 *
 * <ul>
 *   <li>One leg is the disk: the leader until the record, the follower from then on.
 *   <li>Where a bit is clear and nothing is under way the legs are equal.
 *   <li>In SYNC what was answered is on both legs, and what was flushed is durable on both.
 *   <li>Nothing goes to the follower alone before the record.
 *   <li>No answer waits for a copy, but in a hot region; that one is bounded.
 *   <li>Nothing of a leg lands after a newer copy of its region.
 *   <li>A bit is cleared by a finished copy of its region only, or by the end of the late writes
 *       that alone had set it.
 *   <li>The guest gets an error only if it had got it without the mirror.
 *   <li>Under the lock nobody waits; no request of the guest makes an object.
 * </ul>
 *
 * <p>A failure of the follower while the switch is being recorded is the disk's if the record is
 * made: its requests wait until that is known.
 */
package io.netchannel.device.mirror;

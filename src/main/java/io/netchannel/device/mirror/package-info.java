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
 *   abort, before RECORDING, or verified not to be alike: ABORTED. A record that fails: PAUSED, and again from there.
 *   A record of which nobody knows: RECORDING, until the close, which answers nothing more.
 * </pre>
 *
 * The switch may be held: then it stays in SYNC, whatever happens to the leader. So it does while
 * it verifies, if that was asked: both legs are read and compared ({@code Verification}). Should
 * they differ it is over before the switch.
 *
 * <p>A <em>lasting</em> mirror has two legs for reliability; its owner records which of them are up
 * to date, and opens again the one that is not:
 *
 * <pre>
 *   PAUSED --resume, the follower is flushed--> COPYING --as above--> FLUSHING --> JOINING --recorded: both--> SYNC
 *     ^  ^                                         |                            |  |                      |
 *     |  +---the follower fails, is silent---------+---certainly not recorded---+  nobody knows,      a leg fails, or is silent
 *     |                                                                            or a leg fails   while the other is not
 *     |                                                                            v                      |
 *     +---recorded: the other one alone. When that is the follower they change their roles--- DROPPING <--+
 *                                           certainly not recorded, and the record of both holds: SYNC, and from there again
 * </pre>
 *
 * From JOINING on nothing is answered that only one leg has. In DROPPING whoever waits does so
 * until it is recorded; then the regions of what the other leg may lack have their bits. Where
 * nobody knows whether it was recorded the same is asked again.
 *
 * <p>What becomes of a mirror that is over, the <em>survivor</em> being the leg that is the disk:
 *
 * <pre>
 *   ALONE, ABORTED --the left leg has nothing of it any more: left()--> OVER --exchange(survivor), all before has ended:
 *          |                                                             |                                     dissolve--> DISSOLVED
 *          +------------------------------close: both legs---------------+--close: both legs
 * </pre>
 *
 * In OVER requests go to the survivor, through the mirror or past it: it may be exchanged under
 * load. With something under way through the mirror dissolve() is refused and changes nothing. When
 * it is DISSOLVED the left leg is closed, the survivor is its new user's, and close() does nothing;
 * a straggler is given to the survivor as before. Whoever loses his user in between, as the
 * exchange fails or its mid-point is closed, closes the mirror: a survivor is closed twice then,
 * which is once. The close begins with the disk: its next user waits for that leg, and the other
 * one may hang. What a leg that was left does not give back its owner takes from it by closing it.
 *
 * <p>The device is cut into regions of 64 KiB, each with a bit: set, it may differ between the legs
 * ({@code DifferenceMap}). All are set in the beginning.
 *
 * <p>With the map in a file the next process goes on after kill -9: it has a mirror over the map
 * that it found, and issues again through that what was not answered. For a write that was at both
 * legs may have reached one of them, and has its bit only if it was answered so: whoever finds the
 * map says what the process before had not answered, as nobody may issue that again. A map without
 * a bit says nothing of what is durable: the follower is flushed before it is in sync again. And
 * the follower is not taken for zeros any more. Until the follower is open there is a {@code
 * TrackedDevice} in the mirror's place, which sets in the map what changes.
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
 *     cleared when it is written, unless something has changed them meanwhile. Where the leader has
 *     a hole the follower is told to make zeros, of more regions at once the longer it is</td></tr>
 *   <tr><td>hot regions</td><td>from the fourth pass on changes wait for the one copy that is under
 *     way there</td></tr>
 *   <tr><td>a guest that changes more than is copied</td><td>is answered when both legs have its
 *     write, once a pass has left more than half of what it began with: then no write sets a bit,
 *     and one more pass ends it</td></tr>
 *   <tr><td>from CONVERGING on</td><td>a write, and a flush, is answered when both legs have it;
 *     one that overlaps another waits for that</td></tr>
 *   <tr><td>the follower fails</td><td>the bits of all it has are set, the guest is answered by the
 *     leader. It goes on when all that was at the follower has ended: nothing of it lands later. A
 *     failed flush sets all bits: nobody knows what was lost; and it goes on only after a flush
 *     that succeeds, as most devices fail all of them until they are opened anew: that is for its
 *     owner, who takes the mirror away for that. The same where the
 *     follower itself says that it has lost something ({@code Device.hasLostWrites}), also without
 *     a request</td></tr>
 *   <tr><td>a discard</td><td>makes zeros at both. A leg of a lasting mirror that cannot, as it says
 *     then, has not failed: zeros are written there, and no other discard is tried</td></tr>
 *   <tr><td>the leader fails</td><td>the guest hears of it as without a mirror; in SYNC the follower
 *     takes its place first, unless the switch is held or the follower is to be verified yet, and the
 *     guest gets that one's answer</td></tr>
 *   <tr><td>verifying</td><td>in SYNC, of regions that nothing is changing; a change waits for the
 *     comparisons that are under way there when it comes. A leg that cannot be read: PAUSED, as with a
 *     copy. What is copied after that is compared again, the rest is not. After a restart all is</td></tr>
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
 *   <li>No answer waits for a copy, but in a hot region, nor for a comparison, but where that is
 *       under way; both are bounded.
 *   <li>Nothing of a leg lands after a newer copy of its region.
 *   <li>A bit is cleared by a finished copy of its region only, or by the end of the late writes
 *       that alone had set it.
 *   <li>The guest gets an error only if it had got it without the mirror.
 *   <li>Under the lock nobody waits; no request of the guest makes an object.
 * </ul>
 *
 * <table>
 *   <caption>Parts, and the one lock</caption>
 *   <tr><td>{@code Mirror}</td><td>has the lock. Whatever happens is told to the guarded parts under
 *     it, then all steps are made that have become possible, then it is released, and then is done
 *     what that leads to</td></tr>
 *   <tr><td>{@code MirrorStates} (the diagram), {@code Placement} (where a request goes), {@code
 *     Answers} (when, and what), {@code Differences} (the map's bits), {@code ActiveRanges}, {@code
 *     CopyPace}, {@code RequestPool}</td><td>are guarded: they never take the lock, and call no
 *     device, completion or owner</td></tr>
 *   <tr><td>{@code Agenda} (calls that decisions lead to), {@code CopyPump} (copies and comparisons
 *     that begin), {@code Copier}, {@code Verification}</td><td>take work out under the lock and do it without</td></tr>
 *   <tr><td>{@code Errands}</td><td>are the threads between a decision and what it leads to, for
 *     which the close waits</td></tr>
 *   <tr><td>{@code Legs}, {@code Parts}</td><td>are used without: the devices, long requests</td></tr>
 * </table>
 *
 * <p>A failure of the follower while the switch is being recorded is the disk's if the record is
 * made: its requests wait until that is known.
 */
package io.netchannel.device.mirror;

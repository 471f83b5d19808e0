/**
 * A disk with two legs: exports of two hosts, of which either may fail under the running guest.
 *
 * <pre>
 *   SYNC --a leg fails, or is silent while the other is not--> DROPPING
 *     DROPPING --a newer epoch {the other}: at this host, its authority, the witness--> DEGRADED
 *     DROPPING --nobody was told: the other's authority is away--> SYNC, and from there again
 *   DEGRADED --1 s .. 30 s; the leg is open again, knows that it is behind, and was flushed--> RESYNC
 *     RESYNC --the leg fails--> DEGRADED, its differences stay
 *     RESYNC --nothing differs, flushed--> JOINING --a newer epoch {both}--> SYNC
 *     JOINING --some may have been told and not all, or a leg fails--> DROPPING
 *     JOINING --nobody was told--> DEGRADED
 *   SYNC --both are silent--> SYNC: the guest waits, nothing fails
 *   any --its user has stopped for another host (rest)--> the same, until it goes on here; that time does not count
 *   DEGRADED, RESYNC --the leg that is up to date is away--> the same: the guest waits
 *   any but DROPPING, JOINING --a person drops a leg, the other one is up to date, recorded alone--> OVER ({@code LegDrop})
 *
 *   start, by the rule of {@code MirrorStart} --+--both alike--> SYNC
 *                                               +--else--> a newer epoch {the disk} --> DEGRADED
 *   SYNC --closed, with all flushed--> a newer epoch {both}, closed: the next start compares nothing
 * </pre>
 *
 * In the words of {@code device.mirror}, whose lasting mirror does all that is done with requests:
 * DEGRADED is PAUSED, RESYNC is COPYING to FLUSHING; the leg that is up to date is the leader, so
 * the legs change their roles when the leader is dropped.
 *
 * <p>Nothing is answered that only one leg has, before it is recorded that this leg alone is up to
 * date: a guest stands still for as long as a leg may be silent, plus that record. Reads need no
 * record: what one leg fails to read the other gives. A flush succeeds when it has at all members.
 *
 * <p>A leg is opened again after a pause, which is longer each time it fails again: only one that
 * was in sync for minutes begins with the shortest one. So a leg that hangs under load does not
 * stop the guest all the time.
 *
 * <p>A leg that is given up is closed, with its place at its server kept: what it has ends at once,
 * and the guest's buffers are free. Its server finishes all of it before the leg gets in again, so
 * nothing late lands after a newer copy. Whoever is away when the guest ends is given free when it
 * is back, by this process or a person. Whoever comes back is flushed first: one whose host has
 * lost its memory fails that, and is copied whole. So is one that is another storage than before,
 * as its server says: the map names both, also for the next process, for which such a leg is not
 * the disk if the other one may be: with that one away the guest waits.
 *
 * <p>Who keeps a {@link io.netchannel.device.legs.MirrorRecord}: the authority of each member,
 * beside the disk's generation, and of a leg that comes back before anything is written there; this
 * host ({@link io.netchannel.device.legs.MirrorLedger}), of a leg that goes on alone before that
 * leg: what is not known here no leg was told; the witness, if there is one. A witness may miss
 * that both are up to date, and never that one is alone. An authority takes no record from an older
 * generation than it knows, and none with an older epoch; and it lets nobody in for whom this leg
 * is all there is.
 *
 * <p>As the new device of a disk that is elsewhere each leg is opened anew, and told with the other
 * one when the disk has arrived, or has left. A leg that comes back is told that it is behind, and
 * opened as the leg that it is; where its authority does not let it in so, or it has no record of
 * the mirror yet, it is opened anew as well, and told that the disk is here once its authority
 * knows from the record that it is behind.
 *
 * <p>A person's word which leg is the disk ends every doubt, and is the one way to lose what was
 * answered. It is not taken while the guest is connected to a leg that can be asked, from whatever
 * host, nor while this host opens the disk; a leg that cannot be asked needs another word. The
 * other leg hears it first, with a generation newer than all: who had it from another host is shut
 * out. A guest of this host that waits keeps its generation, and goes on.
 *
 * <p>A generation takes its epochs from a range of its own: the record that a host cut off has left
 * at a leg is older than all that the next start makes, and never another one of the same epoch.
 *
 * <p>Without intents: which regions were being written when a host lost power nobody knows, so legs
 * that were both in use are compared whole. After kill -9 the map on tmpfs knows, and the requests
 * in flight, which the next process opens the disk with.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>While the record names both legs both have all that was answered, and durably all that was
 *       flushed.
 *   <li>A leg that the record of its mirror does not name never starts a guest by itself.
 *   <li>Where one leg starts alone no other record of a higher epoch can have led to answers, but
 *       by a person's word.
 *   <li>An epoch that somebody may know is never used for something else.
 * </ul>
 */
package io.netchannel.device.legs;

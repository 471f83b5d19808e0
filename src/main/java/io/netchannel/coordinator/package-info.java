/**
 * Carries a migration through its phases, on both hosts, so that at any moment at most one of them
 * may write to a disk and in the end exactly one does. What is said here of disks holds for USB
 * ports as well: a guest's devices of all kinds go together, or stay. Of a port PREPARE at the
 * source makes reachable what stays there, and the destination looks at it after that.
 *
 * <h2>Phases</h2>
 *
 * {@code Transitions} is the table; {@code MigrationStore} the only place that changes a phase. "="
 * is an arrow that is in the journal, durably, before it has any effect; "~" one that is written
 * when the disk allows, because recovery comes to it by itself; "-" one that is not written.
 *
 * <pre>
 *  Source (Outgoing, SourceSeal)               Destination (Admission, Incoming, IncomingSeal)
 *
 *  PREPARE                                     PREPARE     hook "migrate": a peer has the domain
 *     = Prepare called, disks are the same        = every disk can be opened, source has agreed
 *  PRECOPY ~~~~~~~~~~~~~~~~~~~~~~~.            PRECOPY ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~.
 *     - guest suspended, or       ~               - early seal has arrived, or             ~
 *     - Seal called               ~               - hook "started": restored and paused    ~
 *  SEAL ~~~~~~~~~~~~~~~~~~~~~~~~~~+            SEAL ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~+
 *     - all disks sealed, stock   ~               = all manifests here and durable         ~
 *     - disks have drained        ~            HAND_OVER ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~+
 *  HAND_OVER ~~~~~~~~~~~~~~~~~~~~~+               = hook "started": TakeOver answered,    ~
 *     = TakeOver(N+1) called:     ~               = N+1 is ours                            ~
 *     = "given", the one moment   ~            TAKE_OVER ==================================+
 *     = disks change hands        ~               - every mid-point has its device         =
 *  TAKE_OVER =====================+            REDIRECT ===================================+
 *     ~ domain ended here (1), or =               = before libvirt is answered             =
 *     ~ guest has run there       =            RESUME =====================================+
 *  COMMIT                         v               = guest has run here, or source let go   v
 *                               ABORT          COMMIT                                    ABORT
 *                    (reclaimed: N+2)                                       (N+1 given up: N+1
 *                                                                            is never used again)
 * </pre>
 *
 * (1) Not where a disk goes as its copy, see "Jobs". Not in the picture: a destination that is
 * asked about a migration it does not know, and has had neither its domain nor its disks since,
 * journals that migration as ABORT at once.
 *
 * <h2>The early seal</h2>
 *
 * Where the hypervisor can tell, the source seals as soon as the guest is suspended, while libvirt
 * still sends the last of its memory, and answers a call that the destination has parked since hook
 * "start":
 *
 * <pre>
 *  Source                                      Destination
 *                                              hook "start": Seal(when_suspended), parked
 *  guest suspended: seal, drain
 *  HAND_OVER ---- manifests ---------------->  staged at the mid-points, then journalled: HAND_OVER
 *                                              ... memory arrives, domain restored ...
 *                                              hook "started": TakeOver, devices, RESUME
 * </pre>
 *
 * It is only early. "Given" stays in the hook, a parked call that got lost is made again there as a
 * plain Seal, and a source whose guest runs again unseals within a tick unless it has given.
 *
 * <p>HAND_OVER is not journalled at the source before it answers, so that no disk is waited for
 * while the guest stands still. A crash there forgets the seal and nothing else: the next daemon
 * finds PRECOPY, serves with N, and seals once more when it is asked or sees that its guest is
 * suspended. Then N+1 is given only to a claim with the checksums of that last seal: to a
 * destination with the very same manifests; any other claim is refused, and the destination ends
 * the migration.
 *
 * <h2>Stock disks</h2>
 *
 * A disk of another backend has no generation and nothing that could be handed over: both hosts'
 * backends can open it. What must not happen is a late write, one that the source's backend still
 * has when the guest runs at the destination. So a guest with such disks is a migration, too, with
 * or without disks of ours, and SEAL at the source includes that their backends have answered
 * everything ({@link io.netchannel.coordinator.StockDiskPolicy}).
 *
 * <h2>Who has the disks after a crash</h2>
 *
 * <pre>
 *  crash of the SOURCE's daemon
 *    before PRECOPY     source; nothing is known of a migration, Seal is refused
 *    after PRECOPY      source; Seal works after the restart, and so does the early seal
 *    before HAND_OVER   source; sealed in memory only, the new daemon serves with N
 *    after HAND_OVER    the same; it seals again, and TakeOver is refused unless that seal has
 *                       the same manifests
 *    before "given"     the same
 *    after "given"      nobody until the destination is asked, then the destination when it has
 *                       TAKE_OVER in its journal, else the source with N+2
 *    after COMMIT       destination
 *    after ABORT        source, with N or N+2: the generation is in the same record
 *
 *  crash of the DESTINATION's daemon
 *    before PRECOPY     source; its registration is replaced by the next one or forgotten
 *    after PRECOPY      source; hook "started" goes on with it
 *    after HAND_OVER    source; hook "started" goes on with it and asks for N+1. When its domain
 *                       goes instead, it aborts: if the source had given N+1 it is told, or asks,
 *                       and reclaims with N+2
 *    before TAKE_OVER   the same: N+1 was given, it is asked for again or never used here
 *    after TAKE_OVER    destination while its domain exists and the hook may be called again (it asks
 *                       for N+1 again first); else it gives up and the source reclaims with N+2
 *    after RESUME       destination while its domain exists; else it asks the source, and gives up
 *                       unless the source has let go; with copies see "Jobs"
 *    after COMMIT       destination
 *    after ABORT        source
 * </pre>
 *
 * <p>Never two owners: the source stops (SEAL) before it gives; it gives durably before it answers;
 * the destination's record of N+1 is durable before a device is opened with it; the destination
 * stops its devices, then records ABORT, then says so; only then does the source go on. A record
 * that may or may not have reached the disk leads to the same end both ways: "given" that nobody
 * took is reclaimed, N+1 that was never answered for is asked for again.
 *
 * <p>Never none: every phase in which nobody serves has a bound after which it moves by itself.
 * SEAL is bounded by the devices and [timeouts] drain or hook. HAND_OVER at the source is bounded
 * by the guest's suspend, as nobody misses a disk before it runs again: where the hypervisor cannot
 * tell, by [timeouts] sealed. At the destination it ends with its domain; on both sides [timeouts]
 * prepared is the last word. TAKE_OVER and REDIRECT at the destination are bounded by hook. A
 * source in TAKE_OVER asks again and again; a destination that has lost its journal and has not the
 * domain notes that it never will and says so. One that has only forgotten the migration knows the
 * generations of its disks, and says so only when the source has the newest; it forgets none of
 * which the source has not been told. What remains is a peer that is down for ever: that the disks
 * stay sealed then, until a person says that it is lost and takes them back, is the price of never
 * two.
 *
 * <p>All of these bounds are ages by the monotonic clock. The age of a phase that was in the
 * journal begins anew with the daemon that reads it: the time in which nobody was there to carry
 * the migration on does not count, and neither does what the wall clock says of it.
 *
 * <p>A disk that does not do what the end of its migration asks of it, to go on, to stop, to be
 * given back, is told again until it has ({@code DeviceOrders}, {@code IncomingEnds}); what it has
 * not done and why is shown until then. A device that hangs while it is opened holds up nothing but
 * its disk: disks are opened side by side, within the bound, and one whose device comes when N+1
 * was given back is RETIRED already, so that device is closed and never used.
 *
 * <p>Once the guest has run at the destination its source is history: a destination that has seen a
 * request of it commits, and gives nothing back even when the guest ends before the source's hook.
 *
 * <h2>Jobs</h2>
 *
 * A disk that is put under its running guest in the place of another one is a job ({@code
 * JobTransitions}), which lives in the same journal: the record that says which device is the disk
 * is one frame with where the disk has gone from, and with what the server of the device that was
 * left is still to be told; so is the record that a job has ended without a switch. No disk is
 * switched while its guest migrates, and no migration of it begins between a switch and its end;
 * both are decided under one lock ({@code DiskJobStore}, {@code MigrationStore}).
 *
 * <p>A job goes where its guest goes, and has one owner at any time, the one who has the disk:
 *
 * <pre>
 *  Source                                      Destination
 *  PREPARE: held, so that nothing is switched;
 *    its copies rest
 *    ---- what people have asked for --------> journalled with PRECOPY, as part of the migration
 *  ABORT: goes on                              ABORT: forgotten
 *  COMMIT: ABORTED here, with where it went    COMMIT: its own, in the same record; all is copied anew
 * </pre>
 *
 * The source notes with PRECOPY which jobs it has told of: one that is given up before "given" ends
 * the migration, as the destination would go on with it; after it nobody gives it up there.
 *
 * <p>One that brings a disk after its guest does not travel: where the guest is, it is asked anew.
 *
 * <p>One that takes a disk along with its guest ({@code GoingCopies}) does not rest: the new
 * device, which is of the destination, is kept alike until the disk is sealed. Which of the two
 * devices is the disk is decided with "given", and known for good with the end of the migration:
 *
 * <pre>
 *  Source                                      Destination
 *  PRECOPY: COPYING, kept alike ------------> journalled, as above
 *  "given": alike, the copy is the disk -----> TAKE_OVER: the disk's source is the copy, the job
 *     (in the migration's record)                 SWITCHED as part of the migration; opened here
 *     not alike, the other host reaches the
 *     disk, as it has seen in PREPARE -------> TAKE_OVER: where it is; the job goes on after COMMIT
 *     not alike, and it does not: ABORT
 *  COMMIT: TAKEN_OVER, the old device is left  COMMIT: the job its own, the old device is left
 *  given back, or taken back by hand: the      ABORT: forgotten
 *     old device is the disk, job ABORTED, in
 *     the record of N+2
 * </pre>
 *
 * What the destination has done with the copy before it gives it back counts for nothing: the guest
 * has not run there, or goes on at the source from before it did, and what was pending is the
 * source's to finish. A crash between "given" and the end leaves the source sealed, as without a
 * copy, until the destination has said which.
 *
 * <p>The end of the domain at the source decides nothing then: only one of both hosts can start it,
 * the destination from the copy after its COMMIT, the source from the old device after its ABORT.
 * So the destination decides alone. A source without its domain asks it, and asks one in RESUME,
 * which waits for the source as well, to commit; one that gives up by then does not, and says ABORT
 * when it has. Until there is an answer the domain neither starts at the source nor comes back
 * there.
 *
 * <p>From RESUME on the guest may have written to the copies alone, and that it has run is in
 * memory and in xenstore: after a power cut nobody knows. So a destination in RESUME that has not
 * the domain goes by the source's:
 *
 * <pre>
 *   still there                 gives up: the guest goes on at the source
 *   gone, or let go             COMMIT: nobody else can have it; true as well if it never ran
 *   no answer                   waits; started here meanwhile: COMMIT, as nobody else serves it
 * </pre>
 *
 * <h2>When the journal's storage fails</h2>
 *
 * <pre>
 *  a record does not fit (disk full)   refused and erased; the next one may fit again
 *  a compaction fails before rename    the log is the old one, as it was
 *  a sync fails; a rename or the       nobody knows what a power cut leaves: no record is taken, so
 *  directory's sync fails; what was    nothing is owned, taken over or given; guests go on with what
 *  written cannot be erased            they have, until a restart
 *  the same, of a switch               which device is the disk only a restart finds out: both stay
 *                                      alike until then
 *  what is read at the start           may be in the cache only: all of it is written anew into a new
 *                                      file first, on a full disk where it stands
 *  the journal cannot be opened        the daemon does not start, and names the path
 * </pre>
 *
 * <h2>Who waits for what</h2>
 *
 * <p>A call of a peer, a device that is told to stop or to go on, and a sync of the journal may all
 * hang, so each is made where only its own guest waits for it: in that guest's hook, in the thread
 * of the peer's call, or in an errand that a tick hands out, one at a time for a migration and for
 * a peer that is told ({@code Errands}). The tick itself, and reading or noting anything of a
 * migration, waits for none of them. Locks that are kept while something is waited for are those of
 * one migration, of one domain's PREPARE, and of what writes to the journal.
 *
 * <h2>Generations</h2>
 *
 * N counts who may write to a disk. A start claims the next one; a migration gives N+1; a reclaim
 * takes N+2. Each is in the journal before it is used, with who holds it, and a claim of any other
 * number is refused for ever.
 */
package io.netchannel.coordinator;

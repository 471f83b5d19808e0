/**
 * The device server: devices of this host for mid-points elsewhere, and for those of this host: a
 * guest's disk stays an export when the guest comes to it, so that there is one authority, with one
 * set of rules, wherever the guest is. The formats are in {@code wire}.
 *
 * <p>An export is a disk, or a USB device. Who may use it, generations, fences, slots and what
 * becomes of them are the same for both ({@code ServedExport}, {@code Session}, {@code Slot}); what
 * a request is, what an outcome is and what a client is told of the device are its kind's own
 * ({@code DiskExport}, {@code DiskSession}, {@code DiskSlot}; {@code UsbExport}, {@code
 * UsbSession}, {@code UrbSlot}).
 *
 * <p>Whom an export admits: of other hosts those that its list of names allows. This host itself
 * always: the disk is its own. Only root gets at the Unix socket.
 *
 * <pre>
 *   client == TLS, Unix socket,
 *             within the process ==> Connection ------requests------> Session -> Slot -> device
 *                                      |  ^                            ^          |
 *                                      |  +------- replies ------------|----------+
 *                                      +--ATTACH, DETACH--> ServedExport -> GenerationStore
 * </pre>
 *
 * A connection over the network is a stranger's until it has shown a trusted certificate, and has
 * one of the places for strangers ({@link io.netchannel.tls.Strangers}); all of them share one
 * event loop. Certificates are not demanded, so that who has none is told so; it stays a stranger
 * until then. The others, where nobody but root or this process gets in, begin with a thread of
 * their own.
 *
 * <pre>
 *   accepted --> STRANGER, at the door --trusted certificate--> KNOWN, on its own event loop
 *                   |                                             | no place for it: closed
 *                   +--no certificate: refused at ATTACH; not trusted, too slow, displaced--> CLOSED
 * </pre>
 *
 * Then, on its event loop:
 *
 * <pre>
 *   PREAMBLE --> READY --ATTACH--> ATTACHING --> ATTACHED --DETACH--> DETACHING --> CLOSED
 *                                      +-------> PROBED ---------------^
 *   READY, PROBED --RECORD--> ATTACHING --RECORDED--> PROBED
 *   any of them --refused, lost, silent--> CLOSED
 * </pre>
 *
 * A client at an export, on the export's executor; in words of the generation that it asks with:
 *
 * <pre>
 *   (none), FREE  --ATTACH, not older----------------------------> made durable --> SETTLING
 *   HELD(N)       --ATTACH N, connection lost or not-------------> fenced --------> SETTLING
 *   HELD(N)       --ATTACH N+x-----------------------------------> N+x made durable,
 *                                                                  fenced --------> SETTLING
 *   HELD(N)       --ATTACH N-x--> refused: STALE, for ever
 *   HELD(N)       --ATTACH of another client--> refused: IN_USE (not of a read-only export)
 *   SETTLING      --nothing at the device that is waited for--> HELD, ATTACHED
 *   SETTLING      --its connection lost, and it was free before--> FREE(N)
 *   HELD(N)       --DETACH, nothing running--> FREE(N)
 * </pre>
 *
 * Beside that, whether the export is the client's disk still ({@link
 * io.netchannel.server.Whereabouts}): once the client has said MOVED, or has come ANEW and not said
 * ARRIVED, a newer generation that is not ANEW is refused, whatever of the above holds. Nothing but
 * ARRIVED and a person's word ends that.
 *
 * <p>And which legs of the client's disk are up to date, where the export is one of two: kept with
 * the client's generation, told and asked over connections of their own. Where there is such a
 * record a newer generation is let in only by a client that knows of both legs. Who asks is told
 * whether the client is attached; while it is, no person's word is taken. A server is also the
 * witness of disks whose legs are elsewhere ({@code MirrorLedger} of {@code device.legs}).
 *
 * <p>A slot of a session:
 *
 * <pre>
 *   FREE --request--> RUNNING --the device is done--> FINISHED --the client uses the slot
 *    ^                                                   |        again, or does not ask--> FREE
 *    +----------- a read was answered, or is an orphan --+
 * </pre>
 *
 * <h2>USB devices</h2>
 *
 * A URB differs from a request of a disk in three ways. It may never end: an interrupt IN waits for
 * a key. What it took from the device is there only once, so it cannot be done again. And URBs of
 * an endpoint have an order.
 *
 * <ul>
 *   <li>The outcome of every URB is kept in its slot, with the data of an IN transfer, until the
 *       client uses the slot again: 16 slots of up to 64 KiB, 1 MiB a port, twice that where
 *       isochronous URBs are that long. The memory is from the server's budget, of the session and
 *       not of a connection, and what a slot keeps is let go of before its next URB asks for some.
 *   <li>A client that comes again is told RUNNING of what runs and of what has ended; the replies
 *       of the latter follow. UNKNOWN says that this session never had it.
 *   <li>A take-over waits for nothing that is listed: it stays submitted, and is the newer
 *       generation's. What is not listed is unlinked, and has ended before ATTACHED.
 *   <li>URBs reach the device under a lock of their session, over whatever connection they came:
 *       those of one endpoint in the order of their sequence, also when a thread of a connection
 *       that was fenced had one of them in its hands.
 *   <li>The event loop of the newest connection waits for the device as well, where that is one of
 *       this host: it reaps, and answers, with no other thread between ({@code ChannelLoop}). With
 *       the connection its loop ends, and the device goes on by itself.
 *   <li>A session that is gone, as the server was restarted, is another one afterwards: its
 *       identity is in ATTACHED, and as long as it has had nothing it says so. Whoever had URBs at
 *       the one before knows by that that their outcomes are lost.
 *   <li>What is at the port is told when it changes, after the replies of all URBs of what was
 *       unplugged, and before the reply of a request that has set a configuration.
 *   <li>Whose export it is, with generations, fences and a person's word, is as with disks; there
 *       is one client at a time. It has no storage, no place where it has moved to and no legs.
 *   <li>A newer generation is a newer owner of the device ({@code device.usb.shared}), which is not
 *       closed for it: the same incarnation, the same settings. What a keyboard had to say between
 *       the last URB of one and the first of the next is kept there, for that URB; whether somebody
 *       asks an endpoint is seen by its URBs, so nobody has to tell it.
 *   <li>An export with an owner is a device that has stayed on this host while its guest is on
 *       another one. No other client gets in, and the guest's port, as long as it is on this host,
 *       and the export have the device as one: of the two the newer generation owns it.
 * </ul>
 *
 * <h2>Invariants</h2>
 *
 * <ul>
 *   <li>Strangers cost no place and no thread that a known client needs, and no memory but that of
 *       their handshake. Of more than there are places for the oldest go, of the address that has
 *       the most. Each place where the server listens has its own places for those who are known.
 *   <li>A generation is durable, with its client, before a request of it reaches the device.
 *   <li>A request counts as being at the device from within the session's lock on, in which it is
 *       also checked that its connection is the session's; fencing takes the same lock. So nothing
 *       of an older connection or generation gets to the device after the fence but what the fence
 *       has counted, and waits for. The device itself is called outside of the lock: it may run a
 *       request on the caller's thread.
 *   <li>What an older generation had at the device is finished before the newer one is ATTACHED: it
 *       cannot land later. The same holds for what a client that comes again does not list.
 *   <li>Where a client's disk is, is durable before NOTED. A change that cannot be stored is told
 *       in words and is none; the connection goes on.
 *   <li>A result is kept in its slot until the client has said that it knows it. There are as many
 *       as there are slots.
 *   <li>Memory of a connection: the window in requests, and what is on its way out; when the client
 *       does not read that, nothing more is read from it. All of it is from the server's budget
 *       ({@code device.memory}); at that, a connection is not read until its turn has come.
 *   <li>What may block (opening a device, making a generation durable, closing) happens on an
 *       executor and never on an event loop. A write to the page cache, which may have to wait for
 *       the storage when the cache is full of such, happens on the connection's event loop, and
 *       that has no other connection: an export that hangs holds up no other.
 *   <li>Errors of the state directory refuse the client; no generation is ever guessed, and nobody
 *       is let in by one that was found and may be in the cache only: it is made durable first.
 * </ul>
 *
 * <h2>After a restart</h2>
 *
 * Generations are known, sessions and results are not. A client of a disk that comes again is told
 * UNKNOWN for all it lists, and sends all of it again in its old order (one of a USB device sends
 * none of it). That is right:
 *
 * <ul>
 *   <li>What it lists it has not seen answered. A newer request that overlaps an unanswered write
 *       was either not sent before that write was answered, or both were outstanding together, in
 *       which case any order of the two is theirs to accept ({@code Device}); so no repeated write
 *       can land over a newer one that had to come after it. The mid-point never has two
 *       overlapping writes outstanding at all ({@code midpoint.IssueOrder}), so for guests not even
 *       that happens: a write that is done twice is the same bytes twice, with nothing between.
 *   <li>Nothing of the server before is still on its way to the device: a new one starts only when
 *       it has the lock of the state directory, which the kernel gives free with the last thread of
 *       the old one, and a thread does not end within a system call.
 *   <li>A write that was answered is in the device or in the kernel's cache, which a killed server
 *       leaves as it is. When the host was restarted the cache is lost: then ATTACHED names another
 *       storage (the host's boot id), and the client fails flushes if it has anything to lose. A
 *       client that was killed itself does not know what it has seen; so the storage of its last
 *       flush is kept with its generation and told to it. Not that of its last ATTACHED, which may
 *       not have arrived. Who has lost something sends no flush, so whoever goes on for it is told
 *       of the loss too, however often it is killed; who has lost nothing flushes at once. A flush
 *       that fails is noted as a loss before it is answered.
 *   <li>An export's name may have been given to another device. Who held it is not given that: the
 *       place of the device is kept with the generation as well.
 * </ul>
 *
 * An older generation stays refused, also after a restart; another client stays locked out until
 * the one that holds the export detaches, or an administrator releases it. That holds for tools
 * that were killed as well, though nobody can come again in their name: from here they look like
 * ones whose host is cut off, with writes that wait, and which of the two it is people know.
 */
package io.netchannel.server;

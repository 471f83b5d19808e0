/**
 * One host's Netchannel: wiring, configuration, the life of domains and their devices.
 *
 * <pre>
 *   libvirt's hooks ---> DomainLifecycle ---> MidPoints ---> ServedDisk (Vbd, MidPoint, its thread)
 *   xenstore watch ------^      |   |            ^
 *                               |   +-------> UsbPorts ----> ServedPort (UsbPort, MidPoint, ...)
 *                               v                |
 *                          Coordinator ---> HostDevices ---> StockDisks ---> Drain (others' rings)
 *                               ^                |
 *                             peers              +---------> SuspendWatch (xenstore, hypervisor)
 *   netchannel's commands ---> ControlEndpoint ---> ControlCommands ---> all of them
 *
 *   DiskJobs ---> SwapRunner: a disk that is put in the place of another one, under its guest
 *      ^  |           +----> SwapSettlement: what follows when that is over
 *      |  +--------------------> SwitchNotes: what device servers are told, until they know it
 *   FollowingDisks ---> VolumePools ---> HostExports: a disk that comes after its guest
 *   StorageMigration ---> a peer's VolumePools, DiskJobs: disks that go along with their guest
 *
 *   HostStorage: the devices below all that, and HostExports, the device server. Opened first and
 *   closed last: a guest may have one of this host's own exports as its disk
 * </pre>
 *
 * A daemon that starts, in order; guests wait for their disks meanwhile, so all that these do not
 * need comes after them ({@code NetchannelDaemon.openAll}, {@code Host}):
 *
 * <ol>
 *   <li>xenstore and the hypervisor; certificates are read; the journal, which one daemon only can
 *       open
 *   <li>all disks of the daemon before are looked up in xenstore, and each begins on a thread of
 *       its own: mid-point, rings, device. The first disk that is reached over a network, or is an
 *       export of this host, begins {@code HostStorage}'s network and the server for this host
 *   <li>the rest begins when each of them was <em>tried once</em>, or after a bound: as long as it
 *       took until then, at least 2 s and at most 10 s. So one whose server is away or hangs holds
 *       up nothing for long, nor do two hosts that have disks of each other. It is tried on
 *   <li>migrations that were under way are taken up, domains are watched
 *   <li>exports for other hosts, whose guests wait as well; connections to peers, which a black
 *       hole delays for nobody, and the server for peers
 *   <li>hooks, commands, libvirt's events: systemd calls it started
 *   <li>the rehearsal, whenever no guest waits for a disk ({@code Host.guestWaits}) and no
 *       migration is under way; asked again before each of its rounds
 * </ol>
 *
 * How soon the disks were there is told in one line and in {@code status} ({@code ServedAgain}).
 *
 * <p>A host that serves no guests ([daemon] guests = false) has no hooks and, in place of Xen, an
 * empty model of it in memory; all else is the same.
 *
 * <p>Disks and USB ports are kinds of one thing: {@code ServedDevices} and {@code ServedDevice} are
 * their life, {@code DeviceRecovery} what a restart makes of them, {@code MovingDevices} how they
 * leave and come, {@code GuestDevices} all of a guest. A kind says how its source is opened, and
 * which mid-point it has.
 *
 * <p>A device in {@code ServedDevices}:
 *
 * <pre>
 *   (none) --nodes published--> EXPECTING --device opened, or taken over--> SERVING
 *      ^                            |                                          |
 *      |                            +----domain gone, detached, given up-------+
 *      |                                               v
 *      +------nodes and in-flight table removed---- RETIRED
 *
 *   seal and unseal of a migration: inside SERVING, see midpoint
 *
 *   its mid-point ends by an error: RECOVERING, as after a restart, or FAILED ({@code ServedDevice})
 *
 *   restart: nodes, rings and in-flight table stay; the next process finds the nodes, asks the
 *   journal for the device's standing, and goes on ({@code DeviceRecovery})
 * </pre>
 *
 * What runs here, and what becomes of it when an error comes through. "Ends the process": with
 * status 3, at once ({@code threads.LastResort}); systemd starts the next daemon, guests wait in
 * their rings meanwhile and are recovered. All of it is in the log; what else is seen is said.
 *
 * <pre>
 *   thread                  does                         when an error comes through
 *   ----------------------  ---------------------------  ----------------------------------------
 *   xen-events              calls who has an event       of a listener: the next one is called;
 *                                                        of reading: ends the process
 *   xenstore-watch          calls who watches            likewise; where xenstored is away: when
 *                                                        it is there again, disks go on meanwhile
 *   GUEST DISK (mid-point)  a disk's requests            started again; failed after three times:
 *                                                        `devices`, `status` (ServedDisk)
 *   io-N FILE               requests to a file           that request fails; one whose completion
 *                                                        threw: ends the process
 *   nbd URI                 requests to an NBD server    connects again, or ends the process
 *   device-io-N             remote disks, device server  that connection fails, is made again
 *   hook-acceptor           takes calls of hooks         pauses, goes on (threads.AcceptLoop)
 *   hook-N                  one call of a hook           the hook is refused, libvirt says why
 *   control-accept          takes commands               pauses, goes on (threads.AcceptLoop)
 *   control-N               one command                  the command fails and says why
 *   libvirt-events          libvirt's events             pauses, goes on
 *   libvirt-connection      keeps libvirt connected      pauses, connects again
 *   timer                   hands out what is due        handed out later; periods come back
 *                                                        (time.Repeated)
 *   coordinator-N, look-N,  one thing that may wait      who waits for it hears of it, or it comes
 *   exports-N, legs-N,                                   back by its period; where no thread can
 *   resolve-N                                            be made it waits for one (PatientPool)
 *   domains-N               looks at domains             looked at again, after a growing pause
 *   storage-N               opens storage                its future fails: the disk is tried again
 *   disk-ends-N, usb-ends-N ends devices, starts their   who waits for it hears of it
 *                           mid-points again
 *   usb-soft                devices in software, URBs    the URB is late for ever: its guest
 *                           that filters hold            unlinks it
 *   rehearsal               a rehearsal                  the first migration is slower
 *   any other               gRPC's, Netty's              logged
 * </pre>
 *
 * Where the heap is used up Java itself ends the process, with the same status (the launcher's
 * -XX:+ExitOnOutOfMemoryError). It does not for a thread that cannot be made nor for direct memory,
 * OutOfMemoryErrors too: who meets those goes on, as above.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>A device's nodes name its source and generation before a request goes to that source.
 *   <li>Nothing waits for storage but a thread that has nothing else to do ({@code
 *       StorageThreads}). A device that comes when its disk does not expect it any more is closed
 *       unused.
 *   <li>What a daemon before has left is known, each disk with its place here, before anybody can
 *       ask for disks: nothing is published over it.
 *   <li>A disk is switched to another device when that is in the journal, and not before; from then
 *       on nothing is started from the old one, however it is written, without a word, until the
 *       disk is switched to it again. A restart believes the journal, and not the nodes. Nothing is
 *       switched while its guest migrates.
 *   <li>A job rests from its guest's PREPARE to the migration's end, and where its disk has gone
 *       for good. What it copies to is not opened meanwhile, and by the other host after COMMIT
 *       only; a path, which may be another's there, after a person's word.
 *   <li>A job that takes a disk along with its guest goes on until the disk is sealed, and does not
 *       switch; from "given" on the end of the migration alone says what becomes of it.
 *   <li>A volume's file is made when its export is durable, and never where one is. What is on it
 *       is overwritten only by the disk that has left it, or that was being copied to it.
 *   <li>What follows its guest is known from the domain's metadata, the disk's source and the
 *       journal of jobs; a restart comes to the same.
 *   <li>What a person was told is given up is so in the journal: the new device is free then,
 *       whatever happens to this daemon.
 *   <li>A disk is copied over nothing that is known to be a disk, a copy or an export of this host,
 *       by whatever name ({@code DiskPlaces}); what an export has its server says.
 *   <li>A device has one mid-point per domid; a new one starts when the old one is wholly gone.
 *   <li>An incoming domain's guest runs only when each of its disks was taken over.
 *   <li>A disk that recovers gets what the journal allows at that moment; while its guest is being
 *       sealed or has been given away that is SEALED, and one that was retired gets nothing.
 *   <li>A domain's XML is made to name a disk's new source ({@code MetadataWriter}) only after the
 *       switch to it, and never one that names a third source.
 *   <li>Hooks never call libvirt; "stopped", "release" and "reconnect" never fail.
 *   <li>A daemon that ends keeps its guests' places at device servers, and does not wait for what
 *       runs there ({@code Device.keepPlace}); the next one gives those free whose guests have gone
 *       meanwhile.
 *   <li>Nor does it wait beyond a bound for the storage of its own exports: what is there then ends
 *       as after a kill, and the next device server starts when it has ended.
 *   <li>What is plugged into a port stays at its host, which exports it to that port of that guest
 *       alone while the guest is elsewhere ({@code StayingUsb}); aborts and the way home end that.
 *   <li>A guest whose ports cannot go with it is refused a migration before anything of it is done,
 *       at its source. One that comes with a port that nobody hands over does not run here.
 *   <li>A domain that has gone leaves no node, no mapped page and no thread.
 *   <li>Disks that others serve are looked at, through their rings and read-only; nothing of theirs
 *       is changed, and nothing stays mapped when the look is over.
 * </ul>
 */
package io.netchannel.daemon;

/**
 * The {@code nbd:} device: an export of any NBD server (qemu-nbd, nbdkit, and through them images,
 * Ceph RBD, iSCSI), over TCP or a Unix socket. The newstyle handshake with NBD_OPT_GO or, with
 * servers that do not know it, NBD_OPT_EXPORT_NAME; then requests with simple replies; no
 * structured replies, no TLS, one connection. Without structured replies there is no block status
 * either: of what an export has, nothing is known to be zeros ({@code Device.extents}), and who
 * copies it finds zeros by reading.
 *
 * <pre>
 *                 handshake                    lost
 *   open() --------------------> CONNECTED ---------------> LOST --bound passed--> FAILING
 *              refused, no answer:  |  ^                     | |                      |
 *              DeviceException      |  +-- the same export --+-----------------------+
 *                                   |      is back: what is outstanding is sent again |
 *                     close(): what |                          close(): what          |
 *                     runs is done, |                          is outstanding fails   |
 *                     NBD_CMD_DISC  v                                |                |
 *                                 CLOSED &lt;--------------------------+----------------+
 *
 *   a request:  SUBMITTED -> QUEUED -> SENT -> answered: next part QUEUED, or completed
 *                              ^________/ connection lost
 * </pre>
 *
 * <p>LOST lasts as long as it takes, as an NFS hard mount does: the guest sees a pause. With {@code
 * reconnect=SECONDS} in the URI, what is outstanding fails with IO_ERROR after that time, and what
 * comes fails at once, until the server is back. A loss is known when the server or its host says
 * so; when an idle connection's other end has not answered for 25 s; and when the kernel gives up
 * sending (net.ipv4.tcp_retries2, a quarter of an hour), if the network breaks with data on its
 * way.
 *
 * <p><b>Why sending again is right.</b> NBD has no exchange of what was done and what not. After a
 * loss, everything that was not answered is sent again, oldest first, before anything newer. A
 * read, write, zeroing, discard or flush that is done twice leaves what doing it once leaves, as
 * long as nothing newer went to the same blocks in between; and nothing did: who needs an order
 * waits for completions ({@link io.netchannel.device.Device}), and the first try was never
 * completed. A write that was answered is not sent again. What is found after a reconnect must do
 * for all that the user was told of what was lost: at least its size, sectors no larger, the
 * abilities in use ({@link io.netchannel.device.nbd.ExportInfo#difference}); else it is not used,
 * and the tries go on. An export that has grown goes on with the size that the user knows, until it
 * is opened anew.
 *
 * <p><b>When it is not right.</b>
 *
 * <ul>
 *   <li>The old connection's request is still at work in the server when the new connection's has
 *       been answered: it can land late, over newer data. A server that has died, or has ended the
 *       old connection's requests before it serves again, does not do that; our own waits for them.
 *       One that lives on behind a cut network may. NBD cannot tell; where networks are cut, use
 *       {@code netchannel:}, whose sessions can.
 *   <li>The server lost a volatile cache with the connection: writes that were answered but not
 *       flushed are gone, and no later flush says so. NBD does not tell one life of a server from
 *       the next, nor a server that died from a network that was cut. With a plain file behind it,
 *       a killed server loses nothing: its host's page cache has it. A host that crashes does, and
 *       so does a server that keeps data in its own memory: the tables of qcow2, RBD's cache,
 *       nbdkit's cache filter, any server whose flush covers the writes of one connection only. To
 *       let the next flush fail would be right then, and wrong after every mere cut, where it stops
 *       the guest's file system for nothing; so we go on, as the kernel's and QEMU's clients do,
 *       and the log tells how many writes are at risk. Who wants none to be says {@code
 *       cache=writethrough} in the URI: each write goes with FUA and is answered when it is
 *       durable, at the price of a flush per write in the server.
 *   <li>Another image, of no less size and abilities, was put in its place: it is taken for the old
 *       one.
 *   <li>Another client writes to the export: NBD does not keep it out. Generations between hosts
 *       are the coordinators' as for {@code file:}.
 * </ul>
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>Once the server has failed a flush, no flush of this device succeeds: as with every device,
 *       until it is opened again.
 *   <li>A request is completed exactly once, also when the device is closed meanwhile.
 *   <li>At most one thread writes to the connection: the one that has set {@code sending} under the
 *       lock. It never waits for room in the socket; the device's own thread goes on when there is.
 *   <li>A connection is closed, and whoever was writing to it has left, before its requests are
 *       sent on another one: no buffer is in use by two.
 *   <li>A request that was answered before it was sent as a whole (a server that breaks the
 *       protocol) is completed only when its sender has let go of it.
 * </ul>
 */
package io.netchannel.device.nbd;

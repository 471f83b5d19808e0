/**
 * A device that another host exports, or another process of this one: {@code
 * netchannel://host[:port]/name} over TCP with mutual TLS, {@code
 * netchannel+unix:///name?socket=PATH} over a Unix socket. When {@code host} is this host and its
 * server the one of this process ({@code OwnServer}), the same is said without network and without
 * TLS, over a channel within the process; that is found out anew for each connection.
 *
 * <p>The connection, the next one after it, the generation and what is outstanding are the same for
 * all kinds of devices ({@code RemoteAttachment}, {@code RequestQueue}); what its requests are is a
 * kind's own ({@code RemoteDevice} for disks, {@code RemoteUsbDevice} for USB devices: {@code
 * netchannel://host/usb/name}).
 *
 * <pre>
 *               connect            ATTACHED                  close, nothing outstanding
 *   WAITING ----------> CONNECTING ----------> ATTACHED --------------------------> DETACHING
 *      ^                   |    |               |    |                                 |
 *      +-------------------+    |               |    |                     DETACHED,   |
 *      |  lost, refused         |               |    |                     lost, 5 s   v
 *      +------------------------|---------------+    |                               CLOSED
 *         lost, refused         |                    |
 *                               +--> BROKEN <--------+
 *                      stale, replaced twice, another geometry
 *
 *   BROKEN --useGeneration, newer--> WAITING
 *   close while not ATTACHED, or after keepPlace --> CLOSED, and the server keeps the place
 * </pre>
 *
 * In WAITING the next attempt comes after a delay that doubles, with a random part. While the
 * server is away requests wait, as with a hard mount of NFS: its guest sees a pause. Only a
 * configured bound makes them fail, and from then on new ones at once, until the server is back.
 *
 * <h2>USB devices</h2>
 *
 * <pre>
 *   submit --> WAITING --slot and number--> OUTSTANDING --URB_REPLY--> ended, with that outcome
 *                | |                           | |
 *                | +--unlink, a RESET, close--------> CANCELLED, if the server never had it
 *                |                             | +--UNLINK sent, over each connection--> (its reply)
 *                |                             +--attached, RUNNING: stays
 *                |                             +--attached, UNKNOWN to its session--> WAITING
 *                |                             +--attached, UNKNOWN to another one--> PROTOCOL
 *                +--another device is plugged--> NO_DEVICE
 *   any of them --given up, stale, closed--> PROTOCOL
 * </pre>
 *
 * <ul>
 *   <li>While the server is away URBs wait, and nothing is unplugged for the guest. Nor is it by a
 *       restart of the server that finds the same device with the same settings again; what was at
 *       it ends as an error then, once, and is never sent again.
 *   <li>The user is told of what is plugged or unplugged after all URBs of what was there before
 *       have ended. Incarnations count on over all lives of the server.
 *   <li>From custody on nothing is sent any more, until a newer generation is used: what is not in
 *       it the next generation submits itself.
 *   <li>A URB makes no object on its way once as many have been made as are outstanding. Beside the
 *       guest's own buffers there is one for isochronous replies, of 65920 bytes, in each device
 *       that has had such; and what ends before the next generation takes it up, of 64 KiB for each
 *       slot at most.
 * </ul>
 *
 * <h2>Invariants</h2>
 *
 * <ul>
 *   <li>All state belongs to one event loop; other threads only put requests into the {@code
 *       Inbox}, and wake the loop when nobody has.
 *   <li>A request has its sequence number from the first time it is sent to its end, and its slot
 *       as long as the server may know it. After a lost connection the server says of each write,
 *       flush, discard and zero whether it is done, runs or is unknown; what is unknown, and every
 *       read, is sent again in the old order before anything new ({@code RequestQueue.attached}).
 *   <li>Writes of the generation before are asked for with each ATTACH until all their fates are
 *       known and the device is open: what nobody asks for the server forgets, and an opening that
 *       fails takes with it what it was told. It leaves the place as it is. So are the writes of
 *       custody from then on, by who has left them: it may lose its connection and come again
 *       before the next generation does, and has perhaps heard of some of them.
 *   <li>What an older server's version has not ({@code ZERO}, {@code EXTENTS}, {@code MOVED}) is
 *       not sent, nor sent again where such a server comes back: zeros are unsupported then, all is
 *       data, and {@code Device.moved} fails.
 *   <li>Where the disk is ({@code MOVED}, {@code ARRIVED}) is told one after the other, over each
 *       connection until it is answered ({@code PlaceNotes}). A device that is opened anew attaches
 *       ANEW until its server has noted that the disk has arrived; one whose disk has left keeps
 *       its generation, as its server lets no newer one in.
 *   <li>A request is completed once: when it leaves the table or the queue, and nothing else
 *       completes it.
 *   <li>Data is copied once at most: what arrives goes from the socket's buffer to the request's,
 *       what leaves is copied when it is short and sent from where it is when it is long.
 *   <li>What the server's host had in memory only, and lost with it, is never reported durable: an
 *       ATTACHED with another storage identity while writes were completed and not flushed makes
 *       every further flush fail, and so does a flush that failed; such a flush is not sent. After
 *       a restart of this daemon the server says with which storage it was flushed before, and what
 *       may be unflushed is flushed at once.
 * </ul>
 */
package io.netchannel.device.remote;

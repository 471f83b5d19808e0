/**
 * Devices for NBD clients: the kernel's, QEMU's, libnbd's tools. Fixed newstyle, options LIST,
 * INFO, GO, EXPORT_NAME and ABORT; READ, WRITE, FLUSH, TRIM, WRITE_ZEROES with FUA; no TLS, no
 * structured replies. WRITE_ZEROES is served with any device: one that cannot make zeros, or not
 * without a hole where the client wants none (NO_HOLE), is written to. FAST_ZERO is not offered, as
 * no device tells beforehand whether it has to write.
 *
 * <pre>
 *   accepted -> HANDSHAKE --GO, EXPORT_NAME--> TRANSMISSION
 *                   | ABORT, hostile,               | DISC, client gone, hostile,
 *                   | 30 s passed, displaced        | server closed
 *                   v                               v
 *                 CLOSED &lt;--device has done all-- ENDING (nothing is sent any more)
 *
 *   a request:  read -> checked -> slot -> device -> done -> sent -> slot idle
 *                            \ error ----------------^
 * </pre>
 *
 * <p>After the handshake, which is a conversation and has a thread, all of a connection happens on
 * one event loop. Devices that may make their caller wait, as those of this host do, have a loop
 * per connection: what the device can do on its caller's thread ({@link
 * io.netchannel.device.Device#onCallersThread}) costs no hand-over between threads, and holds up
 * nobody else. Devices that never do, as those of other hosts, have their clients on the loops that
 * they use themselves: between the client's socket and the device server's no thread wakes another
 * one.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>Nothing is allocated by a length that was not checked. A connection has at most 32 MiB of
 *       data and 512 requests at a time; a client that sends more waits in its socket.
 *   <li>What a client does wrong ends or delays its own connection only, with a line in the log.
 *   <li>Who does not say which export it wants takes no place of a client; of too many of those the
 *       oldest is closed ({@link io.netchannel.tls.Strangers}).
 *   <li>No thread of a device waits for a client.
 *   <li>GO is answered when nothing of a connection that has ended is at the device any more: what
 *       a client repeats after a reconnect is not overtaken by its own old requests.
 *   <li>A reply to a write with FUA, or to a flush, is sent after the device's flush.
 * </ul>
 */
package io.netchannel.server.nbd;

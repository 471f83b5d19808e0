/**
 * The device of a usbredir peer ({@code usbredir://host:port}), as SPICE and QEMU speak it: a
 * client of the protocol's version 0.7, in the part of the "usb-guest".
 *
 * <pre>
 *              connected         hello           device_connect        all is read
 *   WAITING -------------> GREETING -----> EMPTY --------------> READING ---------> PLUGGED
 *      ^                      |              ^ |                    |                 |
 *      |                      |              | +--------------------+-----------------+
 *      |                      |              +--device_disconnect---+-----------------+
 *      +---lost, or not of the protocol, or late: all URBs end with NO_DEVICE---------+
 * </pre>
 *
 * In WAITING the next attempt comes after a delay that doubles, with a random part. After a lost
 * connection nothing is known of what the device has done, and a peer resets it for the next one:
 * so the guest sees it unplugged, and plugged again when the peer is back.
 *
 * <table>
 * <caption>URBs as packets</caption>
 * <tr><th>URB</th><th>to the peer</th><th>its end</th></tr>
 * <tr><td>control, bulk, interrupt OUT</td><td>a packet with a number</td>
 *     <td>the answer with that number; when it is unlinked too, and the peer has 10 s for that</td>
 *     </tr>
 * <tr><td>SET_CONFIGURATION, SET_INTERFACE, and asking for them</td><td>packets of their own</td>
 *     <td>their status packet; URBs of the endpoints concerned end first, as the peer forgets
 *     them</td></tr>
 * <tr><td>interrupt IN, isochronous IN</td><td>the first one starts the peer's polling</td>
 *     <td>the next packets that have come, in order</td></tr>
 * <tr><td>isochronous OUT</td><td>a packet each, without an answer</td>
 *     <td>when its frames have passed by this host's clock</td></tr>
 * </table>
 *
 * Invariants:
 *
 * <ul>
 *   <li>All state belongs to the device's one thread; {@code RedirSession} and what is below it
 *       know neither sockets nor threads.
 *   <li>What is read of the peer at once is one packet, of at most the data of a URB; what is kept
 *       for an endpoint that nobody reads 1 MiB or 1024 packets; what waits to be written 2 MiB and
 *       one URB.
 *   <li>An answer to something that is not outstanding is ignored: it ended here before. Anything
 *       else that the protocol has not is the end of the connection, in words.
 * </ul>
 */
package io.netchannel.device.usb.redir;

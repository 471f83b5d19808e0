/**
 * What travels between a client of a device server ({@code device.remote}) and the server ({@code
 * server}), byte by byte. All numbers are big-endian and unsigned, except that a number of 64 bits
 * never has its highest bit set. Texts are UTF-8. What is called reserved is 0 and refused
 * otherwise.
 *
 * <p>One connection is a TCP connection with mutual TLS, a Unix socket of the same host, or within
 * one process a pair of channels that pass buffers on ({@link io.netchannel.wire.Transport}). It
 * begins with a preamble from each side, the client's first:
 *
 * <pre>
 *    0   8  magic      "NETCHAN\n": a line end, so that a text protocol notices
 *    8   2  oldest     the oldest version the sender speaks
 *   10   2  newest     the newest one
 *   12   4  payload    the largest payload it takes, in bytes; at least 4096
 * </pre>
 *
 * The version of the connection is the smaller of the two newest; when that is older than one of
 * the two oldest, whoever notices closes. The largest payload is the smaller of the two. This is
 * version 5, which has USB devices beyond version 4: before, every export is a disk. Version 4 has
 * RECORD, RECORDED and LEG beyond version 3; in that one the answer to a PROBE says which storage
 * the export has. Version 2 has ZERO, EXTENTS, CAN_ZERO, MOVED, ARRIVED, NOTED and ANEW beyond
 * version 1; in a connection of version 1 they break the rules, so its server tells no CAN_ZERO,
 * and its client sends none of the others. All that follows is frames:
 *
 * <pre>
 *    0   1  type
 *    1   1  status     REPLY, NOTED: how it ended; REFUSED: why; ZERO: 1 when a hole will do;
 *                      otherwise 0
 *    2   2  slot       of a request and its reply; otherwise 0
 *    4   4  payload    bytes that follow this header
 *    8   8  sequence   of a request and its reply, of a PING and its PONG, of a MOVED or ARRIVED
 *                      and its NOTED; STALE: see REFUSED
 *   16   8  offset     READ, WRITE, DISCARD, ZERO, EXTENTS: first byte; otherwise 0
 *   24   8  length     READ, WRITE, DISCARD, ZERO, EXTENTS: bytes; otherwise 0
 *   32      payload
 * </pre>
 *
 * <table>
 * <caption>Types; c is the client, s the server</caption>
 * <tr><th>code</th><th>type</th><th>way</th><th>payload</th></tr>
 * <tr><td>1</td><td>ATTACH</td><td>c-s</td><td>{@link io.netchannel.wire.Attach}: which export,
 *     who asks, with which generation, what it has not seen answered</td></tr>
 * <tr><td>2</td><td>ATTACHED</td><td>s-c</td><td>{@link io.netchannel.wire.Attached}: what the
 *     export is like, how much may be outstanding, what became of those requests</td></tr>
 * <tr><td>3</td><td>REFUSED</td><td>s-c</td><td>text for people; status is a {@link
 *     io.netchannel.wire.Refusal}; for STALE sequence is the newest generation. The server closes
 *     afterwards. Comes as the answer to ATTACH or at any time later.</td></tr>
 * <tr><td>4</td><td>READ</td><td>c-s</td><td>none; length 1 .. largest payload</td></tr>
 * <tr><td>5</td><td>WRITE</td><td>c-s</td><td>the data, as long as length</td></tr>
 * <tr><td>6</td><td>FLUSH</td><td>c-s</td><td>none: what was answered before becomes
 *     durable</td></tr>
 * <tr><td>7</td><td>DISCARD</td><td>c-s</td><td>none; length 1 or more</td></tr>
 * <tr><td>8</td><td>REPLY</td><td>s-c</td><td>the data of a READ that succeeded, the {@link
 *     io.netchannel.wire.ZeroRuns} of an EXTENTS, else none; status is a {@link
 *     io.netchannel.wire.Status}</td></tr>
 * <tr><td>9</td><td>DETACH</td><td>c-s</td><td>none: no request is outstanding, the client gives
 *     the export free</td></tr>
 * <tr><td>10</td><td>DETACHED</td><td>s-c</td><td>none; the server closes afterwards</td></tr>
 * <tr><td>11</td><td>PING</td><td>c-s</td><td>none</td></tr>
 * <tr><td>12</td><td>PONG</td><td>s-c</td><td>none; sequence as in the PING</td></tr>
 * <tr><td>13</td><td>ZERO</td><td>c-s</td><td>none; length 1 or more: as a WRITE of zeros</td></tr>
 * <tr><td>14</td><td>EXTENTS</td><td>c-s</td><td>none; length 1 or more: asks what of the range is
 *     known to read as zeros</td></tr>
 * <tr><td>15</td><td>MOVED</td><td>c-s</td><td>{@link io.netchannel.wire.Moved}: where this client's
 *     disk is from now on; what is here will be out of date</td></tr>
 * <tr><td>16</td><td>ARRIVED</td><td>c-s</td><td>none: what is here is this client's disk from now
 *     on</td></tr>
 * <tr><td>17</td><td>NOTED</td><td>s-c</td><td>none with status OK: the MOVED or ARRIVED is durable;
 *     else text for people: why it is not</td></tr>
 * <tr><td>18</td><td>RECORD</td><td>c-s</td><td>{@link io.netchannel.wire.LegRecord}: asks which
 *     legs of a mirror are up to date, or tells it; in place of ATTACH</td></tr>
 * <tr><td>19</td><td>RECORDED</td><td>s-c</td><td>{@link io.netchannel.wire.LegRecord.Known}: what
 *     the server knows of that, durably</td></tr>
 * <tr><td>20</td><td>URB</td><td>c-s</td><td>one transfer, see below: the lengths of its packets,
 *     then the data of an OUT transfer</td></tr>
 * <tr><td>21</td><td>URB_REPLY</td><td>s-c</td><td>what became of a URB or RESET, exactly once: of
 *     its packets, then the data of an IN transfer</td></tr>
 * <tr><td>22</td><td>UNLINK</td><td>c-s</td><td>none; slot and sequence of a URB that shall end. Has
 *     no answer of its own; nothing when that has ended</td></tr>
 * <tr><td>23</td><td>RESET</td><td>c-s</td><td>none: the port is reset</td></tr>
 * <tr><td>24</td><td>PORT</td><td>s-c</td><td>{@link io.netchannel.wire.UsbPort}: what is at the
 *     port from now on</td></tr>
 * </table>
 *
 * ATTACH, with 0 to 65535 unanswered requests in ascending order of their sequence:
 *
 * <pre>
 *    0   8  generation  1 or more; 0 with PROBE
 *    8   2  flags       1 READ_ONLY: no writes wanted; 2 PROBE: only asks, no session is made;
 *                       4 ANEW: knows that what is here is not its disk, and overwrites all of it
 *                       until ARRIVED; never with one of the others; 8 LEG: knows that what is
 *                       here may be a leg of a mirror; 16 USB: takes the export for a USB device,
 *                       and not for a disk; only with PROBE
 *   10   2  name        length of the export's name, 1 .. 64
 *   12   2  client      length of the client's identity, 1 .. 128
 *   14   2  count       of unanswered requests
 *   16      name: letters, digits, '.', '_', '-', none of the last three first
 *           client: printable ASCII without spaces
 *           count times:  2 slot, 8 sequence
 * </pre>
 *
 * Where the export is of another kind than the client takes it for it is REFUSED as one that is not
 * there, in words. ATTACHED begins with what its kind has, then comes the same for all, with as
 * many fates as ATTACH had requests, in the same order:
 *
 * <pre>
 *    0  54  of a disk, or of a USB device
 *   54   2  slots       requests that may be outstanding: slots 0 .. slots - 1; 0 after PROBE
 *   56   4  window      bytes that requests may have outstanding
 *   60   2  count       of fates
 *   62   2  port        bytes of the port, for a USB device; of a disk reserved
 *   64   8  generation  the newest the server knows for this client; 0: none
 *   72      count times:  1 state: 0 UNKNOWN, 1 RUNNING, 2 DONE;  1 status, when DONE; otherwise 0
 *           port
 * </pre>
 *
 * Of a disk:
 *
 * <pre>
 *    0  16  storage     another value than before: what was not flushed may be lost
 *   16  16  last        the storage of this client's ATTACHED before, for a client that was killed;
 *                       as storage when it did not hold the export. After PROBE: the identity of
 *                       the storage that the export has, the same for all names of it and of its
 *                       server; 0 when it is not known; as storage before version 3
 *   32   8  size        in bytes
 *   40   4  logical     smallest unit of a request in bytes
 *   44   4  physical    unit that is written without reading first
 *   48   4  granularity of discards; 0: none
 *   52   2  flags       1 READ_ONLY, 2 CAN_FLUSH, 4 CAN_DISCARD, 8 CAN_ZERO
 * </pre>
 *
 * Of a USB device, and what is at its port:
 *
 * <pre>
 *    0  16  session     another value than before: what was sent before may have been done, and
 *                       nobody knows what became of it
 *   16   1  flags       1 FRESH: nothing has been sent to this session yet
 *   17  37  reserved
 *
 *    0   4  incarnation of what is plugged, or was last; 0: nothing yet
 *    4   1  speed       1 low, 2 full, 3 high; 0: nothing is plugged, and what follows is 0
 *    5   1  configuration  that is set; 0: none
 *    6   1  alternates  how many of them
 *    7   1  halted      how many endpoints are
 *    8   2  serial      length, 0 .. 378
 *   10   4  descriptors length, 18 .. 32768
 *   14      alternates times, ascending:  1 interface, 1 its alternate setting
 *           halted times, ascending:  1 address of an endpoint
 *           serial number, without control characters
 *           descriptors as the device has them
 * </pre>
 *
 * URB has other fields in its header:
 *
 * <pre>
 *    1   1  status      type of transfer: 0 isochronous, 1 interrupt, 2 control, 3 bulk;
 *                       16 SHORT_NOT_OK, of bulk and interrupt: less than asked for is an error
 *   16   8  offset      control: the setup packet, byte by byte; else:
 *   16   1                endpoint, with 128 for IN
 *   17   1                reserved
 *   18   2                packets, 0 .. 128; 0 unless isochronous
 *   20   4                interval, in frames or microframes; 0 for the endpoint's own
 *   24   4  incarnation of what it is for: of another one than is plugged it gets ENODEV
 *   28   4  bytes       of data, 0 .. 65536
 *   32      packets times:  2 length; their sum is bytes
 *           the data of an OUT transfer, packets without gaps
 * </pre>
 *
 * and so has URB_REPLY. Its status and that of packets is Linux' number of the error: 0, 18 EXDEV
 * (packets only), 19 ENODEV, 22 EINVAL, 32 EPIPE, 71 EPROTO, 75 EOVERFLOW, 104 ECONNRESET
 * (unlinked), 121 EREMOTEIO:
 *
 * <pre>
 *   16   4  frame       in which an isochronous transfer began
 *   20   4  errors      how many of its packets failed
 *   24   8  length      bytes that were moved
 *   32      packets times:  2 bytes that it moved;  1 status
 *           the data of an IN transfer, as long as length, packets without gaps
 * </pre>
 *
 * The REPLY to EXTENTS, with 0 to 256 runs of zeros in ascending order, within the range, none over
 * another; what is not told is data:
 *
 * <pre>
 *    0      as often as the payload is long:  8 offset, 8 length
 * </pre>
 *
 * RECORD and RECORDED:
 *
 * <pre>
 *    0   8  generation  RECORD: of who tells it; 0 of who only asks. RECORDED: the newest that the
 *                       server knows for this client; 0: none
 *    8   2  name        RECORD only: length of the export's name; 0: what the server itself keeps,
 *                       as a witness
 *   10   2  client      RECORD only: length of the client's identity
 *           2  record   length of the record; 0: none, in a RECORD that tells: to be forgotten
 *           2  flags    RECORDED: 1 IN_USE: the client is attached just now. RECORD: 0
 *              name, client, record: printable ASCII
 * </pre>
 *
 * <h2>Rules</h2>
 *
 * <ul>
 *   <li>The sequence numbers of the requests of one connection ascend; a client never gives two
 *       requests of a session the same number, of whatever generation. Replies come in any order.
 *   <li>A slot holds one request at a time. The server keeps the outcome of a write, flush, discard
 *       or zero in its slot until the client uses the slot again: that says the reply was seen. So
 *       what is kept is bounded, and one request that takes long holds up no other (a cumulative
 *       acknowledgement would have to choose one of the two; NFS 4.1 has slots for the same reason,
 *       RFC 8881 section 2.10.6).
 *   <li>After a lost connection the client lists its unanswered writes, flushes, discards and zeros
 *       in ATTACH. DONE: that was the reply. RUNNING: a REPLY will come. UNKNOWN: sent again, with
 *       all unanswered reads and EXTENTS, in ascending order, before anything new.
 *   <li>What a client does not list it does not care for any more; what of that is still at the
 *       device is finished before ATTACHED.
 *   <li>A client keeps within slots and window; reads count with what they ask for, EXTENTS with
 *       the longest answer, 4096; a request counts until its reply. A server may close a connection
 *       that does not.
 *   <li>MOVED and ARRIVED are sent one at a time: a second one before NOTED breaks the rules. What
 *       is not answered is sent again after the next ATTACHED; told twice is the same as once.
 *   <li>After MOVED, and from an ATTACH with ANEW to ARRIVED, the server lets this client in with a
 *       newer generation only ANEW; the same generation goes on.
 *   <li>After RECORD comes RECORDED, or REFUSED; then the client may send another RECORD, or close.
 *       A server takes no record from a client with an older generation than it knows, and none
 *       with a lower epoch than it has; told twice is the same as once. Where it has a record it
 *       lets the client in with a newer generation only with LEG, or ANEW.
 *   <li>Of a USB device the outcome of every request is kept, with its data: an IN transfer takes
 *       it from the device. In ATTACHED of one nothing is DONE: what has ended is RUNNING, and its
 *       URB_REPLY comes. What is UNKNOWN to the session it was sent to was never done, and is sent
 *       again; to another session it may have been, and nobody sends it again. A new generation,
 *       which does not know the session, takes it for another one while it is FRESH.
 *   <li>No frame says that the guest of a USB device stands still, or for which endpoints: its
 *       UNLINKs do, and the ATTACH of a newer generation. What a HID sends in between is in the
 *       replies to the first URBs after that.
 *   <li>URBs of one endpoint reach the device in the order of their sequence. A take-over does not
 *       wait for those that are listed: they stay as they are, and are the new generation's. Those
 *       that are not are unlinked, and have ended before ATTACHED.
 *   <li>RESET has the slot after the others; so there is one at a time.
 *   <li>A URB has of the window its bytes and 3 for each packet. URB and URB_REPLY may be longer
 *       than the preamble says.
 *   <li>Before a PORT that says that something was unplugged come the URB_REPLYs of all URBs of
 *       that.
 *   <li>The client sends PING when it has nothing else to say; who hears nothing for a while
 *       closes. The server answers PING also while an ATTACH waits.
 *   <li>Whatever breaks a rule of this page ends the connection ({@link
 *       io.netchannel.wire.WireException}); nothing of a frame is used before its header has been
 *       checked whole, and nothing is allocated for a payload before its length has been.
 * </ul>
 *
 * <p>A long payload is received where it belongs ({@link io.netchannel.wire.DirectReceive}), unless
 * TLS is in between: then it is copied there once. So that this holds from its first byte on, a
 * header is received alone when the frame before it had a long payload.
 *
 * <p>Nothing in this package has a state of its own but {@code PollingIo}, which has a small one,
 * and {@link io.netchannel.wire.FrameReader}:
 *
 * <pre>
 *   PREAMBLE --16 bytes--> HEADER --32 bytes, checked--> PAYLOAD --all of it--> HEADER
 * </pre>
 */
package io.netchannel.wire;

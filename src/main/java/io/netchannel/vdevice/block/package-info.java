/**
 * Virtual block devices: the backend of Xen's blkif protocol (xen/include/public/io/blkif.h), as an
 * unmodified Linux blkfront talks to it. {@link io.netchannel.vdevice.block.VirtualDisk} is what
 * the mid-point sees of it.
 *
 * <pre>
 *  VbdNodes            makes and removes the nodes of both ends
 *  Vbd                 follows the frontend, owns the rings        (one per disk, one thread)
 *   +- ConnectionParameters, VbdFeatures    what the ends tell each other in xenstore
 *   +- RingMapper, TakenBefore              rings mapped afresh, or again by a restarted process
 *   +- BlockRing       one ring: requests out, responses in        (one per queue)
 *       +- RequestParser, RingLayout        a slot becomes a RingRequest, or is refused
 * </pre>
 *
 * The handshake, frontend's states on the left, ours on the right; {@code []} is {@link
 * io.netchannel.vdevice.VirtualDevice.State}:
 *
 * <pre>
 *   Initialising (1)                        Initialising (1)  [PREPARED]
 *                                             |  offer(): features
 *                                           InitWait (2)      [OFFERED]
 *     |  ring-ref, event-channel, protocol    |
 *   Initialised (3)  ---------------------->  |  map, bind, sectors, sector-size
 *     |                                     Connected (4)     [CONNECTED]
 *   Connected (4)  <------------------------  |
 *     :                                       :
 *     |  resumed (1, or 3 with new rings) ->  |  unmap -> Initialising (1) [PREPARED] -> offer() again
 *     :                                       :
 *   Closing (5)  -------------------------->  |  rings stay, answers go on
 *     |  &lt;--------------------------------- Closing (5)
 *   Closed (6)  --------------------------->  |  unmap
 *     |                                     Closed (6)        [CLOSED], or [GONE] with online = 0
 *     |  module reload, kexec                 |
 *   Initialising (1)  --------------------->  |               [PREPARED]
 *
 *   any state, nodes removed  ------------->  unmap           [GONE]
 *   nonsense in nodes or indexes  --------->  unmap, error node, Closing (5)  [CLOSED]
 * </pre>
 *
 * Invariants:
 *
 * <ul>
 *   <li>Nothing a guest writes makes a method of this package throw, except into its own device's
 *       closing; requests that are refused never reach the handler.
 *   <li>A request is answered once ({@link io.netchannel.vdevice.block.RingRequest}), with the
 *       operation blkfront expects: for an indirect request the one inside.
 *   <li>No page of data is ever mapped: it is copied by grant, so that a guest may end its grants
 *       as soon as it has the answer.
 *   <li>After a connection has ended, its requests can only be released: nothing goes to the guest.
 *   <li>We never write below a backend path that has been removed.
 * </ul>
 */
package io.netchannel.vdevice.block;

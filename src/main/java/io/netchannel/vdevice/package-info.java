/**
 * What all virtual devices share: the xenbus states two ends go through, the nodes, and the
 * mechanics of a shared ring. {@code vdevice.block} speaks the protocol of disks over it, {@code
 * vdevice.usb} that of USB controllers. Where requests go is nobody's business here.
 *
 * <pre>
 *  DeviceNodes          makes and removes the nodes of both ends     (DeviceType, DeviceAddress)
 *  XenbusBackend        follows the frontend, owns the rings         (one per device, one thread)
 *   +- DeviceProtocol   what a kind of device does its own way, e.g. reads FrontendRings
 *   +- RingMapper, TakenBefore    rings mapped afresh, or again by a restarted process
 *   +- RequestRing      requests out, responses in                   (one per queue)
 *       +- MappedQueue  an event channel and the rings that share it
 *       +- BackRing     our end of the ring with the requests
 *       +- InheritedRequests, ResponseCredit    requests of a ring of before, answered here
 *       +- RequestFormat    a slot becomes a TakenRequest, or is refused: the kind's
 * </pre>
 *
 * The handshake, frontend's states on the left, ours on the right; {@code []} is {@link
 * io.netchannel.vdevice.VirtualDevice.State}:
 *
 * <pre>
 *   Initialising (1)                        Initialising (1)  [PREPARED]
 *                                             |  offer(): features
 *                                           InitWait (2)      [OFFERED]
 *     |  rings, event channels                |
 *   Initialised (3)  ---------------------->  |  map, bind
 *     :  some kinds go to 4 at once         Connected (4)     [CONNECTED]
 *   Connected (4)  <------------------------  |
 *     :                                       :
 *     |  resumed (1, or new rings) -------->  |  unmap -> Initialising (1) [PREPARED] -> offer() again
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
 * The ring, with the two indexes each end keeps to itself:
 *
 * <pre>
 *                       rsp_event              req_event
 *                           |                      |
 *   slots  ... | seen | answered | taken, at the device | waiting | free ...
 *                     ^          ^                      ^         ^
 *                  rsp_cons   rsp_prod               req_cons  req_prod
 *                 (frontend)  (shared)               (backend) (shared)
 * </pre>
 *
 * Invariants:
 *
 * <ul>
 *   <li>rsp_prod &lt;= req_cons &lt;= req_prod &lt;= rsp_prod + slots, in arithmetic that wraps;
 *       anything else is a broken frontend ({@link io.netchannel.vdevice.RingBrokenException}).
 *       With inherited requests rsp_prod may be ahead of req_cons by their number at most.
 *   <li>Nothing is decided by a shared index that we wrote: the guest may have changed it.
 *   <li>A slot is copied once, then looked at.
 *   <li>Nothing a guest writes makes a method of this package throw, except into its own device's
 *       closing; requests that are refused never reach the handler.
 *   <li>A request is answered once ({@link io.netchannel.vdevice.TakenRequest}). After a connection
 *       has ended, its requests can only be released: nothing goes to the guest.
 *   <li>No page of data is ever mapped: it is copied by grant, so that a guest may end its grants
 *       as soon as it has the answer.
 *   <li>We never write below a backend path that has been removed.
 *   <li>A log line that a guest can cause is limited in number ({@link
 *       io.netchannel.vdevice.GuestLog}).
 * </ul>
 */
package io.netchannel.vdevice;

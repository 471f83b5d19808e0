/**
 * Virtual USB controllers: the backend of Xen's PVUSB protocol (xen/include/public/io/usbif.h), as
 * an unmodified Linux xen-hcd talks to it. {@link io.netchannel.vdevice.usb.UsbPort} is what the
 * mid-point sees of it: a controller with one port.
 *
 * <pre>
 *  UsbNodes            what a controller's nodes have beside those of all devices
 *  UsbPort             a XenbusBackend that speaks usbif              (one per port, one thread)
 *   +- UsbConnection   two rings and an event channel, as the frontend tells in xenstore
 *   +- PlugEvents      what is plugged, and what the frontend was told
 *   +- UrbRing         requests of one connection                   (what is outstanding)
 *   |   +- UrbParser, IsoDescriptors, UrbLayout    a slot becomes a RingUrb, or is refused
 *   |   +- RingRelief  whether INs have taken all slots, or keep the guest from freezing
 *   +- Inheritance     what the guest has asked for before it connected here      (RingMark)
 *   |   +- OldRing     the page of the ring that it had at another host, read once
 *   +- PlugRing        plug events of one connection
 * </pre>
 *
 * The handshake is that of {@code vdevice}, but xen-hcd goes from Initialising to Connected and
 * reads what it is offered when it finds the device, so that all is published from the start on.
 * Whoever shows a frontend Closing or Closed ends its devices for good.
 *
 * <p>Ports live in the frontend: it resets, suspends and powers them by itself. What reaches us of
 * a reset is the SET_ADDRESS that follows.
 *
 * <p>When a guest migrates, its URBs are all unlinked before it suspends; when it resumes, its
 * drivers submit them again. A stock xen-hcd puts these on the ring it had, as it has no other one
 * yet, and knows nothing of that; one that says feature-resume lets them wait.
 *
 * <pre>
 *   source                          guest                             destination
 *   suspending(true): relief        unlinks all
 *   answers the unlinks             suspended
 *   mark() -- frame, indexes ------------------------------------->   inherit(mark), offer()
 *                                   resumes: requests on the old ring
 *                                   new rings, Connected   ------->   reads the old page once:
 *                                                                     [req_cons, req_prod) are orphans
 *                                   answers, by their ids  &lt;-------   on the new ring
 * </pre>
 *
 * The ids of orphans are out, and the stock driver does not count them on its new ring: with more
 * parked requests and requests of the new ring than there are ids (16) it writes where it must not.
 * {@link io.netchannel.vdevice.usb.UsbPort#peakUrbs} tells how near a guest is to that; whoever
 * lets it migrate has to look.
 *
 * <p>Invariants, beside those of {@code vdevice}:
 *
 * <ul>
 *   <li>Among requests without an answer an id names one: unlinks say by id which URB they mean.
 *   <li>A URB is answered before the unlink that is about it.
 *   <li>The packet descriptors of an isochronous URB are read once; packets lie within its data and
 *       beside each other. What is written back there is what was read, and the outcomes.
 *   <li>Of our buffers only what came from the device gets into the guest.
 *   <li>A URB moves as many bytes as its segments have: the length on the ring has 16 bits, and
 *       says 0 for 65536.
 *   <li>Of an old page all fits what is known of it, or nothing of it is served ({@code lost()}). A
 *       restarted process that needs it and does not find the same there closes the port.
 *   <li>Orphans come before all requests of the new ring, each once, whatever process takes them;
 *       nothing is answered before all are taken.
 *   <li>A response that is ahead of the requests is written into a slot that has been read, or
 *       while all are; those of the second kind are counted.
 *   <li>Which kind of pipe it is decides how the 8 bytes of a request's setup are read.
 * </ul>
 */
package io.netchannel.vdevice.usb;

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
 *   |   +- RingRelief  whether INs have taken all slots
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
 *   <li>Which kind of pipe it is decides how the 8 bytes of a request's setup are read.
 * </ul>
 */
package io.netchannel.vdevice.usb;

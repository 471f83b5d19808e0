/**
 * Virtual block devices: the backend of Xen's blkif protocol (xen/include/public/io/blkif.h), as an
 * unmodified Linux blkfront talks to it. {@link io.netchannel.vdevice.block.VirtualDisk} is what
 * the mid-point sees of it.
 *
 * <pre>
 *  VbdNodes            what a disk's nodes have beside those of all devices
 *  Vbd                 a XenbusBackend that speaks blkif              (one per disk, one thread)
 *   +- ConnectionParameters, VbdFeatures    what the ends tell each other in xenstore
 *   +- BlockFormat     requests of one ring                         (one per queue)
 *       +- RequestParser, RingLayout        a slot becomes a RingRequest, or is refused
 * </pre>
 *
 * The handshake is that of {@code vdevice}: offer() publishes sectors and sector-size with the
 * features; the frontend publishes ring-ref, event-channel and protocol before Initialised.
 *
 * <p>Invariants, beside those of {@code vdevice}:
 *
 * <ul>
 *   <li>A response has the operation blkfront expects: for an indirect request the one inside.
 * </ul>
 */
package io.netchannel.vdevice.block;

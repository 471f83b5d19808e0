/**
 * USB devices as places where a guest's requests (URBs) go: the {@link
 * io.netchannel.device.usb.UsbDevice} contract.
 *
 * <p>A USB device is what is plugged into one port, or what has one identity, and that may be
 * nothing at times: it is open all the same, and says when something comes and goes.
 *
 * <pre>
 *                      plugged: incarnation + 1
 *      EMPTY  -------------------------------------->  PLUGGED
 *        ^                                                |
 *        +------------------------------------------------+
 *           unplugged: all URBs complete with NO_DEVICE, then the listener is told
 * </pre>
 *
 * Invariants:
 *
 * <ul>
 *   <li>A submitted URB completes exactly once, never within {@code submit}.
 *   <li>URBs of one endpoint reach the device in the order of their submission; other endpoints do
 *       not wait for them.
 *   <li>A URB is never given to a device twice by itself: what an IN transfer took from the device
 *       is gone from there, and an OUT transfer may not be repeated.
 *   <li>SET_ADDRESS never reaches a device: who serves the guest answers it.
 * </ul>
 */
package io.netchannel.device.usb;

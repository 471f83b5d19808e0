/**
 * USB devices of this host, through the kernel's usbfs: three ioctls and poll, no library between.
 *
 * <p>A source names a port, or one device wherever it is plugged ({@link
 * io.netchannel.device.usb.fs.UsbSource}). Each has a thread of its own:
 *
 * <pre>
 *                                  found, claimed: incarnation + 1
 *      +--&gt; EMPTY: looks --------------------------------------------&gt; PLUGGED: reaps
 *      |     ^   | found, refused (hub, in use, several):                     |
 *      |     +---+ said in words, looked at again                             |
 *      +----------------------------------------------------------------------+
 *            gone: all URBs reaped and told, then the listener is told
 *
 *      any --close--&gt; all URBs discarded, reaped and told; interfaces released,
 *                      given back to the kernel's drivers where they are managed
 * </pre>
 *
 * {@link io.netchannel.device.usb.fs.PluggedDevice} has the states of a URB. Whoever has an event
 * loop that waits for its users' sockets may have it wait for the device as well ({@link
 * io.netchannel.device.usb.DescriptorLoop}): it reaps then, as long as nothing but URBs comes,
 * while the device's thread sleeps ({@link io.netchannel.device.usb.fs.Reaper}).
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>All interfaces of the present configuration are claimed from open to close: no driver and
 *       no other program comes between. None is taken from another program.
 *   <li>Who submits never waits for the device: calls that wait for it, and DISCARDURB, are made by
 *       its thread. While they run what is submitted is held, and no event loop reaps.
 *   <li>A URB's memory is the kernel's from SUBMITURB until it is reaped, or usbfs is closed: only
 *       then is it told that it is done.
 *   <li>A URB that is unlinked has the outcome that the kernel gives it, also when it was done
 *       before.
 *   <li>One thread reaps at a time, and one tells: owners are told in the order in which the kernel
 *       was done, also when another thread takes over.
 *   <li>Nothing is dropped: what the kernel has no memory for waits, and that is said.
 *   <li>Submitting and reaping make no object once as many URBs were outstanding as ever are.
 *       Native memory is bounded: {@code PluggedDevice.MAX_IN_KERNEL}.
 *   <li>SET_ADDRESS does not get through.
 * </ul>
 */
package io.netchannel.device.usb.fs;

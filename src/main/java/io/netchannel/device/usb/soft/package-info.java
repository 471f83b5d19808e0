/**
 * USB devices in software ({@code usb-soft:}): a keyboard, a serial port, a stick, a source and
 * sink, a sound card. For tests, for the demo, and for who tries the product without hardware; with
 * descriptors that Linux' drivers accept.
 *
 * <pre>
 *                 submit, unlink                      executor
 *   owner of URBs ---------------> SoftPort  Outbox ------------> completions, port's listener
 *                                     |        ^
 *                    Settings (ep 0)  |        | Submitted.complete
 *                                     v        |
 *                                   Pipe: the URBs that wait at one endpoint
 *                                     ^
 *                                     | takes, gives, halts
 *                                  SoftFunction: what the device does --> storage, by the executor
 * </pre>
 *
 * Invariants:
 *
 * <ul>
 *   <li>All that a port and its device have is under the port's lock, and under it nothing waits.
 *   <li>A URB is at one pipe, or complete; it completes through the outbox, so never within submit
 *       and in the order in which URBs end.
 *   <li>What a device does depends on what it gets and on the clock it was given, on nothing else:
 *       a test that turns both is repeatable.
 *   <li>What a device sends by itself has a number in it, so that what is lost or repeated on the
 *       way shows; it makes the next one when the one before has been taken. Isochronous packets
 *       are the exception: a frame that nobody asks for is gone, and shows as a gap.
 * </ul>
 */
package io.netchannel.device.usb.soft;

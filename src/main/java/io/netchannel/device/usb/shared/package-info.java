/**
 * A device of this host that several have open as one: the port of a guest, and the export by which
 * that same port has it while the guest is on another host ({@code daemon.StayingUsb}). Between the
 * two it changes its owner without being closed, which would reset what is set at it and let the
 * kernel's drivers have it.
 *
 * <p>A holder has a generation; the highest there has ever been owns the device:
 *
 * <pre>
 *   open, generation not below the highest --> TAKES OVER: URBs of the owner before are unlinked,
 *                                                 |  ^     what it submits itself waits
 *      all of these have ended, and were told so  |  |
 *                                                 v  |
 *                       its URBs go to the device: OWNS
 *                                                 |  ^
 *                  another one with a higher one  |  |  useGeneration, higher still
 *                                                 v  |
 *             what it submits ends with NO_DEVICE: LOST
 *
 *   any of them --close--> its URBs end; the last one that closes closes the device
 * </pre>
 *
 * <h2>Blackouts</h2>
 *
 * A guest that is suspended unlinks what it has at a keyboard, and asks again seconds later,
 * perhaps from another host. What the keyboard has to say meanwhile is asked for here ({@code
 * Blackout}), and given to the first URBs of whoever owns the device then: the next host's, or the
 * same guest's when it does not go after all. It begins where the last interrupt IN URB of an
 * endpoint of a HID was unlinked; so nobody has to say that a blackout begins, and the wire has no
 * frame for it.
 *
 * <pre>
 *   at most      of what
 *   16           reports of an endpoint; then nothing is asked for, and the device keeps what
 *                follows, as it does for a host that does not poll
 *   1024 bytes   of a report; with 4 endpoints 68 KiB a device, which no other budget has in it
 *   1 s          a report waits for an owner that has ended its asking by itself: it may have meant
 *                that
 *   60 s         for one that rests, or for the next one. A guest's drivers were seen to need 2.5 s
 * </pre>
 *
 * What is older is dropped, and that is said where a guest has stood still. A daemon that is killed
 * takes with it what it had.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>A URB goes to the device for the owner only, and when those of owners before have ended.
 *   <li>Each URB is told its end once; those of an endpoint in their order, also those that end
 *       with a report of a blackout.
 *   <li>A report is given once, in the order in which the device sent them.
 *   <li>A reset, another configuration or setting, a cleared halt and a replug end blackouts:
 *       reports of before say nothing afterwards.
 *   <li>What is plugged, its incarnation and its settings are the same for all holders: a change of
 *       owner is no replug.
 *   <li>Completions are told where the owner wants them ({@link
 *       io.netchannel.device.usb.UsbDevice#completeOn}): the loop of whoever has lost it waits for
 *       the device no more.
 *   <li>A URB of the owner makes no object on its way.
 * </ul>
 */
package io.netchannel.device.usb.shared;

/**
 * The mid-point of USB ports: what they have of their own on the way of requests.
 *
 * <pre>
 *   URB          taken --> [waits for its endpoint, or for memory] --> noted --> device --> answered
 *                  |                                                               |
 *                  +--nothing is plugged, or unlinked already--> answered          |
 *   unlink       taken --> device.unlink, if its URB is there --> its URB answered +--> answered
 *   SET_ADDRESS  taken --> [the device had one: reset, once a second at most] --------> answered
 * </pre>
 *
 * What the guest sees of what is plugged is {@code PlugState}'s.
 *
 * <h2>Invariants</h2>
 *
 * <ul>
 *   <li>URBs of one endpoint come to the device in the order in which they were taken; those of
 *       another endpoint do not wait for them. The control endpoint is one for both directions.
 *   <li>A URB is given to the device once at most, over any number of processes: it is noted in the
 *       in-flight file before. What was noted and has no answer when a process dies ends with
 *       PROTOCOL, as no authority tells its outcome; what was not noted is done by the next one.
 *   <li>A URB is answered before the unlink that is about it. An unlink is taken also without
 *       memory for data: a guest that freezes unlinks all it has.
 *   <li>What was for a device that has gone does not get to the one that came then, though the
 *       guest has not heard of it yet.
 *   <li>SET_ADDRESS does not get to the device: the address is between the guest and us. The guest
 *       resets its port without a word, and addresses the device again: that resets the device.
 *   <li>Data that an IN brought is in the guest before its answer is visible; of the buffer only
 *       what the device has put there.
 * </ul>
 *
 * <h2>Particular cases</h2>
 *
 * <ul>
 *   <li>The frontend begins again (the guest resumed on this host): a Linux guest has unlinked all
 *       it had. What is there all the same is unlinked at the device, and the port offered again
 *       when that has ended. Address and configuration stay: nothing is plugged anew.
 *   <li>Another device takes the place of the one before, under the running guest: it sees an
 *       unplug and a plug, also where the speed is the same.
 *   <li>Another device is there after a restart: likewise. What the guest was told of is noted in
 *       xenstore once it can see it.
 *   <li>A hub is not shown to the guest, whose port cannot have ports below it.
 *   <li>A ring full of INs that wait is relieved ({@code vdevice.usb}): the oldest is unlinked at
 *       the device and answered as if nothing had come.
 *   <li>Sealing is refused, with why: a guest with a USB device stays on its host.
 * </ul>
 */
package io.netchannel.midpoint.usb;

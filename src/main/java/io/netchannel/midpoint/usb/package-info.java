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
 * <h2>Migration</h2>
 *
 * A Linux guest that suspends unlinks all it has at its devices first, so nothing is in flight over
 * a suspend. What moves is what the guest knows of its device, so that it finds it as it was:
 *
 * <pre>
 *   source       ResumeGate open? --seal--> UsbSeal: nothing is issued, what is at the device is
 *                      |                    called back --nothing is there--> UsbManifest
 *                      +--closed--> refused, with what to do
 *   destination  UsbHandOver: check --> the port remembers what the guest was told, and where its
 *                ring was --> the same device with the same settings? --> offered
 *                                  |                           |
 *                                  no: unplug, and plug        yes: the guest is shown nothing
 * </pre>
 *
 * A driver that resumes (feature-resume) keeps what its guest's drivers submit until it has a new
 * ring. The stock one puts it on the old ring's page, where {@code vdevice.usb} finds it by the
 * {@code RingMark}; it comes from {@code poll} and is a request as any other. How many requests the
 * stock one can lose without harm {@code ResumeGate} says.
 *
 * <p>A read that Linux unlinks is given up, with the data that may be on its way to the guest. So
 * when a guest is asked to suspend, reads that wait for what a device may say at any time are
 * called back before the guest freezes: the device keeps it, or, of a keyboard, who serves it does.
 *
 * <p>An unseal gives the device again what came back from it untouched. What came of the rest its
 * guest is told, as if it had ended by itself.
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
 *   <li>A sealed port has nothing at its device, and gives it nothing. What has moved data, or may
 *       have, is never given to a device again, here or elsewhere.
 *   <li>A guest is shown that its device has gone unless the device that is there is known to be
 *       the one it was told of, with the settings that it gave it.
 *   <li>A guest whose driver would harm it by a resume is not sealed.
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
 *   <li>A guest suspends with requests unanswered, as no Linux does: when its driver resumes it
 *       sends them again, and is shown that its device was plugged anew if one of them has moved
 *       data. With another driver the seal fails, and the guest goes on at the source.
 *   <li>A daemon that dies while SEALED: the next one ends with PROTOCOL what was at the device, if
 *       it is unsealed. One that dies after a take-over: the port's nodes have what it was told.
 *   <li>A port that is withdrawn: the guest gives its device up, and there is nothing to take
 *       along; it sees it plugged where it is served next.
 * </ul>
 */
package io.netchannel.midpoint.usb;

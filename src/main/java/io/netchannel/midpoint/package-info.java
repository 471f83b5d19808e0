/**
 * The mid-point: between a guest's virtual device and the device its requests go to, of whatever
 * kind. {@link io.netchannel.midpoint.MidPoint} is what others see of it; {@code Lifecycle} is what
 * happens when, {@link io.netchannel.midpoint.DeviceFlow} the way of each request, which each kind
 * of device extends (disks in {@code midpoint.block}, USB ports in {@code midpoint.usb}), and
 * {@code FlowRounds} what a round does with all of them.
 *
 * <pre>
 *   EXPECTING --serve, takeOver, recover--> STARTING --settled--> SERVING --seal--> SEALING
 *     |   ^                                    |                  |  ^  ^             |  |
 *     |   | unseal                             |                  |  |  +--failed,----+  | nothing left
 *     |   v                                    |                  |  |     unseal        v
 *     | SEALED without a device                |                  |  +-----unseal----- SEALED
 *     |                                        |                  |                      |
 *     |          frontend gone, retire         v                  v   (SEALING, too)     v
 *     +------------------------------------> DROPPING <-----------+                  RELEASING
 *                                              |                                         |
 *                                              +--nothing at the device--> RETIRED <-----+
 * </pre>
 *
 * Others see {@code MidPoint.State}: STARTING is EXPECTING; DROPPING and RELEASING are what was
 * before. SEALED is also what a mid-point is recovered to that was sealed when its process ended.
 * From SEALING the end of the frontend, or a retire, fails the seal.
 *
 * <p>In EXPECTING a manifest may be staged, more than once: nothing changes but how much a
 * take-over with that manifest has to do.
 *
 * <p>Beside the phase there are the link to the frontend ({@code FrontendLink}) and the mode of its
 * requests ({@code DeviceFlow}):
 *
 * <pre>
 *   phase          mode             what a round does
 *   EXPECTING      QUIET            follows the frontend, which waits
 *   STARTING       QUIET            settles what a take-over brought
 *   SERVING        OPEN             serves; while the link is LOST it settles what was pending
 *   SEALING        QUIET, LEAVING   follows, goes on with the seal
 *   SEALED         QUIET, LEFT      follows
 *   DROPPING       any but OPEN     waits for what is at the device, drops the rest
 *   RELEASING      QUIET, LEFT      likewise, the rest is the destination's
 *   RETIRED        any but OPEN     follows the frontend until its nodes have gone
 * </pre>
 *
 * To settle is to finish what is pending without a guest to answer to; only then is the device
 * offered again. RETIRED closes the virtual device when the frontend's nodes have gone.
 *
 * <h2>Invariants</h2>
 *
 * <ul>
 *   <li>Every request taken has one outcome: answered, handed over, settled, dropped because its
 *       frontend has gone; or it is in the table ({@code PendingTable.Fate}).
 *   <li>SEALED and RETIRED give nothing to the device, touch no guest memory, and answer nothing.
 *   <li>A request leaves the in-flight file only after its response was visible ({@code
 *       InflightTable}).
 *   <li>A request's data is in memory of the host's budget ({@code device.memory}). Without any a
 *       request is not issued, and no later one is taken: they wait on their rings. Memory is given
 *       in the order of taking, so that no request waits for one that needs what it holds itself.
 *   <li>What manifests of all devices have of their data is bounded ({@code ManifestBudget}).
 *   <li>While SERVING with nothing taken over, a request makes no object on its way through here:
 *       what it needs is used again ({@code SteadyPathTest}).
 * </ul>
 *
 * <h2>Particular cases</h2>
 *
 * <ul>
 *   <li>The frontend begins again on this host: same as a take-over, from the own table.
 *   <li>The frontend goes (domain destroyed, device detached): what is at the device is waited for,
 *       the rest is dropped and traced so, also when its mid-point is closed before all of that is
 *       done. While SEALED that is the normal end after a migration: silent.
 *   <li>A seal while EXPECTING without device, or without a connected frontend: an empty manifest.
 *   <li>A guest that is not suspended after all and puts more on the rings: it stays there untaken,
 *       and is taken after an unseal.
 *   <li>A malformed request is answered by the virtual device without coming here. If the process
 *       dies between its being taken and its answer becoming visible while a later request of the
 *       same poll has been remembered, it stays unanswered: the guest that sent it broke the
 *       protocol.
 * </ul>
 */
package io.netchannel.midpoint;

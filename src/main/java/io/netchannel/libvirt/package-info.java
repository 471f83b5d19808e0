/**
 * What Netchannel hears from and says to libvirt: hook calls ({@link
 * io.netchannel.libvirt.HookEndpoint}), the {@code <metadata>} of a domain, read ({@link
 * io.netchannel.libvirt.DomainXmlParser}) and changed ({@link
 * io.netchannel.libvirt.DomainMetadata}, by virsh), and lifecycle events by libvirt-java ({@link
 * io.netchannel.libvirt.LibvirtEvents}).
 *
 * <pre>
 *   libvirtd --runs--> libxl.d/50-netchannel --Unix socket--> HookEndpoint --> HookHandler
 *      |                    (waits for the exit code)              (one thread per call)
 *      +--events--> LibvirtEvents --> Listener
 *
 *   a hook call:  ACCEPTED --all read, within the bound--> HANDLED --> ANSWERED --> closed
 *                     |                                                   |
 *                     +--too long, too large, malformed: refused          +--script gone: logged
 * </pre>
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>Hooks are synchronous inside libvirtd: nothing that runs for a hook may call libvirt; both
 *       would wait for ever.
 *   <li>A call of virsh is bounded; it may take all of its bound, so it has a thread that may wait.
 *   <li>The number of hook calls, their size and the time they take to speak are bounded; handlers
 *       bound their own time.
 *   <li>Only root may connect to the hook socket.
 *   <li>XML is read without document types and external entities, by namespace.
 *   <li>Events are a convenience: losing all of them loses no request of a guest.
 * </ul>
 */
package io.netchannel.libvirt;

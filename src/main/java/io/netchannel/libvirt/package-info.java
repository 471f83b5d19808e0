/**
 * What Netchannel hears from and says to libvirt: hook calls, the {@code <metadata>} of a domain,
 * and lifecycle events by libvirt-java. Hooks are synchronous inside libvirtd: nothing that runs
 * for a hook may call libvirt (it would deadlock).
 */
package io.netchannel.libvirt;

/**
 * The hosts of the demo, and libvirt's part: {@link io.netchannel.demo.host.DemoHost} runs a whole
 * netchanneld on an embedded hypervisor, {@link io.netchannel.demo.host.Virsh} calls its hooks and
 * moves domains in the order of libvirt 9.0, {@link io.netchannel.demo.host.Libxl} makes domains.
 */
package io.netchannel.demo.host;

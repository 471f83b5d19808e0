/**
 * The hosts, and libvirt's part: {@link io.netchannel.rehearsal.host.ModelHost} runs a whole
 * netchanneld on an embedded hypervisor, {@link io.netchannel.rehearsal.host.Virsh} calls its hooks
 * and moves domains in the order of libvirt 9.0, {@link io.netchannel.rehearsal.host.Libxl} makes
 * domains.
 */
package io.netchannel.rehearsal.host;

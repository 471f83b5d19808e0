/**
 * Tests with whole hosts in containers, and a network between them that can be cut.
 *
 * <p>A host is Debian with the real xenstored and our package as {@code xen-hooks/install} puts it,
 * made once per run by {@link io.netchannel.containers.HostImage} from what {@code .ci/test}
 * prepares. Its netchanneld is the one that is installed, and is started again when it ends.
 *
 * <p>There is no hypervisor below: {@code src/test/native/fakexen.c} answers for it, so that
 * domains show up in the real xenstored and are offered disks, but no guest connects one. What a
 * guest would do with a disk of another host, {@link io.netchannel.containers.tool.VerifiedLoad}
 * does with the product's own client device, where a mid-point would have it; with a USB device
 * {@link io.netchannel.containers.tool.VerifiedUsb}.
 *
 * <p>{@code mvn verify} runs them after {@code package}, as they need its jar. Each class has hosts
 * and a network of its own; the classes run at the same time, as they mostly wait. Without Docker
 * or without the image they fail and say so.
 */
package io.netchannel.containers;

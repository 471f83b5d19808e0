/**
 * Tests with whole hosts in containers, and a network between them that can be cut.
 *
 * <p>A host is Debian with the real xenstored and our package as {@code xen-hooks/install} puts it,
 * made once per run by {@link io.netchannel.containers.HostImage} from what {@code .ci/test}
 * prepares. There is no hypervisor below: {@code src/test/native/fakexen.c} answers for it, so that
 * domains show up and are offered disks, but no guest connects one.
 *
 * <p>{@code mvn verify} runs them after {@code package}, as they need its jar. Without Docker or
 * without the image they fail and say so.
 */
package io.netchannel.containers;

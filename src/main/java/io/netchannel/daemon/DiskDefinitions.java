package io.netchannel.daemon;

import io.netchannel.libvirt.DomainMetadata;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.MetadataException;
import java.util.UUID;

/** Where the definitions of domains are, which name the sources of their disks. */
@FunctionalInterface
public interface DiskDefinitions {
  /** Of a host without libvirt. */
  DiskDefinitions NONE = (domain, definition, target, oldSource, newSource) -> false;

  /** Of the local libvirt. */
  DiskDefinitions LIBVIRT =
      (domain, definition, target, oldSource, newSource) ->
          new DomainMetadata(domain.toString(), definition)
              .changeSource(target, oldSource, newSource);

  /** As {@link DomainMetadata#changeSource}; may block. */
  boolean changeSource(
      UUID domain, Definition definition, String target, String oldSource, String newSource)
      throws MetadataException;
}

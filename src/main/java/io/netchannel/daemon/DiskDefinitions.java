package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
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
      new DiskDefinitions() {
        @Override
        public boolean changeSource(
            UUID domain, Definition definition, String target, String oldSource, String newSource)
            throws MetadataException {
          return new DomainMetadata(domain.toString(), definition)
              .changeSource(target, oldSource, newSource);
        }

        @Override
        public ImmutableMap<String, String> follows(UUID domain) throws MetadataException {
          return new DomainMetadata(domain.toString(), Definition.LIVE).follows();
        }
      };

  /** Of a running domain, as {@link DomainMetadata#follows}; may block. */
  default ImmutableMap<String, String> follows(UUID domain) throws MetadataException {
    return ImmutableMap.of();
  }

  /** As {@link DomainMetadata#changeSource}; may block. */
  boolean changeSource(
      UUID domain, Definition definition, String target, String oldSource, String newSource)
      throws MetadataException;
}

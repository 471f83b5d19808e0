package io.netchannel.coordinator;

import java.util.Optional;

/** What this host answers its peers about the disks that it has for others; see peer.proto. */
@FunctionalInterface
public interface PeerExports {
  /** Of a host without any. */
  PeerExports NONE = name -> Optional.empty();

  /**
   * One of its exports.
   *
   * @return empty when there is none of that name
   * @throws MigrationRefusedException when that cannot be known at present
   */
  Optional<PeerMessages.Exported> export(String name) throws MigrationRefusedException;
}

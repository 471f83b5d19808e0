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

  /**
   * Makes a volume for a disk of the caller's that is to come here, or finds the one that was made
   * before. May wait for the storage.
   *
   * @throws MigrationRefusedException when there is no such pool, no room in it, or the name is
   *     somebody else's
   */
  default PeerMessages.Volume volume(String caller, PeerMessages.WantedVolume wanted)
      throws MigrationRefusedException {
    throw new MigrationRefusedException("this host makes no volumes");
  }
}

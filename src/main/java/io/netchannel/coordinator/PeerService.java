package io.netchannel.coordinator;

import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * What this host answers its peers; see peer.proto. A {@link MigrationRefusedException} is certain:
 * nothing was done. {@code caller} is the name of a configured peer, proved by its certificate.
 */
public interface PeerService {

  /** Domains of that name with disks that this host may write, or with stock disks. */
  List<PeerMessages.ServedDomain> describe(String domainName);

  Optional<PeerMessages.ServedDomain> describe(UUID domain);

  /** Registers a migration here, its source; gives the jobs that go on where the guest goes. */
  PeerMessages.Prepared prepare(String caller, PeerMessages.Prepare request)
      throws MigrationRefusedException;

  /** Seals all disks or none; again for the same migration gives the same manifests. */
  List<PeerMessages.SealedDevice> seal(String caller, UUID migration)
      throws MigrationRefusedException;

  /**
   * What {@link #seal} gives, as soon as this host has sealed by itself or for another call; parked
   * until then. A later call takes the place of an earlier one; a cancelled one is forgotten.
   *
   * @return exceptionally with a {@link MigrationRefusedException} when the migration ends first
   */
  CompletableFuture<List<PeerMessages.SealedDevice>> sealWhenSuspended(
      String caller, UUID migration, Consumer<PeerMessages.SealedDevice> known)
      throws MigrationRefusedException;

  /**
   * Gives generation N+1 of all disks or of none, durably.
   *
   * @return the targets of those that are their copies from now on; again gives the same
   */
  List<String> takeOver(String caller, UUID migration, List<PeerMessages.Claim> claims)
      throws MigrationRefusedException;

  /** The caller does not use what it may have been given, and never will. */
  PeerMessages.PhaseReport abort(String caller, UUID migration, String reason)
      throws MigrationRefusedException;

  /** The caller knows that the guest is at the destination for good. */
  PeerMessages.PhaseReport commit(String caller, UUID migration) throws MigrationRefusedException;

  /**
   * The phase of a migration here. A destination that knows neither the migration nor the domain
   * notes that it never will use the disks and answers ABORT.
   *
   * @param asked which side of the migration this host is
   */
  PeerMessages.PhaseReport status(String caller, UUID migration, UUID domain, Direction asked)
      throws MigrationRefusedException;

  /** What happened here in a migration with the caller, oldest first. */
  PeerMessages.Timeline timeline(String caller, UUID migration) throws MigrationRefusedException;
}

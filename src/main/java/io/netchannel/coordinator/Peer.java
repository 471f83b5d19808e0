package io.netchannel.coordinator;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The coordinator of another host, as the caller sees it; {@link PeerService} is the other end.
 * Methods block, for at most their bound, and are idempotent.
 */
public interface Peer {

  /** As configured: "hostb". */
  String name();

  List<PeerMessages.ServedDomain> describe(String domainName, Duration bound) throws PeerException;

  Optional<PeerMessages.ServedDomain> describe(UUID domain, Duration bound) throws PeerException;

  void prepare(PeerMessages.Prepare request, Duration bound) throws PeerException;

  /** Seals every disk of a migration; in the order they were prepared. */
  List<PeerMessages.SealedDisk> seal(UUID migration, Duration bound) throws PeerException;

  void takeOver(UUID migration, List<PeerMessages.Claim> claims, Duration bound)
      throws PeerException;

  PeerMessages.PhaseReport abort(UUID migration, String reason, Duration bound)
      throws PeerException;

  PeerMessages.PhaseReport commit(UUID migration, Duration bound) throws PeerException;

  /**
   * The phase of a migration at the other host.
   *
   * @param asked which side of the migration the other host is
   */
  PeerMessages.PhaseReport status(UUID migration, UUID domain, Direction asked, Duration bound)
      throws PeerException;
}

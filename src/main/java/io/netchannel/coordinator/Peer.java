package io.netchannel.coordinator;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * The coordinator of another host, as the caller sees it; {@link PeerService} is the other end.
 * Methods block, when nothing else is said, for at most their bound, and are idempotent.
 */
public interface Peer {

  /** As configured: "hostb". */
  String name();

  List<PeerMessages.ServedDomain> describe(String domainName, Duration bound) throws PeerException;

  Optional<PeerMessages.ServedDomain> describe(UUID domain, Duration bound) throws PeerException;

  /**
   * Registers a migration at its source.
   *
   * @return the jobs that go on where the guest goes
   */
  PeerMessages.Prepared prepare(PeerMessages.Prepare request, Duration bound) throws PeerException;

  /** Seals every disk of a migration; in the order they were prepared. */
  List<PeerMessages.SealedDevice> seal(UUID migration, Duration bound) throws PeerException;

  /**
   * As {@link #seal}, but without asking for it: answered when the source has sealed by itself,
   * because its hypervisor says that the guest is suspended. Does not block; cancelling it forgets
   * it on both hosts.
   *
   * @param known told each disk as soon as it is known what is pending there, before the source has
   *     sealed all: only what is in the answer counts. Must neither block nor throw
   * @return in the order in which they became known; completes on a thread that must not block;
   *     exceptionally with a {@link PeerException}, at the latest when the bound passes
   */
  CompletableFuture<List<PeerMessages.SealedDevice>> sealWhenSuspended(
      UUID migration, Duration bound, Consumer<PeerMessages.SealedDevice> known);

  /**
   * Takes generation N+1 of every disk: all or nothing.
   *
   * @return the targets of those that are their copies from now on; again gives the same
   */
  List<String> takeOver(UUID migration, List<PeerMessages.Claim> claims, Duration bound)
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

  /** An export of that host; empty when it has none of that name. */
  Optional<PeerMessages.Exported> export(String name, Duration bound) throws PeerException;

  /** Makes a volume there for a disk that is to go there, or finds the one made before. */
  PeerMessages.Volume volume(PeerMessages.WantedVolume wanted, Duration bound) throws PeerException;

  /** What happened there in a migration, oldest first. */
  PeerMessages.Timeline timeline(UUID migration, Duration bound) throws PeerException;
}

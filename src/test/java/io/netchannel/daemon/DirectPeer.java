package io.netchannel.daemon;

import io.netchannel.coordinator.Direction;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.Peer;
import io.netchannel.coordinator.PeerException;
import io.netchannel.coordinator.PeerMessages;
import io.netchannel.coordinator.PeerService;
import io.netchannel.coordinator.peer.PeerAddress;
import io.netchannel.coordinator.peer.Peers;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Another host in the same process, without a network between.
 *
 * @param answered called after each answer, before the caller has it
 * @param parks whether a parked call gets there; else it is lost
 */
record DirectPeer(
    String caller,
    String name,
    Supplier<PeerService> service,
    Runnable answered,
    BooleanSupplier parks)
    implements Peer {
  DirectPeer(String caller, String name, Supplier<PeerService> service) {
    this(caller, name, service, () -> {}, () -> true);
  }

  private interface Call<T> {
    T run(PeerService service) throws MigrationRefusedException;
  }

  private <T> T call(Call<T> call) throws PeerException {
    PeerService answering = service.get();
    if (answering == null) {
      throw new PeerException(PeerException.Kind.NO_ANSWER, name + " does not run");
    }
    try {
      T answer = call.run(answering);
      answered.run();
      return answer;
    } catch (MigrationRefusedException e) {
      throw new PeerException(PeerException.Kind.REFUSED, e.getMessage(), e);
    }
  }

  Peers.Health health() {
    boolean runs = service.get() != null;
    return new Peers.Health(
        PeerAddress.parse(name, name), runs, runs ? "" : name + " does not run");
  }

  @Override
  public List<PeerMessages.ServedDomain> describe(String domainName, Duration bound)
      throws PeerException {
    return call(peer -> peer.describe(domainName));
  }

  @Override
  public Optional<PeerMessages.ServedDomain> describe(UUID domain, Duration bound)
      throws PeerException {
    return call(peer -> peer.describe(domain));
  }

  @Override
  public PeerMessages.Prepared prepare(PeerMessages.Prepare request, Duration bound)
      throws PeerException {
    return call(peer -> peer.prepare(caller, request));
  }

  @Override
  public Optional<PeerMessages.Exported> export(String name, Duration bound) {
    return Optional.empty();
  }

  @Override
  public List<PeerMessages.SealedDevice> seal(UUID migration, Duration bound) throws PeerException {
    return call(peer -> peer.seal(caller, migration));
  }

  @Override
  public CompletableFuture<List<PeerMessages.SealedDevice>> sealWhenSuspended(
      UUID migration, Duration bound, Consumer<PeerMessages.SealedDevice> known) {
    if (!parks.getAsBoolean()) {
      return new CompletableFuture<>();
    }
    try {
      return call(peer -> peer.sealWhenSuspended(caller, migration, known));
    } catch (PeerException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  @Override
  public PeerMessages.Timeline timeline(UUID migration, Duration bound) throws PeerException {
    return call(peer -> peer.timeline(caller, migration));
  }

  @Override
  public List<String> takeOver(UUID migration, List<PeerMessages.Claim> claims, Duration bound)
      throws PeerException {
    return call(peer -> peer.takeOver(caller, migration, claims));
  }

  @Override
  public PeerMessages.Volume volume(PeerMessages.WantedVolume wanted, Duration bound)
      throws PeerException {
    throw new PeerException(PeerException.Kind.REFUSED, name + " makes no volumes");
  }

  @Override
  public PeerMessages.PhaseReport abort(UUID migration, String reason, Duration bound)
      throws PeerException {
    return call(peer -> peer.abort(caller, migration, reason));
  }

  @Override
  public PeerMessages.PhaseReport commit(UUID migration, Duration bound) throws PeerException {
    return call(peer -> peer.commit(caller, migration));
  }

  @Override
  public PeerMessages.PhaseReport status(
      UUID migration, UUID domain, Direction asked, Duration bound) throws PeerException {
    return call(peer -> peer.status(caller, migration, domain, asked));
  }
}

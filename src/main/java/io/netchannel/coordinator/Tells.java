package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells peers that a migration is over, again and again until they have answered. Only a courtesy
 * that makes it quick: a peer that must know asks by itself.
 */
final class Tells {
  private static final Logger log = LoggerFactory.getLogger(Tells.class);

  private final ImmutableMap<String, Peer> peers;
  private final Duration bound;
  private final Backoffs backoff;
  private final Errands<String> errands;
  private final Consumer<UUID> told;
  private final Map<UUID, Migration> untold = new ConcurrentHashMap<>();

  /**
   * @param executor for calls that nobody waits for: one at a time to each peer
   * @param told hears of each migration of which nobody is to be told any more
   */
  Tells(
      ImmutableMap<String, Peer> peers,
      Duration bound,
      LongSupplier nanoTime,
      Executor executor,
      Consumer<UUID> told) {
    this.peers = peers;
    this.bound = bound;
    this.backoff = new Backoffs(nanoTime);
    this.errands = new Errands<>(executor);
    this.told = told;
  }

  /**
   * Tells now, once; later again when that fails.
   *
   * @return what the peer says of it then; empty when it has not answered
   */
  Optional<PeerMessages.PhaseReport> now(Migration over) {
    later(over);
    return tell(over);
  }

  /** Tells with the next {@link #tick}. */
  void later(Migration over) {
    untold.put(over.id(), over);
  }

  /** As {@link #later}, and does not wait for the next tick. */
  void soon(Migration over) {
    later(over);
    tick();
  }

  /** Does not wait for any peer. */
  void tick() {
    untold.values().stream()
        .map(Migration::peer)
        .distinct()
        .forEach(peer -> errands.run(peer, () -> tellAll(peer)));
  }

  private void tellAll(String peer) {
    for (Migration over : untold.values()) {
      if (over.peer().equals(peer) && backoff.isDue(over.id())) {
        var unused = tell(over);
      }
    }
  }

  private Optional<PeerMessages.PhaseReport> tell(Migration over) {
    Peer peer = peers.get(over.peer());
    if (peer == null) {
      done(over);
      return Optional.empty();
    }
    try {
      PeerMessages.PhaseReport report =
          over.phase() == Phase.COMMIT
              ? peer.commit(over.id(), bound)
              : peer.abort(over.id(), over.detail(), bound);
      log.info(
          "{}: told {} of {}, it is in {} there",
          over.label(),
          over.peer(),
          over.phase(),
          report.phase());
      if (report.phase().isOver()) {
        done(over);
      }
      return Optional.of(report);
    } catch (PeerException e) {
      switch (e.kind()) {
        case NO_ANSWER ->
            log.warn("{}: {} not told yet: {}", over.label(), over.peer(), e.getMessage());
        case REFUSED -> {
          log.warn("{}: {} will not hear: {}", over.label(), over.peer(), e.getMessage());
          done(over);
        }
      }
      return Optional.empty();
    }
  }

  private void done(Migration over) {
    untold.remove(over.id());
    backoff.forget(over.id());
    told.accept(over.id());
  }
}

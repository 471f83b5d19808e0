package io.netchannel.coordinator;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A point in time that bounds a chain of waits. */
final class Deadline {
  private static final Logger log = LoggerFactory.getLogger(Deadline.class);

  /**
   * A lost connection shows at once and is made again within the call's bound; a source that loses
   * more of them than this has another problem.
   */
  private static final int ATTEMPTS = 4;

  private final Clock clock;
  private final Instant end;

  private Deadline(Clock clock, Instant end) {
    this.clock = clock;
    this.end = end;
  }

  static Deadline after(Clock clock, Duration bound) {
    return new Deadline(clock, clock.instant().plus(bound));
  }

  /** The earlier of this one and {@code bound} from now. */
  Deadline within(Duration bound) {
    Instant other = clock.instant().plus(bound);
    return other.isBefore(end) ? new Deadline(clock, other) : this;
  }

  /** Never negative. */
  Duration remaining() {
    Duration rest = Duration.between(clock.instant(), end);
    return rest.isNegative() ? Duration.ZERO : rest;
  }

  boolean hasPassed() {
    return remaining().isZero();
  }

  /**
   * Waits for a future of this host's devices.
   *
   * @param what for the message: "sealing xvdb"
   * @throws MigrationRefusedException when it fails or the time is over
   */
  <T> T await(CompletableFuture<T> future, String what) throws MigrationRefusedException {
    try {
      return future.get(Math.max(1, remaining().toMillis()), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new MigrationRefusedException(what + " took too long", e);
    } catch (ExecutionException e) {
      throw new MigrationRefusedException(what + " failed: " + words(e.getCause()), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new MigrationRefusedException(what + " was interrupted", e);
    }
  }

  /** A call of another host, which is idempotent. */
  @FunctionalInterface
  interface Call<T> {
    T run(Duration bound) throws PeerException;
  }

  /** Asks another host until there is an answer. */
  <T> T ask(Call<T> call) throws PeerException {
    for (int attempt = 1; ; attempt++) {
      try {
        return call.run(remaining());
      } catch (PeerException e) {
        if (e.kind() == PeerException.Kind.REFUSED || attempt == ATTEMPTS || hasPassed()) {
          throw e;
        }
        log.info("asking again: {}", e.getMessage());
      }
    }
  }

  /** What an exception says, or at least what it is. */
  static String words(Throwable e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }
}

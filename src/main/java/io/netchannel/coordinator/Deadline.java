package io.netchannel.coordinator;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A point in time that bounds a chain of waits; by the monotonic clock. */
final class Deadline {
  private static final Logger log = LoggerFactory.getLogger(Deadline.class);

  /**
   * A lost connection shows at once and is made again within the call's bound; a source that loses
   * more of them than this has another problem.
   */
  private static final int ATTEMPTS = 4;

  private final LongSupplier nanoTime;
  private final Duration bound;
  private final long endNanos;

  private Deadline(LongSupplier nanoTime, Duration bound) {
    this.nanoTime = nanoTime;
    this.bound = bound;
    this.endNanos = nanoTime.getAsLong() + bound.toNanos();
  }

  /**
   * @param nanoTime of a monotonic clock
   */
  static Deadline after(LongSupplier nanoTime, Duration bound) {
    return new Deadline(nanoTime, bound);
  }

  /** The earlier of this one and {@code bound} from now. */
  Deadline within(Duration bound) {
    return bound.compareTo(remaining()) < 0 ? new Deadline(nanoTime, bound) : this;
  }

  /** Never negative. */
  Duration remaining() {
    return Duration.ofNanos(Math.max(0, endNanos - nanoTime.getAsLong()));
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

  /**
   * Asks another host until there is an answer.
   *
   * @throws PeerException also when no time was left to ask at all, which is not that host's fault
   */
  <T> T ask(Call<T> call) throws PeerException {
    if (hasPassed()) {
      throw new PeerException(
          PeerException.Kind.NO_ANSWER,
          "the "
              + bound.toSeconds()
              + " s for this were over before the other host could be asked: what came first on"
              + " this host took too long");
    }
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

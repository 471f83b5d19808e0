package io.netchannel.daemon;

import io.netchannel.device.DeviceException;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The attempts to open the new device of a job again, one after the other.
 *
 * <pre>
 *   NONE --begin--> UNDER WAY --it is mirrored, given up, or not due any more--> NONE
 *                    ^     |                    due again by then: the next one begins at once
 *                    |     +--fails, or must wait--+
 *                    +----- 1 s .. 30 s later -----+
 * </pre>
 *
 * The first one of all, with which a job begins, is the job's own.
 */
final class SwapAttempts {
  private static final Logger log = LoggerFactory.getLogger(SwapAttempts.class);

  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /** Whose they are; on the threads of attempts. */
  interface Owner {
    /** Whether another one makes sense. */
    boolean isDue(ServedDisk served);

    /** Whether the job is given up, which it ends then. */
    boolean isGivenUp();

    /** Whether the new device must not be opened just now, which it says. */
    boolean mustWait();

    /**
     * Opens the new device, and mirrors to it.
     *
     * @return completes when it is mirrored
     */
    CompletableFuture<Void> attempt(ServedDisk served) throws DeviceException;

    void failed(String why);

    /** One has come to its end, whatever that is. */
    void ended();
  }

  private final String label;
  private final Executor executor;
  private final Timer timer;
  private final Owner owner;

  /** Whether one is under way, or to come: two would be rivals. */
  private final AtomicBoolean begun = new AtomicBoolean();

  /** Whether one is under way: its server is not told that it was left before the end of it. */
  private volatile boolean underWay;

  /**
   * None yet.
   *
   * @param label of the job, for the log
   * @param executor runs what storage may keep waiting
   */
  SwapAttempts(String label, Executor executor, Timer timer, Owner owner) {
    this.label = label;
    this.executor = executor;
    this.timer = timer;
    this.owner = owner;
  }

  boolean isUnderWay() {
    return underWay;
  }

  /** The job's own is under way. */
  void first() {
    underWay = true;
  }

  /** The job's own has come to its end. */
  void firstEnded() {
    ended();
  }

  /** Begins, unless there are some. */
  void begin(ServedDisk served) {
    if (!begun.getAndSet(true)) {
      executor.execute(() -> next(served, new Backoff(FIRST_PAUSE, LONGEST_PAUSE)));
    }
  }

  private void ended() {
    underWay = false;
    owner.ended();
  }

  /** Its mid-point may have begun again since this was looked at. */
  private void last(ServedDisk served) {
    ended();
    begun.set(false); // last: the next attempt is not this one's to end
    if (owner.isDue(served)) {
      begin(served);
    }
  }

  private void later(ServedDisk served, Backoff pauses) {
    ended();
    timer.after(pauses.next(), () -> next(served, pauses));
  }

  private void next(ServedDisk served, Backoff pauses) {
    underWay = true; // before it is asked whether it is over
    if (!owner.isDue(served) || owner.isGivenUp()) {
      last(served);
      return;
    }
    if (owner.mustWait()) {
      pauses.reset();
      later(served, pauses);
      return;
    }
    try {
      var unused =
          owner
              .attempt(served)
              .whenComplete(
                  (done, failure) -> {
                    if (failure == null) {
                      last(served);
                    } else {
                      owner.failed(failure.getMessage());
                      later(served, pauses);
                    }
                  });
    } catch (DeviceException | RuntimeException e) {
      owner.failed(e.getMessage());
      log.info("{}: not mirrored yet: {}", label, e.getMessage());
      later(served, pauses);
    }
  }
}

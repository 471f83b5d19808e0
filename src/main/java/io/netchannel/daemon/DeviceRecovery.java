package io.netchannel.daemon;

import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.Standing;
import io.netchannel.device.Backend;
import io.netchannel.device.DeviceException;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives the devices that a daemon before us served what their requests go to. What cannot be
 * opened, as its file system is not mounted yet, is tried again and again: the guest waits
 * meanwhile, it does not fail.
 *
 * <pre>
 *   found --SERVES, SEALED, UNKNOWN--> EXPECTING --device opened--> SERVING or SEALED
 *     |  |                                |     ^
 *     |  +--WAITS--> its take-over opens it +-----+ not opened: 1 s, 2 s, 4 s ... 30 s, and the
 *     +--AWAY--> RETIRED                            reason is shown; until the device goes
 * </pre>
 *
 * So does one whose mid-point has ended by an error. It may have been taken over before, so that
 * nobody will open its device once more: while the journal says WAITS it is asked again. What fails
 * by an error of ours is tried three times; the device is FAILED then.
 *
 * <p>What the journal says is asked again at each attempt, under the device's lock, which an unseal
 * also takes: it does not stay sealed because it was unsealed while its requests went nowhere.
 *
 * @param <B> what requests go to
 * @param <S> the devices
 */
abstract class DeviceRecovery<B extends Backend, S extends ServedDevice<B, ?, ?>> {
  private static final Logger log = LoggerFactory.getLogger(DeviceRecovery.class);

  /** Of attempts that end by an error of ours, as rings that cannot be mapped. */
  private static final int MAX_FAILURES = 3;

  private static final Duration FIRST_DELAY = Duration.ofSeconds(1);

  /** A mount that comes back is noticed this soon; a failed open costs next to nothing. */
  private static final Duration LONGEST_DELAY = Duration.ofSeconds(30);

  private final BiFunction<UUID, String, Standing> standings;
  private final GenerationClaim generations;
  private final Timer timer;
  private final ServedAgain servedAgain;

  /**
   * Of one kind.
   *
   * @param standings what the journal says of a device
   */
  DeviceRecovery(
      BiFunction<UUID, String, Standing> standings,
      GenerationClaim generations,
      Timer timer,
      ServedAgain servedAgain) {
    this.standings = standings;
    this.generations = generations;
    this.timer = timer;
    this.servedAgain = servedAgain;
  }

  /** What a device's source is, of which its nodes say {@code noted}. */
  abstract String source(S device, String noted);

  /** The newest generation with which a source knows its user. */
  abstract long newestGeneration(S device, String source) throws DeviceException;

  /** Opens a source for a device that had it before. */
  abstract B open(S device, String source, long generation) throws DeviceException;

  /**
   * A device's source is open, and about to be what its requests go to.
   *
   * @return what they go to instead: the source, or something in front of it
   * @throws DeviceException when it is not what the guest has had
   */
  abstract B opened(S device, String source, B backend) throws DeviceException;

  /** Its mid-point has what it goes on with. */
  abstract void recovered(S device);

  /** What it has found, and how far it is. */
  ServedAgain servedAgain() {
    return servedAgain;
  }

  /** Makes the first attempt. */
  void recover(S device) {
    Standing standing = standing(device);
    log.info("{}: found, the journal says {}", device, standing);
    Optional<String> source = device.details().source();
    switch (standing.state()) {
      case SERVES, SEALED, UNKNOWN -> {
        if (source.isPresent()) {
          attempt(device, source.get(), backoff(), 0);
        } else {
          log.info("{}: was published and had no device yet; waits for it", device);
          servedAgain.gone(device);
        }
      }
      case WAITS -> {
        log.info("{}: waits for its take-over", device);
        servedAgain.gone(device);
        source.ifPresent(known -> lookLater(device, backoff()));
      }
      case AWAY -> {
        servedAgain.gone(device);
        device.await("retire", device.retire());
      }
    }
  }

  /** Runs it once after a delay, on a thread that may be blocked. */
  void later(Duration delay, Runnable action) {
    timer.after(delay, action);
  }

  /** One that had been taken over has nobody else who would open its device. */
  private void lookLater(S device, Backoff backoff) {
    later(
        backoff.next(),
        () -> {
          if (device.isExpecting()) {
            switch (standing(device).state()) {
              case SERVES, SEALED, AWAY -> recover(device);
              case WAITS -> lookLater(device, backoff);
              case UNKNOWN -> log.info("{}: its take-over has ended without it", device);
            }
          }
        });
  }

  private void attempt(S device, String source, Backoff backoff, int failures) {
    if (!device.isExpecting()) {
      return;
    }
    try {
      open(device, source);
    } catch (DeviceException | JournalException e) {
      device.problem(e.getMessage());
      Duration delay = backoff.next();
      log.warn(
          "{}: its guest waits, next attempt in {} s: {}",
          device,
          delay.toSeconds(),
          e.getMessage());
      later(delay, () -> attempt(device, source, backoff, failures));
    } catch (RuntimeException | Error e) {
      failed(device, source, failures + 1, e);
    }
  }

  private void failed(S device, String source, int failures, Throwable why) {
    switch (standing(device).state()) {
      case SERVES, SEALED, UNKNOWN -> {
        if (failures < MAX_FAILURES) {
          device.problem(String.valueOf(why.getMessage()));
          log.error("{}: is not served again yet: {}", device, why.getMessage(), why);
          later(FIRST_DELAY, () -> attempt(device, source, backoff(), failures));
        } else if (device.isExpecting()) {
          device.fail(
              "it cannot be served again (%s), tried %d times; restart netchanneld when that is mended"
                  .formatted(why.getMessage(), failures));
          log.error("{}: FAILED: {}", device, device.problem().orElse(""), why);
        }
      }
      case WAITS, AWAY -> recover(device);
    }
  }

  private void open(S device, String noted) throws DeviceException, JournalException {
    String source = source(device, noted);
    if (device.problem().isEmpty()) {
      device.problem(
          source + " is being opened"); // which its storage, or its server, may keep waiting
    }
    long generation = generation(device, source);
    B backend = open(device, source, generation);
    CompletableFuture<Void> recovered;
    try {
      recovered = handOver(device, source, opened(device, source, backend), generation);
    } catch (RuntimeException | DeviceException e) {
      // Its guest waits for it: a server lets nobody else in, and remembers what it has lost.
      backend.keepPlace();
      backend.close();
      throw e;
    }
    device.await("recover", recovered);
    recovered(device);
    servedAgain.served(device);
    log.info("{}: {} with {}", device, device.status().state(), source);
  }

  /** The generation the journal gives it; a claimed one is in the journal from then on. */
  private long generation(S device, String source) throws JournalException, DeviceException {
    synchronized (device) {
      Standing standing = standing(device);
      return switch (standing.state()) {
        case UNKNOWN -> {
          long known = newestGeneration(device, source);
          yield generations.claim(device.guest().uuid(), device.target(), known);
        }
        case SERVES, SEALED -> standing.generation();
        case WAITS, AWAY -> throw mustNotHave(device, standing);
      };
    }
  }

  private CompletableFuture<Void> handOver(S device, String source, B backend, long openedWith) {
    synchronized (device) {
      Standing standing = standing(device);
      return switch (standing.state()) {
        case SERVES, SEALED, UNKNOWN -> {
          boolean unknown = standing.state() == Standing.State.UNKNOWN;
          long generation = unknown ? openedWith : standing.generation();
          // It may be a newer one than the device was opened with, after an unseal.
          backend.useGeneration(generation);
          device.uses(backend, source, generation);
          boolean sealed = standing.state() == Standing.State.SEALED;
          yield device
              .recover(backend, generation, sealed)
              .whenComplete(
                  (done, unfit) -> {
                    if (unfit != null) {
                      backend.close(); // the mid-point has another one, or has ended
                    }
                  });
        }
        case WAITS, AWAY -> throw mustNotHave(device, standing);
      };
    }
  }

  private IllegalStateException mustNotHave(S device, Standing standing) {
    return new IllegalStateException(device + ": must not have its device: " + standing);
  }

  private Standing standing(S device) {
    return standings.apply(device.guest().uuid(), device.target());
  }

  private static Backoff backoff() {
    return new Backoff(FIRST_DELAY, LONGEST_DELAY);
  }
}

package io.netchannel.daemon;

import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.Standing;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.Inheritance;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives the disks that a daemon before us served their devices again. One that cannot be opened, as
 * its file system is not mounted yet, is tried again and again: the guest waits meanwhile, it does
 * not fail.
 *
 * <pre>
 *   disk found --SERVES, SEALED, UNKNOWN--> EXPECTING --device opened--> SERVING or SEALED
 *     |  |                                   |     ^
 *     |  +--WAITS--> its take-over opens it  +-----+ not opened: 1 s, 2 s, 4 s ... 30 s, and the
 *     +--AWAY--> RETIRED                             reason is shown; until the disk goes
 * </pre>
 *
 * So does a disk whose mid-point has ended by an error. It may have been taken over before, so that
 * nobody will open its device once more: while the journal says WAITS it is asked again. What fails
 * by an error of ours is tried three times; the disk is FAILED then.
 *
 * <p>What the journal says is asked again at each attempt, under the disk's lock, which an unseal
 * also takes: a disk does not stay sealed because it was unsealed while it had no device.
 */
final class DiskRecovery {
  private static final Logger log = LoggerFactory.getLogger(DiskRecovery.class);

  /** Of attempts that end by an error of ours, as rings that cannot be mapped. */
  private static final int MAX_FAILURES = 3;

  private static final Duration FIRST_DELAY = Duration.ofSeconds(1);

  /** A mount that comes back is noticed this soon; a failed open costs next to nothing. */
  private static final Duration LONGEST_DELAY = Duration.ofSeconds(30);

  /** Disks that are being put in the place of others. */
  interface Jobs {
    /** What a disk's source is, of which its nodes say {@code noted}. */
    String source(ServedDisk disk, String noted);

    /**
     * A disk's source is open, and about to be what its requests go to.
     *
     * @param device the source
     * @return what they go to instead: the source, or a device in front of it
     */
    Device opened(ServedDisk disk, String source, Device device);

    /** Its mid-point has that device. */
    void recovered(ServedDisk disk);
  }

  private final Devices devices;
  private final Jobs jobs;
  private final BiFunction<UUID, String, Standing> standings;
  private final MidPoints.GenerationClaim generations;
  private final Timer timer;
  private final ServedAgain servedAgain;

  /**
   * @param standings what the journal says of a disk
   */
  DiskRecovery(
      Devices devices,
      Jobs jobs,
      BiFunction<UUID, String, Standing> standings,
      MidPoints.GenerationClaim generations,
      Timer timer,
      ServedAgain servedAgain) {
    this.devices = devices;
    this.jobs = jobs;
    this.standings = standings;
    this.generations = generations;
    this.timer = timer;
    this.servedAgain = servedAgain;
  }

  /** What it has found, and how far it is. */
  ServedAgain servedAgain() {
    return servedAgain;
  }

  /** Makes the first attempt. */
  void recover(ServedDisk disk) {
    Standing standing = standing(disk);
    log.info("{}: found, the journal says {}", disk, standing);
    Optional<String> source = disk.details().source();
    switch (standing.state()) {
      case SERVES, SEALED, UNKNOWN -> {
        if (source.isPresent()) {
          attempt(disk, source.get(), backoff(), 0);
        } else {
          log.info("{}: was published and had no device yet; waits for it", disk);
          servedAgain.gone(disk);
        }
      }
      case WAITS -> {
        log.info("{}: waits for its take-over", disk);
        servedAgain.gone(disk);
        source.ifPresent(known -> lookLater(disk, backoff()));
      }
      case AWAY -> {
        servedAgain.gone(disk);
        disk.await("retire", disk.retire());
      }
    }
  }

  /** Runs it once after a delay, on a thread that may be blocked. */
  void later(Duration delay, Runnable action) {
    timer.after(delay, action);
  }

  /** One that had been taken over has nobody else who would open its device. */
  private void lookLater(ServedDisk disk, Backoff backoff) {
    later(
        backoff.next(),
        () -> {
          if (disk.isExpecting()) {
            switch (standing(disk).state()) {
              case SERVES, SEALED, AWAY -> recover(disk);
              case WAITS -> lookLater(disk, backoff);
              case UNKNOWN -> log.info("{}: its take-over has ended without it", disk);
            }
          }
        });
  }

  private void attempt(ServedDisk disk, String source, Backoff backoff, int failures) {
    if (!disk.isExpecting()) {
      return;
    }
    try {
      open(disk, source);
    } catch (DeviceException | JournalException e) {
      disk.problem(e.getMessage());
      Duration delay = backoff.next();
      log.warn(
          "{}: its guest waits, next attempt in {} s: {}", disk, delay.toSeconds(), e.getMessage());
      later(delay, () -> attempt(disk, source, backoff, failures));
    } catch (RuntimeException | Error e) {
      failed(disk, source, failures + 1, e);
    }
  }

  private void failed(ServedDisk disk, String source, int failures, Throwable why) {
    switch (standing(disk).state()) {
      case SERVES, SEALED, UNKNOWN -> {
        if (failures < MAX_FAILURES) {
          disk.problem(String.valueOf(why.getMessage()));
          log.error("{}: is not served again yet: {}", disk, why.getMessage(), why);
          later(FIRST_DELAY, () -> attempt(disk, source, backoff(), failures));
        } else if (disk.isExpecting()) {
          disk.fail(
              "it cannot be served again (%s), tried %d times; restart netchanneld when that is mended"
                  .formatted(why.getMessage(), failures));
          log.error("{}: FAILED: {}", disk, disk.problem().orElse(""), why);
        }
      }
      case WAITS, AWAY -> recover(disk);
    }
  }

  private void open(ServedDisk disk, String noted) throws DeviceException, JournalException {
    String source = jobs.source(disk, noted);
    if (disk.problem().isEmpty()) {
      disk.problem(
          source + " is being opened"); // which its storage, or its server, may keep waiting
    }
    long generation = generation(disk, source);
    Inheritance left = Inheritance.killed(disk.changesBefore());
    Device device = devices.open(source, disk.details().openOptions(generation, Optional.of(left)));
    CompletableFuture<Void> recovered;
    try {
      checkSize(disk, source, device);
      recovered = handOver(disk, source, jobs.opened(disk, source, device), generation);
    } catch (RuntimeException | DeviceException e) {
      // Its guest waits for it: a server lets nobody else in, and remembers what it has lost.
      device.keepPlace();
      device.close();
      throw e;
    }
    disk.await("recover", recovered);
    jobs.recovered(disk);
    servedAgain.served(disk);
    log.info("{}: {} with {}", disk, disk.status().state(), source);
  }

  /**
   * What the guest has behind the new end is gone: it would read errors, and believe in its size.
   */
  private static void checkSize(ServedDisk disk, String source, Device device)
      throws DeviceException {
    long sizeBytes = device.geometry().sizeBytes();
    long toldBytes = disk.midPoint().offeredBytesBefore();
    if (sizeBytes < toldBytes) {
      throw new DeviceException(
          "%s is smaller: expected the %d bytes that the guest was told, found %d; give it its size back"
              .formatted(source, toldBytes, sizeBytes));
    }
  }

  /** The generation the journal gives it; a claimed one is in the journal from then on. */
  private long generation(ServedDisk disk, String source) throws JournalException, DeviceException {
    synchronized (disk) {
      Standing standing = standing(disk);
      return switch (standing.state()) {
        case UNKNOWN -> {
          DiskDetails details = disk.details();
          long known = devices.newestGeneration(source, details.userName(), details.readOnly());
          yield generations.claim(disk.guest().uuid(), disk.target(), known);
        }
        case SERVES, SEALED -> standing.generation();
        case WAITS, AWAY -> throw mustNotHave(disk, standing);
      };
    }
  }

  private CompletableFuture<Void> handOver(
      ServedDisk disk, String source, Device device, long openedWith) {
    synchronized (disk) {
      Standing standing = standing(disk);
      return switch (standing.state()) {
        case SERVES, SEALED, UNKNOWN -> {
          boolean unknown = standing.state() == Standing.State.UNKNOWN;
          long generation = unknown ? openedWith : standing.generation();
          // It may be a newer one than the device was opened with, after an unseal.
          device.useGeneration(generation);
          disk.uses(device, source, generation);
          boolean sealed = standing.state() == Standing.State.SEALED;
          yield disk.recover(device, generation, sealed)
              .whenComplete(
                  (done, unfit) -> {
                    if (unfit != null) {
                      device.close(); // the mid-point has another one, or has ended
                    }
                  });
        }
        case WAITS, AWAY -> throw mustNotHave(disk, standing);
      };
    }
  }

  private static IllegalStateException mustNotHave(ServedDisk disk, Standing standing) {
    return new IllegalStateException(disk + ": must not have its device: " + standing);
  }

  private Standing standing(ServedDisk disk) {
    return standings.apply(disk.guest().uuid(), disk.target());
  }

  private static Backoff backoff() {
    return new Backoff(FIRST_DELAY, LONGEST_DELAY);
  }
}

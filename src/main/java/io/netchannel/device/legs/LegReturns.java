package io.netchannel.device.legs;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.mirror.MirrorDevice;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Opens the leg of a mirrored disk again that is away.
 *
 * <pre>
 *   PRESENT --away--> AWAY --after 1 s .. 30 s, opened, told that it is behind--> PRESENT
 *                      ^  |
 *                      +--+ not to be had yet
 * </pre>
 */
final class LegReturns {
  private static final Logger log = LoggerFactory.getLogger(LegReturns.class);

  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /** A leg that was in sync for so long, and failed only then, is no leg that fails again. */
  private static final Duration STEADY = Duration.ofMinutes(5);

  /** The disk; from any thread. */
  interface Owner {
    /** Whose follower is the leg that is away. */
    MirrorDevice mirror();

    boolean isClosed();

    /** Whether the user's disk is elsewhere, and the legs are a copy of it. */
    boolean isElsewhere();

    /** Whether a leg is being dropped, which may be this one. */
    boolean isDropping();

    /** On a thread that may wait for another host; not at all when the daemon ends. */
    void run(Runnable task);
  }

  private final Mirrors.Environment environment;
  private final String user;
  private final MirrorKeepers keepers;
  private final WorkingTime time;
  private final Owner owner;

  /** From the first time on. */
  private final Backoff pauses = pauses();

  /** When both were recorded as up to date; empty when that is over, or was not yet. */
  private volatile OptionalLong inSyncNanos = OptionalLong.empty();

  /** Nothing is away yet. */
  LegReturns(
      Mirrors.Environment environment,
      String user,
      MirrorKeepers keepers,
      WorkingTime time,
      Owner owner) {
    this.environment = environment;
    this.user = user;
    this.keepers = keepers;
    this.time = time;
    this.owner = owner;
  }

  /** Both are, as is recorded. */
  void areInSync() {
    inSyncNanos = OptionalLong.of(time.getAsLong());
  }

  /**
   * Begins with a follower that was never there.
   *
   * @param opened its device, or empty where that is not to be had yet
   * @param left what the user before may have left there
   */
  void begin(Optional<Device> opened, Optional<Inheritance> left) {
    opened.ifPresentOrElse(
        present -> owner.run(() -> comeBack(present, left)), () -> reopenLater(left));
  }

  /**
   * The follower is.
   *
   * @param lost whether nobody knows what it has of what it was given
   */
  void away(boolean lost) {
    Leg leg = (Leg) owner.mirror().follower();
    String why = owner.mirror().status().reason();
    owner.run(
        () -> {
          Optional<Inheritance> left = leg.giveUp(why);
          log.warn("{}: {} is away: {}", user, leg.source(), why);
          if (wasSteady()) {
            pauses.reset();
          }
          inSyncNanos = OptionalLong.empty();
          reopenLater(lost ? Optional.empty() : left);
        });
  }

  /** One that hangs under load is in sync again and again, and silent for a while then. */
  private boolean wasSteady() {
    long leastNanos = STEADY.plus(environment.legTimeout()).toNanos();
    OptionalLong since = inSyncNanos;
    return since.isPresent() && time.getAsLong() - since.getAsLong() > leastNanos;
  }

  /** Between attempts at a server that is away. */
  static Backoff pauses() {
    return new Backoff(FIRST_PAUSE, LONGEST_PAUSE);
  }

  private void reopenLater(Optional<Inheritance> left) {
    environment.later().run(pauses.next(), () -> owner.run(() -> reopen(left)));
  }

  private void reopen(Optional<Inheritance> left) {
    Leg leg = (Leg) owner.mirror().follower();
    if (owner.isClosed()) {
      return;
    }
    if (owner.isDropping()) {
      reopenLater(left); // unless it goes
      return;
    }
    try {
      comeBack(opened(leg.source(), new OpenOptions.User(user, keepers.generation(), left)), left);
    } catch (DeviceException | RuntimeException e) {
      leg.problem(e.getMessage());
      reopenLater(left);
    }
  }

  /**
   * A leg that was one before hears that it is behind, and stays a leg: should this host be lost
   * now, a person may still say that it is the disk. Anew it would be a part of a copy for its
   * server until it has heard that the disk is here, and no person's word which leg is the disk
   * ends that: a first copy, which never was the disk, looks the same there and has the same
   * record, and has to stay refused.
   */
  private Device opened(String leg, OpenOptions.User as) throws DeviceException {
    Devices devices = environment.devices().get();
    if (!owner.isElsewhere() && keepers.isLeg(leg)) {
      try {
        MirrorKeepers.await(keepers.tellBehind(leg));
        return devices.open(leg, OpenOptions.of(false, as).asLeg());
      } catch (DeviceException e) {
        log.debug("{}: {}", user, e.getMessage());
      }
    }
    // Whatever became of the disk while it was away, that is no reason to keep it out.
    return devices.open(leg, OpenOptions.anew(as).asLeg());
  }

  /** Its server hears that it is behind before anything is written there. */
  private void comeBack(Device opened, Optional<Inheritance> left) {
    Leg leg = (Leg) owner.mirror().follower();
    boolean told = false;
    try {
      MirrorKeepers.await(keepers.tellBehind(leg.source()));
      // That of its device: the server has it open.
      Optional<UUID> storage = environment.storage(leg.source());
      told = true;
      leg.put(opened);
      if (!owner.isElsewhere()) {
        MirrorKeepers.await(opened.arrived());
      }
      log.info("{}: {} is back", user, leg.source());
      owner.mirror().resumeWith(keepers.record().legs().indexOf(leg.source()), storage);
    } catch (DeviceException | RuntimeException e) {
      if (told) {
        var unused = leg.giveUp(e.getMessage());
      } else {
        opened.keepPlace();
        opened.close();
      }
      leg.problem(e.getMessage());
      if (!owner.isClosed()) {
        reopenLater(left);
      }
    }
  }
}

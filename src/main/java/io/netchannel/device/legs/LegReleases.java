package io.netchannel.device.legs;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.OpenOptions;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives the places of legs free that their servers keep for a guest that has ended, as they were
 * away then.
 *
 * <pre>
 *   HELD --its server says that the place is free, or a newer generation's--> forgotten
 *    ^  |  --its disk is opened with the same generation, or a person speaks of it--> withdrawn
 *    |  |       withdrawn --it does not open, or was spoken of--> HELD
 *    +--+ it does not, or somebody is connected: 1 s, 2 s ... 30 s
 * </pre>
 *
 * Not remembered beyond this process: after that, and at any time, `netchannel release-export` at
 * the leg's server does it. From any thread.
 */
final class LegReleases {
  private static final Logger log = LoggerFactory.getLogger(LegReleases.class);

  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /** A server that is there answers in milliseconds; one that hangs refuses the person's word. */
  private static final long WITHDRAW_SECONDS = 10;

  private final Mirrors.Environment environment;
  private final Set<Held> held = ConcurrentHashMap.newKeySet();

  LegReleases(Mirrors.Environment environment) {
    this.environment = environment;
  }

  /**
   * Begins to; nothing where it is done already.
   *
   * @param generation with which the leg was used last; a newer one's place is not touched
   */
  void release(String user, long generation, String leg) {
    Held place = new Held(user, generation, leg);
    if (held.stream().noneMatch(place::isSame)) {
      held.add(place);
      place.begin();
    }
  }

  /** Closes a leg that nobody goes on with. */
  void close(String user, long generation, String leg, Device device) {
    device.close();
    if (!device.isGivenFree()) {
      release(user, generation, leg);
    }
  }

  /**
   * A person speaks of a disk's legs now, none of which must seem to be in use.
   *
   * @return holds them again
   */
  Runnable withdraw(String user) {
    return withdraw(place -> place.user.equals(user));
  }

  /**
   * A disk is about to be opened with the generation that its legs may be held for: nobody may take
   * them from it.
   *
   * @return holds them again, for a disk that does not open
   */
  Runnable withdraw(OpenOptions.User user, List<String> legs) {
    return withdraw(
        place ->
            place.user.equals(user.name())
                && place.generation == user.generation()
                && legs.contains(place.leg));
  }

  /** What is under way is waited for, within a bound, and nothing begins any more. */
  private Runnable withdraw(Predicate<Held> which) {
    ImmutableList<Held> withdrawn =
        ImmutableList.copyOf(held).stream()
            .filter(place -> which.test(place) && held.remove(place))
            .collect(ImmutableList.toImmutableList());
    CompletableFuture.allOf(
            withdrawn.stream().map(place -> place.attempt).toArray(CompletableFuture[]::new))
        .completeOnTimeout(null, WITHDRAW_SECONDS, TimeUnit.SECONDS)
        .join();
    return () -> withdrawn.forEach(place -> release(place.user, place.generation, place.leg));
  }

  /** What is still held, and why. */
  ImmutableList<String> problems() {
    return held.stream().map(Held::words).sorted().collect(ImmutableList.toImmutableList());
  }

  private final class Held {
    private final String user;
    private final long generation;
    private final String leg;
    private final Backoff pauses = new Backoff(FIRST_PAUSE, LONGEST_PAUSE);
    private volatile String problem = "being asked";
    private volatile CompletableFuture<Void> attempt = CompletableFuture.completedFuture(null);

    private Held(String user, long generation, String leg) {
      this.user = user;
      this.generation = generation;
      this.leg = leg;
    }

    private boolean isSame(Held other) {
      return user.equals(other.user) && generation == other.generation && leg.equals(other.leg);
    }

    private void begin() {
      CompletableFuture<Void> begun = new CompletableFuture<>();
      attempt = begun;
      try {
        environment
            .executor()
            .execute(
                () -> {
                  try {
                    attempt();
                  } finally {
                    begun.complete(null);
                  }
                });
      } catch (RejectedExecutionException e) {
        log.warn("{}", words());
      }
    }

    private void attempt() {
      if (!held.contains(this)) {
        return;
      }
      try {
        Authority.Known known = environment.authorities().of(leg).ask(user);
        if (!held.contains(this)) {
          return;
        }
        if (known.generation() == generation) {
          giveFree(known);
        }
        held.remove(this);
        log.info("{}: {} is free", user, leg);
      } catch (DeviceException | RuntimeException e) {
        problem = e.getMessage();
        environment.later().run(pauses.next(), this::begin);
      }
    }

    /** Also one leg by itself may be its disk again, with the same generation. */
    private void giveFree(Authority.Known known) throws DeviceException {
      if (known.inUse()) {
        throw new DeviceException("somebody is connected to it");
      }
      OpenOptions.User last = new OpenOptions.User(user, generation);
      Device device = environment.devices().get().open(leg, OpenOptions.of(false, last).asLeg());
      device.close();
      if (!device.isGivenFree()) {
        throw new DeviceException("its server does not say that the place is free");
      }
    }

    private String words() {
      return "%s is kept for %s, whose guest does not use it any more (%s); tried again, and `netchannel release-export` at its server gives it free"
          .formatted(leg, user, problem);
    }
  }
}

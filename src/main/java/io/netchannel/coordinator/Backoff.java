package io.netchannel.coordinator;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/** When to ask about a migration again: at once, then after 1 s, 2 s, 4 s ... 30 s. */
final class Backoff {
  private static final Duration FIRST = Duration.ofSeconds(1);

  /** A host that comes back is heard of this soon, and one that is down costs next to nothing. */
  private static final Duration LONGEST = Duration.ofSeconds(30);

  private record Next(Instant at, Duration delay) {}

  private final Map<UUID, Next> next = new ConcurrentHashMap<>();
  private final Clock clock;

  Backoff(Clock clock) {
    this.clock = clock;
  }

  /** Whether it is time, and if so notes that it was asked. */
  boolean isDue(UUID migration) {
    Instant now = clock.instant();
    Next known = next.get(migration);
    if (known == null) {
      next.put(migration, new Next(now.plus(FIRST), FIRST));
      return true;
    }
    if (now.isBefore(known.at)) {
      return false;
    }
    Duration doubled = known.delay.multipliedBy(2);
    Duration delay = doubled.compareTo(LONGEST) < 0 ? doubled : LONGEST;
    next.put(migration, new Next(now.plus(delay), delay));
    return true;
  }

  void forget(UUID migration) {
    next.remove(migration);
  }
}

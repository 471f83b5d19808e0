package io.netchannel.coordinator;

import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import java.util.function.LongSupplier;

/** When to ask about each migration again: at once, then after 1 s, 2 s, 4 s ... 30 s. */
final class Backoffs {
  private static final Duration FIRST = Duration.ofSeconds(1);

  /** A host that comes back is heard of this soon, and one that is down costs next to nothing. */
  private static final Duration LONGEST = Duration.ofSeconds(30);

  private static final class Next {
    private final Backoff backoff = new Backoff(FIRST, LONGEST);
    private long dueNanos;
  }

  private final Map<UUID, Next> next = new HashMap<>();
  private final LongSupplier nanoTime;

  Backoffs(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** Whether it is time, and if so notes that it was asked. */
  synchronized boolean isDue(UUID migration) {
    long now = nanoTime.getAsLong();
    Next known = next.get(migration);
    if (known == null) {
      known = new Next();
      next.put(migration, known);
    } else if (now - known.dueNanos < 0) {
      return false;
    }
    known.dueNanos = now + known.backoff.next().toNanos();
    return true;
  }

  synchronized void forget(UUID migration) {
    next.remove(migration);
  }
}

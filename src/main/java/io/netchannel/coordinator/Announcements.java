package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Migrations that libvirt announced and no peer was found for: whether that is in order shows only
 * when the domain's XML is known, a moment later. In memory: after a restart a start is judged as a
 * plain one, by asking the peers again.
 */
final class Announcements {
  /** libvirt asks for the domain's start right after the announcement, before the pre-copy. */
  private static final Duration KEPT = Duration.ofSeconds(60);

  /**
   * @param silent peers that did not answer, with the reason in words; empty when all did
   */
  record Unserved(String silent, Instant at) {}

  private final Map<String, Unserved> unserved = new ConcurrentHashMap<>();
  private final Clock clock;

  Announcements(Clock clock) {
    this.clock = clock;
  }

  void put(String domainName, String silent) {
    unserved.put(domainName, new Unserved(silent, clock.instant()));
  }

  void forget(String domainName) {
    unserved.remove(domainName);
  }

  /** What is known of it, once. */
  Optional<Unserved> take(String domainName) {
    return Optional.ofNullable(unserved.remove(domainName)).filter(this::isFresh);
  }

  void tick() {
    ImmutableMap.copyOf(unserved)
        .forEach(
            (name, known) -> {
              if (!isFresh(known)) {
                unserved.remove(name, known);
              }
            });
  }

  private boolean isFresh(Unserved known) {
    return !known.at().plus(KEPT).isBefore(clock.instant());
  }
}

package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/**
 * Migrations that libvirt announced by the domain's name: which of the peers' domains it is, and
 * whether it is in order that no peer has it, shows only when the domain's XML is known, a moment
 * later. In memory: after a restart a start is judged as a plain one, by asking the peers again.
 */
final class Announcements {
  /** libvirt asks for the domain's start right after the announcement, before the pre-copy. */
  static final Duration KEPT = Duration.ofSeconds(60);

  /**
   * What the peers said.
   *
   * @param candidates domains of that name that may be meant, by peer; a single one is prepared
   * @param silent peers that did not answer, with the reason in words; empty when all did
   */
  record Announced(ImmutableMap<String, ServedDomain> candidates, String silent, long atNanos) {}

  private final Map<String, Announced> announced = new ConcurrentHashMap<>();
  private final LongSupplier nanoTime;

  Announcements(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  void put(String domainName, ImmutableMap<String, ServedDomain> candidates, String silent) {
    announced.put(domainName, new Announced(candidates, silent, nanoTime.getAsLong()));
  }

  void forget(String domainName) {
    announced.remove(domainName);
  }

  /** What is known of it, once. */
  Optional<Announced> take(String domainName) {
    return Optional.ofNullable(announced.remove(domainName)).filter(this::isFresh);
  }

  void tick() {
    ImmutableMap.copyOf(announced)
        .forEach(
            (name, known) -> {
              if (!isFresh(known)) {
                announced.remove(name, known);
              }
            });
  }

  private boolean isFresh(Announced known) {
    return nanoTime.getAsLong() - known.atNanos() <= KEPT.toNanos();
  }
}

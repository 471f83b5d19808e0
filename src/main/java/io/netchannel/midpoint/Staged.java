package io.netchannel.midpoint;

import io.netchannel.midpoint.Manifest.Entry;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A manifest with what a take-over makes of it that needs no device: when nothing in it is to be
 * done any more, the replay map.
 */
final class Staged {
  private final Manifest manifest;
  private final Optional<ReplayMap> replayMap;

  Staged(Manifest manifest) {
    this.manifest = manifest;
    replayMap =
        manifest.entries().stream().anyMatch(Entry::isToBeDone)
            ? Optional.empty()
            : Optional.of(ReplayMap.of(manifest.entries()));
  }

  boolean isOf(Manifest other) {
    return manifest.equals(other);
  }

  /** Once: the replay map belongs to the settlement then. */
  Settlement settlement(CompletableFuture<Void> settled) {
    return new Settlement(manifest.entries(), replayMap, settled);
  }
}

package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.PeerMessages.SealedDisk;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What the source has sealed, for those who ask: manifests of migrations in HAND_OVER, and the
 * calls that wait for them. In memory: a restart forgets the seal with it.
 */
final class SealAnswers {
  private final Map<UUID, ImmutableList<SealedDisk>> sealed = new ConcurrentHashMap<>();
  private final Map<UUID, CompletableFuture<List<SealedDisk>>> parked = new ConcurrentHashMap<>();

  Optional<ImmutableList<SealedDisk>> of(UUID migration) {
    return Optional.ofNullable(sealed.get(migration));
  }

  void put(UUID migration, ImmutableList<SealedDisk> disks) {
    sealed.put(migration, disks);
  }

  /** A call that waits; one at a time for a migration. */
  CompletableFuture<List<SealedDisk>> park(UUID migration) {
    CompletableFuture<List<SealedDisk>> call = new CompletableFuture<>();
    CompletableFuture<List<SealedDisk>> earlier = parked.put(migration, call);
    if (earlier != null) {
      earlier.completeExceptionally(new MigrationRefusedException("another call took its place"));
    }
    CompletableFuture<List<SealedDisk>> unused =
        call.whenComplete((disks, failure) -> parked.remove(migration, call));
    deliver(migration);
    return call;
  }

  /** Whether a call waits. */
  boolean isAwaited(UUID migration) {
    return parked.containsKey(migration);
  }

  /**
   * Answers the call that waits, if it is sealed. Not under the migration's lock: what waits for
   * the answer may run on this thread.
   */
  void deliver(UUID migration) {
    ImmutableList<SealedDisk> disks = sealed.get(migration);
    CompletableFuture<List<SealedDisk>> call = parked.get(migration);
    if (disks != null && call != null) {
      call.complete(disks);
    }
  }

  /** It is not sealed any more, or never will be. */
  void end(UUID migration, String reason) {
    sealed.remove(migration);
    CompletableFuture<List<SealedDisk>> call = parked.remove(migration);
    if (call != null) {
      call.completeExceptionally(new MigrationRefusedException(reason));
    }
  }
}

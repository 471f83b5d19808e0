package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/**
 * What the source has sealed, for those who ask: manifests of migrations in HAND_OVER, and the
 * calls that wait for them. In memory: a restart forgets the seal with it.
 *
 * <p>A call that waits hears of each disk before the rest is sealed, so that all it takes to hand
 * its requests over is done when the answer says that they count.
 */
final class SealAnswers {
  private final Map<UUID, ImmutableList<SealedDevice>> sealed = new ConcurrentHashMap<>();
  private final Map<UUID, Parked> parked = new ConcurrentHashMap<>();

  private record Parked(
      CompletableFuture<List<SealedDevice>> answer, Consumer<SealedDevice> known) {}

  Optional<ImmutableList<SealedDevice>> of(UUID migration) {
    return Optional.ofNullable(sealed.get(migration));
  }

  void put(UUID migration, ImmutableList<SealedDevice> disks) {
    sealed.put(migration, disks);
  }

  /**
   * A call that waits; one at a time for a migration.
   *
   * @param known told of disks that are sealed from now on, before the answer
   */
  CompletableFuture<List<SealedDevice>> park(UUID migration, Consumer<SealedDevice> known) {
    CompletableFuture<List<SealedDevice>> answer = new CompletableFuture<>();
    Parked call = new Parked(answer, known);
    Parked earlier = parked.put(migration, call);
    if (earlier != null) {
      earlier.answer.completeExceptionally(
          new MigrationRefusedException("another call took its place"));
    }
    CompletableFuture<List<SealedDevice>> unused =
        answer.whenComplete((disks, failure) -> parked.remove(migration, call));
    deliver(migration);
    return answer;
  }

  /** Tells the call that waits of one disk; it does not count before {@link #deliver}. */
  void known(UUID migration, SealedDevice disk) {
    Parked call = parked.get(migration);
    if (call != null) {
      call.known.accept(disk);
    }
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
    ImmutableList<SealedDevice> disks = sealed.get(migration);
    Parked call = parked.get(migration);
    if (disks != null && call != null) {
      call.answer.complete(disks);
    }
  }

  /** It is not sealed any more, or never will be. */
  void end(UUID migration, String reason) {
    sealed.remove(migration);
    Parked call = parked.remove(migration);
    if (call != null) {
      call.answer.completeExceptionally(new MigrationRefusedException(reason));
    }
  }
}

package io.netchannel.server;

import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Which export of this server is the one whose clients may write to a storage. One storage can be
 * exported under several names, plainly or by a symbolic link: an export admits one writer at a
 * time, so two of them would admit two.
 *
 * <pre>
 *   free --claim--> an export's --release, when nobody holds that export any more--> free
 *                     |   ^
 *                     +---+ claim by the same export
 * </pre>
 */
final class Writers {
  private final Map<UUID, String> exportOf = new ConcurrentHashMap<>();

  /**
   * Makes a storage an export's, unless it is another's.
   *
   * @param storage its identity, as {@link io.netchannel.device.Storage} has it
   * @return the other export's name; empty when it is this one's from now on
   */
  Optional<String> claim(UUID storage, String export) {
    return Optional.ofNullable(exportOf.putIfAbsent(storage, export))
        .filter(owner -> !owner.equals(export));
  }

  /** Idempotent; never takes it from another one. */
  void release(UUID storage, String export) {
    exportOf.remove(storage, export);
  }

  /** Whose it is at present; empty when it is nobody's. */
  Optional<String> of(UUID storage) {
    return Optional.ofNullable(exportOf.get(storage));
  }
}

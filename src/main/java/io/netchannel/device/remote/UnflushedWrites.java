package io.netchannel.device.remote;

import io.netchannel.device.Outcome;
import io.netchannel.device.StorageState;
import io.netchannel.wire.AttachedDisk;
import java.util.Optional;
import java.util.UUID;

/**
 * What a client knows of the writes that a flush has yet to cover: the server's host loses them
 * with its memory. Once some are lost, or a flush has failed, no flush succeeds any more.
 */
final class UnflushedWrites {
  private static final UUID NO_STORAGE = new UUID(0, 0);

  /** The one that has the writes; empty until it is known. */
  private Optional<UUID> storage = Optional.empty();

  private long completed;
  private long flushed;

  /** Others look at it. */
  private volatile boolean lost;

  /**
   * Begins with what the user before has left.
   *
   * @param left empty when it could not tell: then there may be some
   */
  void inherit(Optional<StorageState> left) {
    storage = left.map(StorageState::identity);
    completed = left.map(StorageState::unflushed).orElse(true) ? 1 : 0;
  }

  void writeCompleted() {
    completed++;
  }

  /** What a flush that is sent now covers, for {@link #flushCompleted}. */
  long coveredNow() {
    return completed;
  }

  /**
   * A flush has ended.
   *
   * @param covered by it
   * @return what its submitter is told
   */
  Outcome flushCompleted(Outcome outcome, long covered) {
    if (lost) {
      return Outcome.IO_ERROR;
    }
    switch (outcome) {
      case OK -> flushed = Math.max(flushed, covered);
      // A device that the server opens anew, as it was restarted, knows nothing of that.
      case IO_ERROR, NO_SPACE -> lost = true;
      case UNSUPPORTED -> {}
    }
    return outcome;
  }

  /**
   * The server has named its storage: another one has not what the one before did not make durable.
   *
   * @return whether writes were lost by that
   */
  boolean attached(AttachedDisk attached) {
    boolean another = !storage.orElse(attached.lastStorage()).equals(attached.storage());
    storage = Optional.of(attached.storage());
    boolean loses = another && completed > flushed;
    lost = lost || loses;
    return loses;
  }

  boolean areLost() {
    return lost;
  }

  /** For who comes next. */
  StorageState left() {
    // What is lost already stays lost for it: no storage has this identity.
    UUID known = lost ? NO_STORAGE : storage.orElse(NO_STORAGE);
    return new StorageState(known, lost || completed > flushed);
  }
}

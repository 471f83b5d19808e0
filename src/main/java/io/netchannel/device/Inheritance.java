package io.netchannel.device;

import com.google.common.collect.ImmutableList;
import java.util.Optional;
import java.util.UUID;

/**
 * What the user before has left to the authority of a device.
 *
 * @param storage what it knew; empty when it had no time to tell
 * @param writes in any order, no slot twice
 * @param unanswered of a process that was killed: what it was changing, and nobody may issue again
 */
public record Inheritance(
    Optional<StorageState> storage,
    ImmutableList<RequestName> writes,
    ImmutableList<Change> unanswered) {
  /** What a request may have changed, in bytes; 1 or more of them. */
  public record Change(long offsetBytes, long lengthBytes) {}

  /**
   * Of a process that was killed: some of what it wrote may not be flushed. On which storage that
   * was its authority knows.
   */
  public static final Inheritance UNTOLD = killed(ImmutableList.of());

  /** Of who has ended all it had, and flushed it: nothing can be lost, nothing is under way. */
  public static final Inheritance ENDED =
      new Inheritance(new StorageState(new UUID(0, 0), false), ImmutableList.of());

  public Inheritance(StorageState storage, ImmutableList<RequestName> writes) {
    this(Optional.of(storage), writes);
  }

  public Inheritance(Optional<StorageState> storage, ImmutableList<RequestName> writes) {
    this(storage, writes, ImmutableList.of());
  }

  /** Of a process that was killed with these under way, as {@link #UNTOLD}. */
  public static Inheritance killed(ImmutableList<Change> unanswered) {
    return new Inheritance(Optional.empty(), ImmutableList.of(), unanswered);
  }

  /** Whether that process was killed. */
  public boolean isUntold() {
    return storage.isEmpty();
  }
}

package io.netchannel.device;

import com.google.common.collect.ImmutableList;
import java.util.Optional;
import java.util.UUID;

/**
 * What the user before has left to the authority of a device.
 *
 * @param storage what it knew; empty when it had no time to tell
 * @param writes in any order, no slot twice
 */
public record Inheritance(Optional<StorageState> storage, ImmutableList<RequestName> writes) {
  /**
   * Of a process that was killed: some of what it wrote may not be flushed. On which storage that
   * was its authority knows.
   */
  public static final Inheritance UNTOLD = new Inheritance(Optional.empty(), ImmutableList.of());

  /** Of who has ended all it had, and flushed it: nothing can be lost, nothing is under way. */
  public static final Inheritance ENDED =
      new Inheritance(new StorageState(new UUID(0, 0), false), ImmutableList.of());

  public Inheritance(StorageState storage, ImmutableList<RequestName> writes) {
    this(Optional.of(storage), writes);
  }
}

package io.netchannel.coordinator;

import static io.netchannel.coordinator.Direction.INCOMING;
import static io.netchannel.coordinator.Direction.OUTGOING;
import static io.netchannel.coordinator.Transitions.Durability.DURABLE;
import static io.netchannel.coordinator.Transitions.Durability.NONE;
import static io.netchannel.coordinator.Transitions.Durability.PRESUMED;

import com.google.common.collect.ImmutableTable;
import java.util.Optional;

/** The one table of what may happen to a migration, for both sides. */
final class Transitions {

  /** What the journal does before a transition has its effect. */
  enum Durability {
    /** Nothing: after a crash the migration is where it was, and that is right. */
    NONE,
    /** On stable storage first; without it the transition does not happen. */
    DURABLE,
    /**
     * Written when the disk allows. Recovery from the phase before comes to the same end by itself,
     * so a full disk cannot keep a migration from being aborted.
     */
    PRESUMED
  }

  record To(Phase phase, Durability durability) {}

  private record From(Direction side, Phase phase) {}

  private static final ImmutableTable<From, Event, To> TABLE =
      new Rows()
          // Source
          .row(OUTGOING, Phase.PREPARE, Event.PREPARED, Phase.PRECOPY, DURABLE)
          .row(OUTGOING, Phase.PRECOPY, Event.SUSPENDED, Phase.SEAL, NONE)
          .row(OUTGOING, Phase.PRECOPY, Event.ABORTED, Phase.ABORT, PRESUMED)
          // A restart finds PRECOPY, serves with N and seals again: nothing was given yet.
          .row(OUTGOING, Phase.SEAL, Event.SEALED, Phase.HAND_OVER, NONE)
          .row(OUTGOING, Phase.SEAL, Event.ABORTED, Phase.ABORT, PRESUMED)
          .row(OUTGOING, Phase.HAND_OVER, Event.GIVEN, Phase.TAKE_OVER, DURABLE)
          .row(OUTGOING, Phase.HAND_OVER, Event.ABORTED, Phase.ABORT, PRESUMED)
          .row(OUTGOING, Phase.TAKE_OVER, Event.COMMITTED, Phase.COMMIT, PRESUMED)
          .row(OUTGOING, Phase.TAKE_OVER, Event.GIVEN_UP, Phase.ABORT, DURABLE)
          // Destination
          .row(INCOMING, Phase.PREPARE, Event.PREPARED, Phase.PRECOPY, DURABLE)
          .row(INCOMING, Phase.PREPARE, Event.ABORTED, Phase.ABORT, DURABLE)
          .row(INCOMING, Phase.PRECOPY, Event.SUSPENDED, Phase.SEAL, NONE)
          .row(INCOMING, Phase.PRECOPY, Event.ABORTED, Phase.ABORT, PRESUMED)
          .row(INCOMING, Phase.SEAL, Event.SEALED, Phase.HAND_OVER, DURABLE)
          .row(INCOMING, Phase.SEAL, Event.ABORTED, Phase.ABORT, PRESUMED)
          .row(INCOMING, Phase.HAND_OVER, Event.GIVEN, Phase.TAKE_OVER, DURABLE)
          .row(INCOMING, Phase.HAND_OVER, Event.ABORTED, Phase.ABORT, PRESUMED)
          .row(INCOMING, Phase.TAKE_OVER, Event.TAKEN_OVER, Phase.REDIRECT, NONE)
          .row(INCOMING, Phase.TAKE_OVER, Event.GIVEN_UP, Phase.ABORT, DURABLE)
          .row(INCOMING, Phase.REDIRECT, Event.ANSWERED, Phase.RESUME, DURABLE)
          .row(INCOMING, Phase.REDIRECT, Event.GIVEN_UP, Phase.ABORT, DURABLE)
          .row(INCOMING, Phase.RESUME, Event.COMMITTED, Phase.COMMIT, DURABLE)
          .row(INCOMING, Phase.RESUME, Event.GIVEN_UP, Phase.ABORT, DURABLE)
          .build();

  private Transitions() {}

  static Optional<To> next(Direction side, Phase phase, Event event) {
    return Optional.ofNullable(TABLE.get(new From(side, phase), event));
  }

  private static final class Rows {
    private final ImmutableTable.Builder<From, Event, To> table = ImmutableTable.builder();

    Rows row(Direction side, Phase from, Event event, Phase to, Durability durability) {
      table.put(new From(side, from), event, new To(to, durability));
      return this;
    }

    ImmutableTable<From, Event, To> build() {
      return table.buildOrThrow();
    }
  }
}

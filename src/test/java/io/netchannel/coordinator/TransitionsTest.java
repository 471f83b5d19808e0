package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class TransitionsTest {

  @ParameterizedTest
  @EnumSource(Direction.class)
  void nothingLeavesAPhaseThatIsOverAndEveryOtherCanEnd(Direction side) {
    Set<Phase> reached = EnumSet.of(Phase.PREPARE);
    boolean grew = true;
    while (grew) {
      grew = false;
      for (Phase phase : Set.copyOf(reached)) {
        for (Event event : Event.values()) {
          var to = Transitions.next(side, phase, event);
          assertThat(to.isPresent() && phase.isOver()).as("%s %s", phase, event).isFalse();
          grew |= to.isPresent() && reached.add(to.get().phase());
        }
      }
    }
    for (Phase phase : reached) {
      boolean canEnd =
          phase.isOver()
              || Arrays.stream(Event.values())
                  .anyMatch(
                      event ->
                          Transitions.next(side, phase, event)
                              .filter(to -> to.phase().isOver())
                              .isPresent());
      // A source that prepares has nothing yet that could be ended.
      assertThat(canEnd || phase == Phase.PREPARE).as("%s ends", phase).isTrue();
    }
  }

  /**
   * The guest stands still: nothing waits for a disk there before the manifests are on their way.
   */
  @Test
  void whatTheSourceHasSealedNeedsNoJournalAndWhatTheDestinationWasHandedDoes() {
    assertThat(Transitions.next(Direction.OUTGOING, Phase.SEAL, Event.SEALED))
        .hasValue(new Transitions.To(Phase.HAND_OVER, Transitions.Durability.NONE));
    assertThat(Transitions.next(Direction.INCOMING, Phase.SEAL, Event.SEALED))
        .hasValue(new Transitions.To(Phase.HAND_OVER, Transitions.Durability.DURABLE));
  }

  @Test
  void whatIsGivenOrGivenUpIsDurable() {
    for (Direction side : Direction.values()) {
      for (Phase phase : Phase.values()) {
        for (Event event : EnumSet.of(Event.GIVEN, Event.GIVEN_UP, Event.ANSWERED)) {
          Transitions.next(side, phase, event)
              .ifPresent(
                  to ->
                      assertThat(to.durability())
                          .as("%s %s %s", side, phase, event)
                          .isEqualTo(Transitions.Durability.DURABLE));
        }
      }
    }
  }
}

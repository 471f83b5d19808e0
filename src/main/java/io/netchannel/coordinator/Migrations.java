package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/** The migrations of this host, both directions, for people. */
public final class Migrations {

  /**
   * One line of a timeline.
   *
   * @param duration until the next phase began, or until now in an unfinished migration; zero for
   *     the last phase of one that is over
   * @param host where it was seen: this host
   */
  public record Entry(Phase phase, Instant at, Duration duration, String host, String detail) {}

  private final MigrationJournal journal;
  private final Clock clock;
  private final String host;

  Migrations(MigrationJournal journal, Clock clock, String host) {
    this.journal = journal;
    this.clock = clock;
    this.host = host;
  }

  /** Newest first: all that are not over, and the last {@link MigrationJournal#KEPT_MIGRATIONS}. */
  public List<Migration> list() {
    return journal.migrations().stream()
        .sorted(Comparator.comparing((Migration m) -> m.steps().get(0).at()).reversed())
        .toList();
  }

  public Optional<Migration> find(UUID id) {
    return journal.migration(id);
  }

  /** What happened and how long it took, oldest first. */
  public List<Entry> timeline(Migration migration) {
    ImmutableList.Builder<Entry> entries = ImmutableList.builder();
    List<Migration.Step> steps = migration.steps();
    for (int i = 0; i < steps.size(); i++) {
      Migration.Step step = steps.get(i);
      Instant end;
      if (i + 1 < steps.size()) {
        end = steps.get(i + 1).at();
      } else {
        end = migration.isActive() ? clock.instant() : step.at();
      }
      entries.add(
          new Entry(
              step.phase(), step.at(), Duration.between(step.at(), end), host, step.detail()));
    }
    return entries.build();
  }
}

package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.PeerMessages.TimelineStep;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;

/** The migrations of this host, both directions, for people. */
public final class Migrations {

  /**
   * One line of a timeline: a phase, or, when that host's line before has the same phase, a note of
   * what happened in it.
   *
   * @param at by the clock of this host
   * @param duration of a phase: until that host's next phase began, or until now in an unfinished
   *     migration; zero for the last phase of one that is over. Of a note: since that host's line
   *     before.
   * @param host where it was seen
   */
  public record Entry(Phase phase, Instant at, Duration duration, String host, String detail) {}

  private final Context context;
  private final Incoming incoming;
  private final DeviceOrders orders;

  Migrations(Context context, Incoming incoming, DeviceOrders orders) {
    this.context = context;
    this.incoming = incoming;
    this.orders = orders;
  }

  /**
   * What a migration that has failed, or is over, has still to do on this host, and what keeps it;
   * empty when that is nothing. It is tried again until it is done.
   */
  public Optional<String> unfinished(Migration migration) {
    return incoming.goesBack(migration).or(() -> orders.openOf(migration));
  }

  /**
   * Why this host can own no more disks or begin no migration, and what to do, when that is its
   * journal's storage; it serves what it has. Empty when all is well. Waits for no disk.
   */
  public Optional<String> journalProblem() {
    return context.store().journal().problem();
  }

  /** Newest first: all that are not over, and the last {@link MigrationJournal#KEPT_MIGRATIONS}. */
  public List<Migration> list() {
    // As they began, not as the wall clock says, which may have been set back meanwhile.
    return ImmutableList.copyOf(context.store().all()).reverse();
  }

  /** The one of a domain, away from here or to here, that is not over. */
  public Optional<Migration> active(UUID domain) {
    return list().stream()
        .filter(migration -> migration.isActive() && migration.domain().equals(domain))
        .findFirst();
  }

  public Optional<Migration> find(UUID id) {
    return context.store().find(id);
  }

  /**
   * What happened on both hosts, oldest first, by the clock of this one.
   *
   * @param peerAhead how much the other host's clock is ahead of this one's, which is taken out of
   *     its lines; known to half the time that asking took. Empty when it did not answer
   */
  public record Timeline(List<Entry> entries, Optional<Duration> peerAhead) {}

  /**
   * What happened on both hosts and how long it took. Asks the other host, for at most [timeouts]
   * tell; when it does not answer, the last line is its, and says so.
   */
  public Timeline timeline(Migration migration) {
    List<Entry> ours = ownTimeline(migration);
    Stream<Entry> theirs;
    Optional<Duration> ahead = Optional.empty();
    try {
      Instant asked = context.clock().instant();
      PeerMessages.Timeline answer =
          context.peer(migration.peer()).timeline(migration.id(), context.timeouts().tell());
      Instant answered = context.clock().instant();
      Instant halfway = asked.plus(Duration.between(asked, answered).dividedBy(2));
      Duration difference = Duration.between(halfway, answer.now());
      ahead = Optional.of(difference);
      theirs =
          entries(
              answer.steps().stream()
                  .map(s -> new TimelineStep(s.phase(), s.at().minus(difference), s.detail()))
                  .toList(),
              migration.peer());
    } catch (PeerException e) {
      Entry last = ours.get(ours.size() - 1);
      theirs =
          Stream.of(
              new Entry(
                  migration.phase(),
                  last.at(),
                  Duration.ZERO,
                  migration.peer(),
                  "its side is not known: " + e.getMessage()));
    }
    return new Timeline(
        Stream.concat(ours.stream(), theirs)
            .sorted(Comparator.comparing(Entry::at))
            .collect(ImmutableList.toImmutableList()),
        ahead);
  }

  /** What happened on this host only. */
  public List<Entry> ownTimeline(Migration migration) {
    return entries(steps(migration), context.host()).collect(ImmutableList.toImmutableList());
  }

  /** As a peer is told them. */
  static List<TimelineStep> steps(Migration migration) {
    return migration.steps().stream()
        .map(step -> new TimelineStep(step.phase(), step.at(), step.detail()))
        .toList();
  }

  private Stream<Entry> entries(List<TimelineStep> steps, String host) {
    ImmutableList.Builder<Entry> entries = ImmutableList.builder();
    for (int i = 0; i < steps.size(); i++) {
      TimelineStep step = steps.get(i);
      boolean isNote = i > 0 && steps.get(i - 1).phase() == step.phase();
      Duration duration =
          isNote
              ? Duration.between(steps.get(i - 1).at(), step.at())
              : Duration.between(step.at(), end(steps, i));
      entries.add(new Entry(step.phase(), step.at(), duration, host, step.detail()));
    }
    return entries.build().stream();
  }

  /** When the phase of step {@code i} ended. */
  private Instant end(List<TimelineStep> steps, int i) {
    Phase phase = steps.get(i).phase();
    for (TimelineStep later : steps.subList(i, steps.size())) {
      if (later.phase() != phase) {
        return later.at();
      }
    }
    if (phase.isOver()) {
      return steps.get(i).at();
    }
    Instant now = context.clock().instant();
    return now.isBefore(steps.get(i).at()) ? steps.get(i).at() : now;
  }
}

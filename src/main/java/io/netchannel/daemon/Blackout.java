package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.Migrations.Entry;
import io.netchannel.coordinator.Phase;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * What a guest noticed of its migration, found in the timeline of both hosts by the words of its
 * lines: when it stopped, and what happened until it had all that it had been waiting for. Times of
 * two hosts are compared as they are: their clocks should agree.
 *
 * @param begin the guest was suspended, or the first thing after that which is known
 * @param marks in order of time
 */
record Blackout(Entry begin, ImmutableList<Mark> marks) {
  /**
   * A moment.
   *
   * @param after since the begin
   */
  record Mark(String event, String host, Instant at, Duration after) {}

  /** Empty when the guest was not stopped, as far as is known. */
  static Optional<Blackout> of(List<Entry> timeline) {
    Optional<Entry> begin =
        first(timeline, saying("guest suspended"))
            .or(() -> first(timeline, saying("seal begins")))
            .or(() -> first(timeline, entry -> entry.phase() == Phase.SEAL));
    return begin.map(entry -> new Blackout(entry, marks(timeline, entry)));
  }

  private static ImmutableList<Mark> marks(List<Entry> timeline, Entry begin) {
    ImmutableList.Builder<Mark> marks = ImmutableList.builder();
    first(timeline, saying("hook answered"))
        .ifPresent(entry -> marks.add(mark("hook answered", begin, entry)));
    last(timeline, entry -> entry.detail().endsWith(" connected"))
        .ifPresent(entry -> marks.add(mark("connected", begin, entry)));
    first(timeline, saying("first request"))
        .ifPresent(entry -> marks.add(mark("first request", begin, entry)));
    // Of the last disk.
    last(timeline, saying("all pending answered"))
        .ifPresent(entry -> marks.add(mark("all pending answered", begin, entry)));
    first(timeline, entry -> entry.phase() == Phase.ABORT)
        .ifPresent(entry -> marks.add(mark("aborted", begin, entry)));
    return ImmutableList.sortedCopyOf(
        (one, other) -> one.at().compareTo(other.at()), marks.build());
  }

  private static Predicate<Entry> saying(String words) {
    return entry -> entry.detail().contains(words);
  }

  private static Optional<Entry> first(List<Entry> timeline, Predicate<Entry> which) {
    return timeline.stream().filter(which).findFirst();
  }

  private static Optional<Entry> last(List<Entry> timeline, Predicate<Entry> which) {
    return timeline.stream().filter(which).reduce((earlier, later) -> later);
  }

  private static Mark mark(String event, Entry begin, Entry entry) {
    return new Mark(event, entry.host(), entry.at(), Duration.between(begin.at(), entry.at()));
  }
}

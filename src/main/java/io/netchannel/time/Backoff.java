package io.netchannel.time;

import static com.google.common.base.Preconditions.checkArgument;

import java.time.Duration;
import java.util.Optional;
import java.util.random.RandomGenerator;

/**
 * How long to wait before each of a row of attempts: a first delay, doubled from one to the next up
 * to a longest one. For one thing that is tried; not thread-safe.
 */
public final class Backoff {
  private final Duration first;
  private final Duration longest;
  private final Optional<RandomGenerator> random;
  private Duration next;

  /**
   * @param first positive, and at most {@code longest}
   */
  public Backoff(Duration first, Duration longest) {
    this(first, longest, Optional.empty());
  }

  private Backoff(Duration first, Duration longest, Optional<RandomGenerator> random) {
    checkArgument(
        first.compareTo(Duration.ZERO) > 0 && first.compareTo(longest) <= 0,
        "expected 0 < first <= longest, found first = %s, longest = %s",
        first,
        longest);
    this.first = first;
    this.longest = longest;
    this.random = random;
    this.next = first;
  }

  /**
   * As {@link #Backoff(Duration, Duration)}, each delay less a random part of up to a half: so that
   * many who have lost the same thing do not come back as one.
   */
  public static Backoff scattered(Duration first, Duration longest, RandomGenerator random) {
    return new Backoff(first, longest, Optional.of(random));
  }

  /** The delay before the next attempt; the one after it waits longer. */
  public Duration next() {
    Duration delay = next;
    Duration doubled = delay.multipliedBy(2);
    next = doubled.compareTo(longest) < 0 ? doubled : longest;
    return random
        .map(generator -> delay.minusNanos(generator.nextLong(delay.toNanos() / 2 + 1)))
        .orElse(delay);
  }

  /** It worked: the next row begins with the first delay. */
  public void reset() {
    next = first;
  }
}

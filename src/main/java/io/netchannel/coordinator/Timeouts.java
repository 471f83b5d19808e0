package io.netchannel.coordinator;

import static com.google.common.base.Preconditions.checkArgument;

import java.time.Duration;

/**
 * Every bound of a migration; section [timeouts] of the configuration, names there as in {@link
 * #with}.
 *
 * @param prepare finding the domain at the peers and registering the migration there; nothing has
 *     begun, and the user waits at a prompt
 * @param seal the source's requests at the device to finish and the device to flush: a slow disk's
 *     worst flush; the guest stands still
 * @param handOver the manifests to travel and to be made durable: a few MB
 * @param takeOver giving N+1, and opening each device and finishing what is pending there
 * @param hook all of hook "started": SEAL to REDIRECT; the hook script's own limit is a little
 *     longer
 * @param sealed how long a source stays sealed without a take-over before it goes on alone; at
 *     least the hook's, or a source would give up on a destination that is still working
 * @param prepared how long a registered migration waits for its seal: a big busy guest's pre-copy
 * @param tell one message that something is over; it is repeated in the background
 */
public record Timeouts(
    Duration prepare,
    Duration seal,
    Duration handOver,
    Duration takeOver,
    Duration hook,
    Duration sealed,
    Duration prepared,
    Duration tell) {

  public static final Timeouts DEFAULTS =
      new Timeouts(
          Duration.ofSeconds(10),
          Duration.ofSeconds(20),
          Duration.ofSeconds(20),
          Duration.ofSeconds(10),
          Duration.ofSeconds(60),
          Duration.ofSeconds(60),
          Duration.ofHours(12),
          Duration.ofSeconds(5));

  public Timeouts {
    positive("prepare", prepare);
    positive("seal", seal);
    positive("hand-over", handOver);
    positive("take-over", takeOver);
    positive("hook", hook);
    positive("sealed", sealed);
    positive("prepared", prepared);
    positive("tell", tell);
    checkArgument(
        sealed.compareTo(hook) >= 0,
        "[timeouts] sealed = %s is shorter than hook = %s: the source would go on while the"
            + " destination still takes over; make it at least as long",
        sealed,
        hook);
    checkArgument(
        hook.compareTo(tell.multipliedBy(2)) >= 0,
        "[timeouts] hook = %s leaves no time to tell the source of a failure; make it at least"
            + " twice tell = %s",
        hook,
        tell);
  }

  private static void positive(String name, Duration value) {
    checkArgument(
        !value.isNegative() && !value.isZero(), "[timeouts] %s = %s is not positive", name, value);
  }

  /**
   * A copy with one bound changed; set "hook" before "sealed".
   *
   * @param name as in the configuration: "prepare", "seal", "hand-over", "take-over", "hook",
   *     "sealed", "prepared", "tell"
   * @throws IllegalArgumentException for another name or an impossible value
   */
  public Timeouts with(String name, Duration value) {
    return switch (name) {
      case "prepare" -> new Timeouts(value, seal, handOver, takeOver, hook, sealed, prepared, tell);
      case "seal" -> new Timeouts(prepare, value, handOver, takeOver, hook, sealed, prepared, tell);
      case "hand-over" ->
          new Timeouts(prepare, seal, value, takeOver, hook, sealed, prepared, tell);
      case "take-over" ->
          new Timeouts(prepare, seal, handOver, value, hook, sealed, prepared, tell);
      // A longer hook alone means a longer seal too: the user said nothing about that one.
      case "hook" ->
          new Timeouts(
              prepare, seal, handOver, takeOver, value, max(sealed, value), prepared, tell);
      case "sealed" -> new Timeouts(prepare, seal, handOver, takeOver, hook, value, prepared, tell);
      case "prepared" -> new Timeouts(prepare, seal, handOver, takeOver, hook, sealed, value, tell);
      case "tell" -> new Timeouts(prepare, seal, handOver, takeOver, hook, sealed, prepared, value);
      default ->
          throw new IllegalArgumentException(
              "[timeouts] "
                  + name
                  + " is not known; there are prepare, seal, hand-over, take-over, hook, sealed,"
                  + " prepared, tell");
    };
  }

  private static Duration max(Duration a, Duration b) {
    return a.compareTo(b) >= 0 ? a : b;
  }
}

package io.netchannel.coordinator;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableList;
import java.time.Duration;
import java.util.Map;

/**
 * Every bound of a migration; section [timeouts] of the configuration, names there as in {@link
 * #defaultsExcept}.
 *
 * @param prepare finding the domain at the peers and registering the migration there; nothing has
 *     begun, and the user waits at a prompt
 * @param seal the source's requests at the device to finish and the device to flush: a slow disk's
 *     worst flush; the guest stands still
 * @param drain the backends of stock disks to answer what their suspended guest has asked for, see
 *     {@link StockDiskPolicy}: a slow disk's worst moment; the guest stands still
 * @param handOver the manifests to travel and to be made durable: a few MB
 * @param takeOver giving N+1, and opening each device and finishing what is pending there
 * @param hook all of hook "started": SEAL to REDIRECT; the hook script's own limit is a little
 *     longer
 * @param sealed how long a source stays sealed without a take-over before it goes on alone, where
 *     the hypervisor cannot say that its guest is still suspended; at least the hook's, or a source
 *     would give up on a destination that is still working
 * @param prepared how long a registered migration waits for its seal: a big busy guest's pre-copy;
 *     and a sealed one for its take-over while the guest is suspended: the last of the memory
 * @param tell one message that something is over; it is repeated in the background
 */
public record Timeouts(
    Duration prepare,
    Duration seal,
    Duration drain,
    Duration handOver,
    Duration takeOver,
    Duration hook,
    Duration sealed,
    Duration prepared,
    Duration tell) {

  /** Names in the configuration, in the order of the record. */
  public static final ImmutableList<String> NAMES =
      ImmutableList.of(
          "prepare",
          "seal",
          "drain",
          "hand-over",
          "take-over",
          "hook",
          "sealed",
          "prepared",
          "tell");

  public static final Timeouts DEFAULTS =
      new Timeouts(
          Duration.ofSeconds(10),
          Duration.ofSeconds(20),
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
    positive("drain", drain);
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
    checkArgument(
        hook.compareTo(drain.plus(tell)) >= 0,
        "[timeouts] drain = %s does not fit into hook = %s, which must be longer by at least tell ="
            + " %s; make hook longer, too",
        drain,
        hook,
        tell);
  }

  private static void positive(String name, Duration value) {
    checkArgument(
        !value.isNegative() && !value.isZero(), "[timeouts] %s = %s is not positive", name, value);
  }

  /**
   * The defaults with some bounds changed. A longer hook alone means a longer sealed, too.
   *
   * @param changed by {@link #NAMES}
   * @throws IllegalArgumentException when the values do not fit each other
   */
  public static Timeouts defaultsExcept(Map<String, Duration> changed) {
    Duration hook = changed.getOrDefault("hook", DEFAULTS.hook);
    return new Timeouts(
        changed.getOrDefault("prepare", DEFAULTS.prepare),
        changed.getOrDefault("seal", DEFAULTS.seal),
        changed.getOrDefault("drain", DEFAULTS.drain),
        changed.getOrDefault("hand-over", DEFAULTS.handOver),
        changed.getOrDefault("take-over", DEFAULTS.takeOver),
        hook,
        changed.getOrDefault("sealed", max(DEFAULTS.sealed, hook)),
        changed.getOrDefault("prepared", DEFAULTS.prepared),
        changed.getOrDefault("tell", DEFAULTS.tell));
  }

  private static Duration max(Duration a, Duration b) {
    return a.compareTo(b) >= 0 ? a : b;
  }
}

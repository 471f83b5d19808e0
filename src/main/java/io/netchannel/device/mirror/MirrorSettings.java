package io.netchannel.device.mirror;

import java.time.Duration;

/**
 * How a mirror goes about it.
 *
 * @param followerIsZero whether all of the follower is known to read as zeros
 * @param compareFirst whether most of the follower is like the leader: it is read, and only what
 *     differs is written
 * @param switches whether it switches by itself as soon as it is in sync
 * @param converges whether answers may wait for the follower where the copy would not end otherwise
 * @param verifies whether both legs are read and compared before it switches
 * @param legTimeout how long the follower may keep a request before it counts as failed; of a
 *     lasting one either leg
 * @param lasting whether it stays: the legs are two for reliability, and neither takes the other's
 *     place for good
 */
public record MirrorSettings(
    boolean followerIsZero,
    boolean compareFirst,
    boolean switches,
    boolean converges,
    boolean verifies,
    Duration legTimeout,
    boolean lasting) {

  /** Of one that ends with a switch. */
  public MirrorSettings(
      boolean followerIsZero,
      boolean compareFirst,
      boolean switches,
      boolean converges,
      boolean verifies,
      Duration legTimeout) {
    this(followerIsZero, compareFirst, switches, converges, verifies, legTimeout, false);
  }

  /**
   * Of one that stays.
   *
   * @param compareFirst as above
   */
  public static MirrorSettings lasting(boolean compareFirst, Duration legTimeout) {
    return new MirrorSettings(false, compareFirst, false, true, false, legTimeout, true);
  }

  /** A guest waits no longer for a leg that it could do without. */
  public static final Duration LEG_TIMEOUT = Duration.ofSeconds(5);

  public static final MirrorSettings DEFAULT =
      new MirrorSettings(false, false, true, true, false, LEG_TIMEOUT);

  Copier.Follower known() {
    if (followerIsZero) {
      return Copier.Follower.ZERO;
    }
    return compareFirst ? Copier.Follower.ALIKE : Copier.Follower.UNKNOWN;
  }
}

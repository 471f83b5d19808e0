package io.netchannel.device.mirror;

import java.util.concurrent.CompletableFuture;

/** Who has a mirror made. Called on any thread, without a lock; must not block. */
public interface MirrorOwner {
  /**
   * Makes it durable that the follower is the disk from now on. Nothing goes to the follower alone
   * before that.
   *
   * @return completes when it is; exceptionally when it certainly is not, or with {@link
   *     UnknownSwitchException}: then both legs stay alike for as long as there is this mirror
   */
  CompletableFuture<Void> recordSwitch();

  /** Which legs of a lasting mirror are up to date. */
  enum Members {
    LEADER,
    FOLLOWER,
    BOTH
  }

  /**
   * Makes durable which legs of a lasting mirror are up to date from now on; one after the other.
   * Until then nothing is answered that would not be so if the record before held.
   *
   * @return completes when it is; exceptionally when it certainly is not, or with {@link
   *     UnknownSwitchException}: then the same is asked again
   */
  default CompletableFuture<Void> recordMembers(Members members) {
    throw new IllegalStateException("expected no question of a mirror that is not lasting");
  }

  /**
   * The follower of a lasting mirror, which is not up to date, gets nothing any more. It is to be
   * closed, so that what it has ends, and opened anew; then {@link MirrorDevice#resume}.
   *
   * <p>Of one that is not lasting, with each flush that the follower fails: it goes on as before,
   * but most devices fail all flushes until they are opened anew, for another mirror.
   *
   * @param lost whether it may have lost what it had not made durable: all is copied again, and it
   *     need not show that it has kept it
   */
  default void followerAway(boolean lost) {}

  /** Something that {@link MirrorDevice#status} tells has changed. */
  default void changed() {}
}

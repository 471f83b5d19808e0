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

  /** Something that {@link MirrorDevice#status} tells has changed. */
  default void changed() {}
}

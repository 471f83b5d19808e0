package io.netchannel.daemon;

import java.time.Duration;

/** Runs an action once after a delay, on a thread that may be blocked; or never, at the end. */
@FunctionalInterface
interface Timer {
  void after(Duration delay, Runnable action);
}

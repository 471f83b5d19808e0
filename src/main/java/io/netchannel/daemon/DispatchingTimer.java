package io.netchannel.daemon;

import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A timer whose own thread only hands actions to other threads, so that none is late because of
 * another.
 *
 * <pre>
 *   after(delay) --> DUE LATER --delay--> handed to a thread --> runs
 *                       |    ^                 |
 *                       |    +-----100 ms------+ no thread to be had: said, tried again
 *                       +--shut down--> left for the next daemon
 * </pre>
 */
final class DispatchingTimer implements Timer {
  private static final Logger log = LoggerFactory.getLogger(DispatchingTimer.class);

  /** A host that is short of threads has other troubles: often enough, and no load. */
  private static final Duration NO_THREAD = Duration.ofMillis(100);

  private final ScheduledExecutorService scheduler;
  private final ExecutorService threads;

  /**
   * @param scheduler whose thread nothing else keeps
   * @param threads run the actions: as many as there are that may wait
   */
  DispatchingTimer(ScheduledExecutorService scheduler, ExecutorService threads) {
    this.scheduler = scheduler;
    this.threads = threads;
  }

  @Override
  public void after(Duration delay, Runnable action) {
    try {
      var later =
          scheduler.schedule(() -> handOut(action), delay.toMillis(), TimeUnit.MILLISECONDS);
      log.trace("scheduled: {}", !later.isDone());
    } catch (RejectedExecutionException e) {
      log.debug("not tried again, shutting down");
    }
  }

  /** An action that got lost here would be one that never comes back: a guest may wait for it. */
  private void handOut(Runnable action) {
    try {
      threads.execute(action);
    } catch (RejectedExecutionException | OutOfMemoryError e) {
      if (threads.isShutdown()) {
        log.debug("not done any more, shutting down");
      } else {
        log.error("no thread for what is due, tried again in {}: {}", NO_THREAD, e.toString());
        after(NO_THREAD, action);
      }
    }
  }
}

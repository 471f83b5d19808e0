package io.netchannel.coordinator;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a tick has to do for each of many, side by side: one that waits for a silent peer or a hung
 * disk holds up nobody but itself, and has one thread at most.
 *
 * @param <K> who it is for: a migration, a peer
 */
final class Errands<K> {
  private static final Logger log = LoggerFactory.getLogger(Errands.class);

  private final Executor executor;
  private final Set<K> busy = ConcurrentHashMap.newKeySet();

  Errands(Executor executor) {
    this.executor = executor;
  }

  /**
   * Does the work on a thread of the executor; not at all while the errand before, for the same
   * one, is not over: it comes back by the next tick. Never waits and never throws.
   */
  void run(K who, Runnable work) {
    if (!busy.add(who)) {
      return;
    }
    try {
      executor.execute(
          () -> {
            try {
              work.run();
            } catch (RuntimeException e) {
              log.error("looking after {} failed, will be tried again", who, e);
            } finally {
              busy.remove(who);
            }
          });
    } catch (RejectedExecutionException | OutOfMemoryError e) {
      // The end of the daemon, or no thread to be had.
      busy.remove(who);
      log.warn("{} is not looked after now, will be tried again: {}", who, e.toString());
    }
  }
}

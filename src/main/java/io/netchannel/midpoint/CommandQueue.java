package io.netchannel.midpoint;

import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * Commands to an agent: given on any thread, run on the agent's, each with a future of its result.
 *
 * <pre>
 *   OPEN --close--> CLOSED: commands end as their givers have said for that case
 * </pre>
 *
 * None is left without an end: one that comes when nobody takes commands any more is ended by its
 * giver.
 */
final class CommandQueue {
  /** What throws is the failure of the future; an error ends the agent, too. */
  interface Command<T> {
    void run(CompletableFuture<T> future);
  }

  private final Queue<Runnable> waiting = new ConcurrentLinkedQueue<>();
  private final Runnable wake;
  private volatile boolean closed;

  /**
   * @param wake makes the agent's thread call {@link #run} soon; called on any thread
   */
  CommandQueue(Runnable wake) {
    this.wake = wake;
  }

  /** From any thread. */
  <T> CompletableFuture<T> give(Command<T> command, Command<T> whenClosed) {
    CompletableFuture<T> future = new CompletableFuture<>();
    waiting.add(
        () -> {
          boolean late = closed;
          try {
            (late ? whenClosed : command).run(future);
          } catch (RuntimeException e) {
            future.completeExceptionally(e);
          } catch (Error e) {
            future.completeExceptionally(e);
            if (!late) {
              throw e; // half of it may have happened
            }
          }
        });
    wake.run();
    if (closed) {
      run();
    }
    return future;
  }

  /** Runs what waits; returns how many. */
  int run() {
    int count = 0;
    Runnable command;
    while ((command = waiting.poll()) != null) {
      command.run();
      count++;
    }
    return count;
  }

  /**
   * What waits, and what comes from now on, sees it closed; {@link #run} has to be called again.
   */
  void close() {
    closed = true;
  }

  boolean isClosed() {
    return closed;
  }
}

package io.netchannel.daemon;

import io.netchannel.midpoint.Agent;
import io.netchannel.midpoint.AgentRunner;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * A mid-point with its thread: a {@link ServedDevice} has one after the other, when one ends by an
 * error.
 *
 * @param <M> its kind
 */
final class MidPointRun<M extends Agent> {
  private final AgentRunner runner;
  private final M midPoint;

  /** Makes a mid-point. */
  @FunctionalInterface
  interface Maker<M> {
    /**
     * Makes it.
     *
     * @param wake for it to call when there is something to do
     * @throws IOException when there is no room for its table
     */
    M make(Runnable wake) throws IOException;
  }

  /**
   * Makes it and starts it.
   *
   * @param failed told at once when it ends by an error, on its thread, before it is closed
   * @throws IllegalStateException when there is no thread for it
   */
  MidPointRun(Maker<M> maker, Consumer<Throwable> failed) throws IOException {
    runner = new AgentRunner(failed);
    midPoint = maker.make(runner::wake);
    runner.start(midPoint);
  }

  M midPoint() {
    return midPoint;
  }

  /** Completes when it is closed, its device too; with the error that ended it, if one did. */
  CompletableFuture<Void> ended() {
    return runner.ended();
  }

  /** Ends it and waits for that, as long as its device takes. */
  void close() {
    runner.close();
  }
}

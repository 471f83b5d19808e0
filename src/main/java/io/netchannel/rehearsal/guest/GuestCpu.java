package io.netchannel.rehearsal.guest;

import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The guest's one virtual CPU: runs its tasks one at a time, in order, and none while the guest is
 * suspended. Interrupts become tasks, so that the guest's driver and workload need no locks.
 */
public final class GuestCpu implements Executor, AutoCloseable {
  private final Semaphore running = new Semaphore(1);
  private final AtomicReference<RuntimeException> panic = new AtomicReference<>();
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(
          task -> {
            Thread made = new Thread(task, "guest-cpu");
            made.setDaemon(true);
            return made;
          });

  /**
   * Queues a task; one that comes while the CPU is paused runs after {@link #resume}, one that
   * comes after the CPU's end never.
   */
  @Override
  public void execute(Runnable task) {
    try {
      thread.execute(() -> runInTurn(task));
    } catch (RejectedExecutionException e) {
      if (!thread.isShutdown()) {
        throw e;
      }
    }
  }

  private void runInTurn(Runnable task) {
    try {
      running.acquire();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return;
    }
    try {
      task.run();
    } catch (RuntimeException e) {
      panic.compareAndSet(null, e);
    } finally {
      running.release();
    }
  }

  /** The first failure of a task: the guest's kernel is not to be trusted any more. */
  public Optional<RuntimeException> panic() {
    return Optional.ofNullable(panic.get());
  }

  /** Stops after the task that runs now; when it returns, no guest code runs. */
  public void pause() {
    running.acquireUninterruptibly();
  }

  public void resume() {
    running.release();
  }

  /** Ends the CPU, also a paused one; tasks that have not begun are dropped. */
  @Override
  public void close() {
    thread.shutdownNow();
  }
}

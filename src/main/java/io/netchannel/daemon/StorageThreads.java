package io.netchannel.daemon;

import com.google.common.util.concurrent.ThreadFactoryBuilder;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Work that storage may keep waiting: opening a file on a mount whose server is dead, asking a
 * device server that is away. Each piece has a thread of its own, so whoever asks waits as long as
 * it wants to, holds no lock meanwhile, and is not held up by the disk beside it.
 *
 * <pre>
 *   given --a thread is free--> RUNNING --> its result, whenever that is
 *     +----there is none-----> failed at once
 * </pre>
 *
 * Work that hangs keeps its thread until its storage answers: nothing ends a thread inside the
 * kernel. What it brings then is for the work to close when nobody wants it any more.
 */
final class StorageThreads implements AutoCloseable {
  /**
   * Far more disks than a host opens at the same time; so many hung ones are a host without
   * storage, which had better say so than go on making threads.
   */
  static final int MAX_THREADS = 256;

  private static final long IDLE_SECONDS = 10;

  private final ThreadPoolExecutor threads;

  StorageThreads() {
    this(MAX_THREADS);
  }

  StorageThreads(int maxThreads) {
    threads =
        new ThreadPoolExecutor(
            0,
            maxThreads,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new SynchronousQueue<>(),
            new ThreadFactoryBuilder().setNameFormat("storage-%d").setDaemon(true).build());
  }

  /** Does not wait and does not throw: what goes wrong is the future's. */
  <T> CompletableFuture<T> run(Callable<T> work) {
    CompletableFuture<T> result = new CompletableFuture<>();
    execute(result, () -> result.complete(work.call()));
    return result;
  }

  /** Likewise of work that ends with something to wait for, which does not need the thread. */
  <T> CompletableFuture<T> begin(Callable<CompletableFuture<T>> work) {
    CompletableFuture<T> result = new CompletableFuture<>();
    execute(
        result,
        () -> {
          var unused =
              work.call()
                  .whenComplete(
                      (done, failure) -> {
                        if (failure == null) {
                          result.complete(done);
                        } else {
                          result.completeExceptionally(failure);
                        }
                      });
          return true;
        });
    return result;
  }

  private void execute(CompletableFuture<?> result, Callable<?> work) {
    try {
      threads.execute(
          () -> {
            try {
              var unused = work.call();
            } catch (Throwable e) { // also an Error is an answer: nobody must wait for ever
              result.completeExceptionally(e);
            }
          });
    } catch (RejectedExecutionException e) {
      result.completeExceptionally(
          new IllegalStateException(
              threads.isShutdown()
                  ? "the daemon is shutting down"
                  : "%d threads wait for storage that does not answer; see `netchannel status`"
                      .formatted(threads.getMaximumPoolSize()),
              e));
    } catch (OutOfMemoryError e) {
      // What Java calls it when the kernel has no thread to give.
      result.completeExceptionally(
          new IllegalStateException("no thread for its storage: " + e.getMessage(), e));
    }
  }

  /** Interrupts what runs, and does not wait for it. */
  @Override
  public void close() {
    threads.shutdownNow();
  }
}

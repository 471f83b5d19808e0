package io.netchannel.daemon;

import com.google.common.util.concurrent.ThreadFactoryBuilder;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A thread per task, and idle threads used again. A task for which no thread can be made, because
 * the limit of tasks is reached, is neither lost nor thrown back: it is tried again until one can
 * be made. What throws an error ends its task and is logged.
 *
 * <pre>
 *   execute --thread idle, or made--> runs
 *      |  ^
 *      v  | 100 ms
 *    waits: no thread could be made
 * </pre>
 */
final class PatientPool extends ThreadPoolExecutor {
  private static final Logger log = LoggerFactory.getLogger(PatientPool.class);

  private static final long IDLE_SECONDS = 60;

  /** A thread that ends makes room; nobody is woken up for that. */
  private static final long RETRY_MILLIS = 100;

  /** Made with the first pool, when there are threads: it must not need one when there are none. */
  private static final ScheduledThreadPoolExecutor RETRIES = retries();

  private final String name;

  /**
   * Makes one without threads.
   *
   * @param name of its threads, with %d for their number
   */
  PatientPool(String name) {
    this(name, threads(name));
  }

  PatientPool(String name, ThreadFactory threads) {
    super(0, Integer.MAX_VALUE, IDLE_SECONDS, TimeUnit.SECONDS, new SynchronousQueue<>(), threads);
    this.name = name;
  }

  private static ScheduledThreadPoolExecutor retries() {
    ScheduledThreadPoolExecutor retries =
        new ScheduledThreadPoolExecutor(1, threads("thread-shortage"));
    retries.prestartAllCoreThreads();
    return retries;
  }

  private static ThreadFactory threads(String name) {
    return new ThreadFactoryBuilder().setNameFormat(name).setDaemon(true).build();
  }

  /**
   * Runs it soon.
   *
   * @throws RejectedExecutionException after the shutdown only
   */
  @Override
  public void execute(Runnable task) {
    try {
      super.execute(task);
    } catch (OutOfMemoryError e) {
      log.error("{}: a task waits: {}; raise TasksMax of the unit", name, e.getMessage());
      later(task);
    }
  }

  private void later(Runnable task) {
    var unused =
        RETRIES.schedule(
            () -> {
              try {
                super.execute(task);
              } catch (OutOfMemoryError e) {
                later(task);
              } catch (RejectedExecutionException e) {
                log.debug("{}: a task that waited is left, shutting down", name);
              }
            },
            RETRY_MILLIS,
            TimeUnit.MILLISECONDS);
  }
}

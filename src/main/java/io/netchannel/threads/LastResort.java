package io.netchannel.threads;

import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What happens when a process cannot do any more what it is there for: a thread that all need has
 * ended by an error, or a request got lost between two of them.
 *
 * <pre>
 *   NOBODY'S: logged only --install--> INSTALLED: who installed it ends the process
 *      ^                                   |
 *      +-----------------close-------------+
 * </pre>
 *
 * A process that ends is seen and started again. One that goes on with half of its threads is
 * neither, and whoever waits for the other half waits for ever.
 */
public final class LastResort implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(LastResort.class);

  private static final AtomicReference<End> INSTALLED = new AtomicReference<>();

  /** Ends the process. */
  @FunctionalInterface
  public interface End {
    /**
     * Called on the thread that met it; need not return.
     *
     * @param what has ended or got lost: "xen-events has ended by an error"
     * @param why what was thrown
     */
    void end(String what, Throwable why);
  }

  private final End end;

  private LastResort(End end) {
    this.end = end;
  }

  /**
   * From now on {@code end} is told; and whatever else ends a thread, any thread, is logged.
   *
   * @throws IllegalStateException when one is installed already: a process ends in one way
   */
  public static LastResort install(End end) {
    if (!INSTALLED.compareAndSet(null, end)) {
      throw new IllegalStateException("a last resort is installed already");
    }
    Thread.setDefaultUncaughtExceptionHandler(
        (thread, failure) ->
            log.error("thread {} has ended by an error", thread.getName(), failure));
    return new LastResort(end);
  }

  /** It is nobody's again. */
  @Override
  public void close() {
    if (INSTALLED.compareAndSet(end, null)) {
      Thread.setDefaultUncaughtExceptionHandler(null);
    }
  }

  /**
   * A thread that is never to end but as its loop was told to; not started yet.
   *
   * @param loop returns when it was told to; what it throws is the end of the process
   */
  public static Thread vital(String name, Runnable loop) {
    Thread thread =
        new Thread(
            () -> {
              try {
                loop.run();
              } catch (RuntimeException | Error e) {
                end("thread " + name + " has ended by an error", e);
              }
            },
            name);
    thread.setDaemon(true);
    return thread;
  }

  /** Ends the process; where no last resort is installed it only says so. */
  public static void end(String what, Throwable why) {
    End installed = INSTALLED.get();
    if (installed == null) {
      log.error("{}; whoever needs it may wait for ever", what, why);
    } else {
      installed.end(what, why);
    }
  }
}

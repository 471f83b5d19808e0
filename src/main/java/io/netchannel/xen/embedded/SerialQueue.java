package io.netchannel.xen.embedded;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs tasks one at a time and in order on an executor that may have many threads or none of its
 * own. Tasks are added under the locks of the hypervisor and run after they are released: {@link
 * #add} only queues, {@link #kick} runs.
 */
final class SerialQueue {
  private static final Logger LOG = LoggerFactory.getLogger(SerialQueue.class);

  private final Executor executor;
  private final BooleanSupplier open;
  private final Queue<Runnable> tasks = new ArrayDeque<>();
  private final Runnable drain = this::drain;
  private boolean draining;

  /**
   * @param open while false, tasks stay queued: a paused domain handles nothing. Kick again when it
   *     becomes true.
   */
  SerialQueue(Executor executor, BooleanSupplier open) {
    this.executor = executor;
    this.open = open;
  }

  synchronized void add(Runnable task) {
    tasks.add(task);
  }

  void kick() {
    synchronized (this) {
      if (draining || tasks.isEmpty() || !open.getAsBoolean()) {
        return;
      }
      draining = true;
    }
    boolean handedOver = false;
    try {
      executor.execute(drain);
      handedOver = true;
    } finally {
      if (!handedOver) {
        release();
      }
    }
  }

  private synchronized void release() {
    draining = false;
  }

  private void drain() {
    while (true) {
      Runnable task;
      synchronized (this) {
        task = open.getAsBoolean() ? tasks.poll() : null;
        if (task == null) {
          draining = false;
          return;
        }
      }
      try {
        task.run();
      } catch (RuntimeException | Error e) {
        LOG.error("a listener threw; listeners must not, the next one is called", e);
      }
    }
  }
}

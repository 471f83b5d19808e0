package io.netchannel.device.usb;

import java.time.Duration;
import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Delayed;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** An executor and its clock, both of which a test moves; nothing runs by itself. */
public final class VirtualTime extends ScheduledThreadPoolExecutor {
  private final PriorityQueue<Task> tasks =
      new PriorityQueue<>(
          Comparator.comparingLong((Task task) -> task.atNanos)
              .thenComparingLong(task -> task.number));
  private long nowNanos = 1_000;
  private long number;

  public VirtualTime() {
    super(1);
  }

  public synchronized long nanoTime() {
    return nowNanos;
  }

  /** Tasks that wait, also those for later. */
  public synchronized int waiting() {
    return tasks.size();
  }

  @Override
  public void execute(Runnable task) {
    var unused = schedule(task, 0, TimeUnit.NANOSECONDS);
  }

  @Override
  public synchronized ScheduledFuture<?> schedule(Runnable work, long delay, TimeUnit unit) {
    Task task = new Task(work, nowNanos + unit.toNanos(delay), number++);
    tasks.add(task);
    return task;
  }

  /** Runs what is due now, and what comes of it. */
  public void run() {
    advance(Duration.ZERO);
  }

  /** Runs what is due until then, each at its time. */
  public void advance(Duration duration) {
    long end = nanoTime() + duration.toNanos();
    for (Task next = next(end); next != null; next = next(end)) {
      next.work.run();
    }
  }

  private synchronized Task next(long end) {
    Task next = tasks.peek();
    if (next == null || next.atNanos > end) {
      nowNanos = Math.max(nowNanos, end);
      return null;
    }
    nowNanos = Math.max(nowNanos, next.atNanos);
    return tasks.poll();
  }

  private final class Task implements ScheduledFuture<Void> {
    private final CompletableFuture<Void> done = new CompletableFuture<>();
    private final Runnable work;
    private final long atNanos;
    private final long number;

    Task(Runnable work, long atNanos, long number) {
      this.work = work;
      this.atNanos = atNanos;
      this.number = number;
    }

    @Override
    public long getDelay(TimeUnit unit) {
      return unit.convert(atNanos - nanoTime(), TimeUnit.NANOSECONDS);
    }

    @Override
    public int compareTo(Delayed other) {
      return Long.compare(getDelay(TimeUnit.NANOSECONDS), other.getDelay(TimeUnit.NANOSECONDS));
    }

    @Override
    public boolean cancel(boolean mayInterrupt) {
      synchronized (VirtualTime.this) {
        tasks.remove(this);
      }
      return done.cancel(false);
    }

    @Override
    public boolean isCancelled() {
      return done.isCancelled();
    }

    @Override
    public boolean isDone() {
      return done.isDone();
    }

    @Override
    public Void get() throws InterruptedException, ExecutionException {
      return done.get();
    }

    @Override
    public Void get(long timeout, TimeUnit unit)
        throws InterruptedException, ExecutionException, TimeoutException {
      return done.get(timeout, unit);
    }
  }
}

package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class DispatchingTimerTest {
  private static final Duration SOON = Duration.ofMillis(1);

  private final ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor();

  @AfterEach
  void end() {
    scheduler.shutdownNow();
  }

  @Test
  void whatWaitsMakesNothingElseLate() throws Exception {
    ExecutorService threads = Executors.newCachedThreadPool();
    CountDownLatch released = new CountDownLatch(1);
    CountDownLatch waits = new CountDownLatch(3);
    CountDownLatch looks = new CountDownLatch(100);
    try {
      DispatchingTimer timer = new DispatchingTimer(scheduler, threads);
      for (int i = 0; i < 3; i++) {
        timer.after(
            SOON,
            () -> {
              waits.countDown();
              try {
                released.await();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
      }
      waits.await();
      look(timer, looks);
      looks.await();
    } finally {
      released.countDown();
      threads.shutdownNow();
    }
  }

  private static void look(Timer timer, CountDownLatch looks) {
    looks.countDown();
    if (looks.getCount() > 0) {
      timer.after(SOON, () -> look(timer, looks));
    }
  }

  @Test
  void whatFindsNoThreadIsDoneLater() throws Exception {
    AtomicInteger refusals = new AtomicInteger();
    CountDownLatch done = new CountDownLatch(1);
    ExecutorService threads =
        new ThreadPoolExecutor(0, 1, 1, TimeUnit.SECONDS, new SynchronousQueue<>()) {
          @Override
          public void execute(Runnable task) {
            switch (refusals.incrementAndGet()) {
              case 1 -> throw new RejectedExecutionException("full");
              case 2 -> throw new OutOfMemoryError("unable to create native thread");
              default -> super.execute(task);
            }
          }
        };
    try {
      new DispatchingTimer(scheduler, threads).after(SOON, done::countDown);
      done.await();
      assertThat(refusals).hasValue(3);
    } finally {
      threads.shutdownNow();
    }
  }
}

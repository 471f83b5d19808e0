package io.netchannel.time;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

final class RepeatedTest {
  /** Without it the first exception would be the last run. */
  @Test
  void aTimerGoesOnAfterWhateverARunThrows() throws Exception {
    CountDownLatch runs = new CountDownLatch(5);
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    try {
      var unused =
          timer.scheduleAtFixedRate(
              Repeated.of(
                  "the test",
                  () -> {
                    runs.countDown();
                    if (runs.getCount() % 2 == 0) {
                      throw new IllegalStateException("for the test");
                    }
                    throw new OutOfMemoryError("unable to create native thread");
                  }),
              1,
              1,
              TimeUnit.MILLISECONDS);
      assertThat(runs.await(30, TimeUnit.SECONDS)).as("runs again and again").isTrue();
    } finally {
      timer.shutdownNow();
    }
  }
}

package io.netchannel.device.legs;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** The clock that stands still while its user rests. */
final class WorkingTimeTest {
  private final AtomicLong clock = new AtomicLong(100);

  /** Happens when the clock is read next. */
  private final AtomicReference<Runnable> meanwhile = new AtomicReference<>(() -> {});

  private final WorkingTime time = new WorkingTime(this::readClock);

  private long readClock() {
    meanwhile.getAndSet(() -> {}).run();
    return clock.get();
  }

  @Test
  void theTimeAtRestIsNone() {
    time.rest();
    clock.addAndGet(1000);
    assertThat(time.getAsLong()).isEqualTo(100);
    time.goOn();
    assertThat(time.getAsLong()).isEqualTo(100);
    clock.addAndGet(7);
    assertThat(time.getAsLong()).isEqualTo(107);
  }

  /** Else who had been kept from going on would see all that time at once. */
  @Test
  void whoReadsItOverTheBeginningOfARestSeesNoneOfThat() {
    meanwhile.set(
        () -> {
          time.rest();
          clock.addAndGet(1000);
        });
    assertThat(time.getAsLong()).isEqualTo(100);
  }
}

package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Work that waits for storage. */
@Timeout(60)
final class StorageThreadsTest {
  private static final Duration BOUND = Duration.ofSeconds(30);

  private final StorageThreads threads = new StorageThreads(2);
  private final CountDownLatch healed = new CountDownLatch(1);

  @AfterEach
  void close() {
    healed.countDown();
    threads.close();
  }

  private CompletableFuture<String> hangs() {
    return threads.run(
        () -> {
          healed.await();
          return "late";
        });
  }

  @Test
  void whatHangsHoldsNobodyUp() throws Exception {
    CompletableFuture<String> hung = hangs();
    assertThat(threads.run(() -> "well")).succeedsWithin(BOUND).isEqualTo("well");
    assertThat(hung).isNotDone();
    healed.countDown();
    assertThat(hung.get(BOUND.toSeconds(), TimeUnit.SECONDS)).isEqualTo("late");
  }

  @Test
  void whenEveryThreadHangsTheNextIsToldSo() {
    CompletableFuture<String> first = hangs();
    CompletableFuture<String> second = hangs();
    assertThat(threads.run(() -> "never"))
        .failsWithin(BOUND)
        .withThrowableThat()
        .withMessageContaining("2 threads wait for storage that does not answer");
    healed.countDown();
    assertThat(first).succeedsWithin(BOUND).isEqualTo("late");
    assertThat(second).succeedsWithin(BOUND).isEqualTo("late");
  }

  @Test
  void whatIsThrownIsTheAnswer() {
    assertThat(
            threads.run(
                () -> {
                  throw new IOException("no such device");
                }))
        .failsWithin(BOUND)
        .withThrowableThat()
        .withMessageContaining("no such device");
    assertThat(
            threads.run(
                () -> {
                  throw new StackOverflowError("also an error");
                }))
        .failsWithin(BOUND)
        .withThrowableThat()
        .withMessageContaining("also an error");
  }

  @Test
  void afterTheEndNothingIsBegun() {
    threads.close();
    assertThat(threads.run(() -> "never"))
        .failsWithin(BOUND)
        .withThrowableThat()
        .withMessageContaining("shutting down");
  }
}

package io.netchannel.device.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Extents;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class DelayFilterTest {
  private final HeldDevice device = new HeldDevice();
  private final ManualTimer timer = new ManualTimer();
  private final ByteBuffer data = BlockBuffers.allocate(512);
  private final List<Outcome> outcomes = new ArrayList<>();

  /** Runs a task when the test says so. */
  private static final class ManualTimer extends ScheduledThreadPoolExecutor {
    private final List<Runnable> tasks = new ArrayList<>();
    private final List<Duration> delays = new ArrayList<>();

    ManualTimer() {
      super(1);
    }

    @Override
    public ScheduledFuture<?> schedule(Runnable task, long delay, TimeUnit unit) {
      tasks.add(task);
      delays.add(Duration.of(delay, unit.toChronoUnit()));
      return null;
    }
  }

  @AfterEach
  void endTimer() {
    timer.shutdownNow();
  }

  @Test
  void eachKindIsHeldBackForItsOwnTime() throws Exception {
    Device slow = around("read=300ms,write=2s,flush=50us,discard=1min,zero=3s");
    slow.read(0, data, outcomes::add);
    slow.write(512, data, outcomes::add);
    slow.flush(outcomes::add);
    slow.discard(4096, 8192, outcomes::add);
    slow.zero(8192, 4096, false, outcomes::add);
    assertThat(device.arrived).isEmpty();
    assertThat(timer.delays)
        .containsExactly(
            Duration.ofMillis(300),
            Duration.ofSeconds(2),
            Duration.ofNanos(50_000),
            Duration.ofMinutes(1),
            Duration.ofSeconds(3));

    timer.tasks.forEach(Runnable::run);
    assertThat(device.arrived)
        .containsExactly(
            "read 0+512", "write 512+512", "flush", "discard 4096+8192", "zero 8192+4096");
    assertThat(outcomes).isEmpty();
    device.completions.forEach(completion -> completion.complete(Outcome.OK));
    assertThat(outcomes).hasSize(5).containsOnly(Outcome.OK);
  }

  /** A filter that kept it to itself would say that it is durable. */
  @Test
  void whereTheDiskIsIsForTheDeviceBelow() throws Exception {
    Device slow = around("read=300ms");
    assertThat(slow.moved("file:/new")).isNotDone();
    assertThat(slow.arrived()).isCompleted();
    assertThat(device.arrived).containsExactly("moved to file:/new", "arrived");
  }

  @Test
  void whatHasNoDelayPassesAtOnce() throws Exception {
    Device slow = around("write=1s,jitter=10ms");
    slow.read(0, data, outcomes::add);
    slow.flush(outcomes::add);
    slow.zero(0, 512, true, outcomes::add);
    assertThat(device.arrived).containsExactly("read 0+512", "flush", "zero 0+512, a hole will do");
    assertThat(Requests.zeros(slow, 512, 1024)).containsExactly(new Extents.Run(512, 1024));
    assertThat(timer.tasks).isEmpty();
  }

  @Test
  void jitterIsAddedUpToItsValueAndRepeatableByItsSeed() throws Exception {
    for (int run = 0; run < 2; run++) {
      Device slow = around("write=1s,jitter=100ms,seed=7");
      for (int i = 0; i < 50; i++) {
        slow.write(0, data, outcomes::add);
      }
    }
    assertThat(timer.delays)
        .allMatch(delay -> !delay.minusMillis(1000).isNegative())
        .allMatch(delay -> delay.minusMillis(1100).isNegative());
    assertThat(timer.delays.subList(0, 50))
        .doesNotHaveDuplicates()
        .isEqualTo(timer.delays.subList(50, 100));
  }

  @Test
  void closeWaitsForWhatIsHeldBackAndClosesTheDevice() throws Exception {
    Device slow = around("write=1s");
    slow.write(0, data, outcomes::add);
    CompletableFuture<Void> closed = CompletableFuture.runAsync(slow::close);
    assertThat(closed).isNotDone();
    assertThat(device.closed).isFalse();
    CompletableFuture<Void> again = CompletableFuture.runAsync(slow::close);
    assertThatThrownBy(() -> again.get(200, TimeUnit.MILLISECONDS))
        .isInstanceOf(TimeoutException.class);
    assertThat(device.closed).isFalse();
    timer.tasks.get(0).run();
    closed.orTimeout(60, TimeUnit.SECONDS).join();
    again.orTimeout(60, TimeUnit.SECONDS).join();
    assertThat(device.arrived).containsExactly("write 0+512");
    assertThat(device.closed).isTrue();
    slow.write(512, data, outcomes::add);
    assertThat(device.arrived).as("after close").hasSize(2);
    slow.close();
  }

  @ParameterizedTest
  @CsvSource({
    "'read=300', 'not a duration'",
    "'read=-1s', 'not a duration'",
    "'read', 'is not name=value'",
    "'reed=1s', 'read, write, flush, discard, zero, jitter, seed'",
    "'read=1s,read=2s', 'given twice'",
    "'seed=x', 'not a whole number'",
  })
  void saysWhatIsWrongWithItsOptions(String options, String words) {
    assertThatThrownBy(() -> DelayFilter.parse(options, timer))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("filter delay")
        .hasMessageContaining(words);
  }

  private Device around(String options) throws DeviceException {
    return DelayFilter.parse(options, timer).around(device);
  }
}

package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.mirror.DifferenceMap;
import io.netchannel.device.mirror.MirrorDevice;
import io.netchannel.device.mirror.MirrorSettings;
import io.netchannel.device.mirror.MirrorState;
import io.netchannel.vdevice.block.RingLayout.Wire;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A request on its way from the ring to the device and back makes no object: a collector that has
 * nothing to collect never stops a guest's I/O. Holds for interpreted code as well, so it does not
 * matter what the compiler has done by now.
 */
final class SteadyPathTest {
  /** Pools and queues grow to what the depth needs, classes are loaded. */
  private static final int WARM_UP_REQUESTS = 4096;

  private static final int REQUESTS = 32_768;

  /** Below the smallest object there is, for each request. */
  private static final double BYTES_PER_REQUEST = 1;

  @TempDir private Path directory;
  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @ParameterizedTest
  @CsvSource({Wire.READ + ", 1", Wire.READ + ", 32", Wire.WRITE + ", 1", Wire.WRITE + ", 32"})
  void aRequestAllocatesNothing(int operation, int depth) {
    try (SteadyGuest guest = new SteadyGuest()) {
      exchange(guest, operation, depth, WARM_UP_REQUESTS);
      long before = threads.getCurrentThreadAllocatedBytes();
      exchange(guest, operation, depth, REQUESTS);
      long bytes = threads.getCurrentThreadAllocatedBytes() - before;
      assertThat((double) bytes / REQUESTS).as("bytes per request").isLessThan(BYTES_PER_REQUEST);
      assertThat(guest.status().answered()).isEqualTo(WARM_UP_REQUESTS + REQUESTS);
    }
  }

  /**
   * The copier is held, as it makes objects of its own; the guest's requests are what is counted.
   */
  @ParameterizedTest
  @CsvSource({
    Wire.READ + ", false",
    Wire.WRITE + ", false",
    Wire.READ + ", true",
    Wire.WRITE + ", true"
  })
  void aRequestThroughAMirrorAllocatesNothing(int operation, boolean inSync) {
    try (SteadyGuest guest = new SteadyGuest()) {
      MirrorDevice[] made = new MirrorDevice[1];
      guest.under(
          leader -> {
            made[0] =
                new MirrorDevice(
                    leader,
                    new MemoryDevice(SteadyGuest.DISK_BYTES),
                    new MirrorSettings(
                        false, false, false, true, false, MirrorSettings.LEG_TIMEOUT),
                    new BufferBudget(16L * BufferBudget.UNIT_BYTES),
                    () ->
                        CompletableFuture.failedFuture(new IllegalStateException("not asked for")),
                    System::nanoTime);
            return made[0];
          });
      MirrorDevice mirror = made[0];
      if (!inSync) {
        mirror.bandwidth(1);
      }
      mirror.resume();
      assertThat(mirror.status().state())
          .isEqualTo(inSync ? MirrorState.SYNC : MirrorState.COPYING);
      exchange(guest, operation, SteadyGuest.MAX_DEPTH, WARM_UP_REQUESTS);
      long before = threads.getCurrentThreadAllocatedBytes();
      exchange(guest, operation, SteadyGuest.MAX_DEPTH, REQUESTS);
      long bytes = threads.getCurrentThreadAllocatedBytes() - before;
      assertThat((double) bytes / REQUESTS).as("bytes per request").isLessThan(BYTES_PER_REQUEST);
      assertThat(mirror.status().state())
          .isEqualTo(inSync ? MirrorState.SYNC : MirrorState.COPYING);
    }
  }

  /** One that stays: begun in sync, or with the second leg away. */
  @ParameterizedTest
  @CsvSource({
    Wire.READ + ", false",
    Wire.WRITE + ", false",
    Wire.READ + ", true",
    Wire.WRITE + ", true"
  })
  void aRequestThroughALastingMirrorAllocatesNothing(int operation, boolean inSync) {
    try (SteadyGuest guest = new SteadyGuest()) {
      MirrorDevice[] made = new MirrorDevice[1];
      guest.under(
          leader -> {
            made[0] =
                MirrorDevice.lasting(
                    leader,
                    new MemoryDevice(SteadyGuest.DISK_BYTES),
                    Optional.empty(),
                    differing(),
                    MirrorSettings.lasting(false, MirrorSettings.LEG_TIMEOUT),
                    new BufferBudget(16L * BufferBudget.UNIT_BYTES),
                    () ->
                        CompletableFuture.failedFuture(new IllegalStateException("not asked for")),
                    System::nanoTime);
            return made[0];
          });
      MirrorDevice mirror = made[0];
      if (inSync) {
        mirror.beginInSync();
      }
      MirrorState state = inSync ? MirrorState.SYNC : MirrorState.PAUSED;
      exchange(guest, operation, SteadyGuest.MAX_DEPTH, WARM_UP_REQUESTS);
      long before = threads.getCurrentThreadAllocatedBytes();
      exchange(guest, operation, SteadyGuest.MAX_DEPTH, REQUESTS);
      long bytes = threads.getCurrentThreadAllocatedBytes() - before;
      assertThat((double) bytes / REQUESTS).as("bytes per request").isLessThan(BYTES_PER_REQUEST);
      assertThat(mirror.status().state()).isEqualTo(state);
    }
  }

  private DifferenceMap differing() {
    try {
      return DifferenceMap.create(directory.resolve("map"), SteadyGuest.DISK_BYTES);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void anObjectPerRequestWouldBeSeen() {
    Object[] kept = new Object[1];
    long before = threads.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < REQUESTS; i++) {
      kept[0] = new Object();
    }
    long bytes = threads.getCurrentThreadAllocatedBytes() - before;
    assertThat((double) bytes / REQUESTS).isGreaterThan(BYTES_PER_REQUEST);
  }

  private static void exchange(SteadyGuest guest, int operation, int depth, int requests) {
    for (int done = 0; done < requests; done += depth) {
      guest.exchange(operation, depth);
    }
  }
}

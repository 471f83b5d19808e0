package io.netchannel.device.usb.soft;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UsbDevice;
import java.nio.ByteBuffer;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Submission, unlinking, unplugging and completion, all on threads of their own. */
final class SoftPortThreadsTest {
  private static final int BULK = 0x81;
  private static final int INTERRUPT = 0x82;
  private static final int ROUNDS = 3_000;

  /** Far longer than it takes; only a lost completion reaches it. */
  private static final long BOUND_SECONDS = 60;

  private final ScheduledExecutorService executor = Executors.newScheduledThreadPool(2);

  @AfterEach
  void endExecutor() {
    executor.shutdownNow();
  }

  @Test
  void eachUrbCompletesOnce() throws Exception {
    SoftPort port = new SoftPort(new SoftSourceSink("S"), executor, System::nanoTime);
    Urb configure = new Urb();
    configure.control(0x0001_0900L, ByteBuffer.allocateDirect(0));
    CountDownLatch configured = new CountDownLatch(1);
    port.submit(configure, 1, urb -> configured.countDown());
    assertThat(configured.await(BOUND_SECONDS, TimeUnit.SECONDS)).isTrue();

    AtomicInteger completions = new AtomicInteger();
    Thread bulk = new Thread(() -> submitAndUnlink(port, BULK, 1, completions));
    Thread interrupt = new Thread(() -> submitAndUnlink(port, INTERRUPT, 2, completions));
    bulk.start();
    interrupt.start();
    for (int i = 0; i < 20; i++) {
      port.unplug();
      port.plug();
    }
    bulk.join();
    interrupt.join();
    port.close();
    assertThat(completions.get()).isEqualTo(2 * ROUNDS);
  }

  private static void submitAndUnlink(
      UsbDevice port, int endpoint, int seed, AtomicInteger completions) {
    Random random = new Random(seed);
    for (int i = 0; i < ROUNDS; i++) {
      Urb urb = new Urb();
      ByteBuffer data = ByteBuffer.allocateDirect(64);
      if (endpoint == BULK) {
        urb.bulk(endpoint, data, false);
      } else {
        urb.interrupt(endpoint, data, false, 0);
      }
      port.submit(urb, 1 + random.nextInt(3), done -> completions.incrementAndGet());
      if (random.nextBoolean()) {
        port.unlink(urb);
      }
    }
  }
}

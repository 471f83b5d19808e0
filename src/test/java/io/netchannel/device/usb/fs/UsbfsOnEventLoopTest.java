package io.netchannel.device.usb.fs;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.server.Loops;
import io.netty.channel.IoEventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A device on real event loops, while URBs are unlinked and loops come and go: every URB ends,
 * once. {@code -Dnetchannel.seed=N} repeats the events of a run.
 */
@Timeout(60)
final class UsbfsOnEventLoopTest {
  private static final int URBS = 20_000;
  private static final int EVENTS = 200;

  @TempDir private Path directory;
  private final long seed = Long.getLong("netchannel.seed", ThreadLocalRandom.current().nextLong());
  private final Random random = new Random(seed);

  /** Also more than the kernel is given at a time. */
  private final int depth = random.nextBoolean() ? 16 : PluggedDevice.MAX_IN_KERNEL + 16;

  private final AtomicInteger left = new AtomicInteger(URBS - depth);
  private final CountDownLatch ended = new CountDownLatch(URBS);
  private UsbDevice device;

  private void submit(Urb urb) {
    urb.clearOutcome();
    device.submit(urb, 1, this::again);
  }

  private void again(Urb done) {
    ended.countDown();
    if (left.getAndDecrement() > 0) {
      submit(done);
    }
  }

  @RepeatedTest(3)
  void everyUrbEnds() throws Exception {
    System.out.println("-Dnetchannel.seed=" + seed);
    ExecutorService hardware = Executors.newSingleThreadExecutor();
    IoEventLoopGroup loops = new MultiThreadIoEventLoopGroup(2, EpollIoHandler.newFactory());
    UsbfsRig rig = new UsbfsRig(directory);
    rig.sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42");
    EventFdUsbfs usbfs = new EventFdUsbfs(hardware, new Random(seed));
    device = rig.kind(usbfs).open("port=3-1.2", UsbOpenOptions.PLAIN);
    device.completeOn(Loops.of(loops.next()));
    Urb[] urbs = new Urb[depth];
    for (int i = 0; i < depth; i++) {
      urbs[i] = new Urb();
      urbs[i].bulk(TestDescriptors.BULK_IN, ByteBuffer.allocateDirect(8), false);
      submit(urbs[i]);
    }
    for (int i = 0; i < EVENTS && ended.getCount() > 0; i++) {
      awaitMore(random.nextInt(URBS / EVENTS));
      switch (random.nextInt(8)) {
        case 0 -> device.completeOn(Loops.of(loops.next()));
        case 1 -> completeOnOneThatEnds();
        default -> device.unlink(urbs[random.nextInt(depth)]);
      }
    }
    ended.await();
    device.close();
    assertThat(left.get()).isEqualTo(-depth);
    loops.shutdownGracefully(0, 0, TimeUnit.SECONDS).syncUninterruptibly();
    hardware.shutdown();
  }

  /** By a task of its own, as that of a connection which its server closes. */
  private void completeOnOneThatEnds() {
    IoEventLoopGroup own = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
    device.completeOn(Loops.of(own.next()));
    own.execute(
        () -> {
          var unused = own.shutdownGracefully(0, 2, TimeUnit.SECONDS);
        });
  }

  private void awaitMore(int more) {
    long bound = Math.max(0, ended.getCount() - more);
    while (ended.getCount() > bound) {
      if (Thread.interrupted()) {
        throw new AssertionError(ended.getCount() + " URBs have not ended");
      }
      Thread.onSpinWait();
    }
  }
}

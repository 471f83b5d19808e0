package io.netchannel.device.usb.fs;

import static io.netchannel.device.usb.fs.TestUrbs.bulk;
import static io.netchannel.device.usb.fs.TestUrbs.setInterface;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.jna.Pointer;
import com.sun.management.ThreadMXBean;
import io.netchannel.device.usb.DescriptorLoop;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A device whose completions are told on an event loop: here, on the test's thread. */
@Timeout(30)
final class UsbfsOnLoopTest {
  @TempDir private Path directory;
  private final ScriptedLoop loop = new ScriptedLoop();
  private UsbfsRig rig;
  private ScriptedUsbfs usbfs;
  private DescriptorLoop.Watcher watcher;

  @BeforeEach
  void open() throws Exception {
    rig = new UsbfsRig(directory);
    usbfs = rig.usual();
    rig.device().completeOn(loop);
    watcher = loop.watcher();
  }

  @AfterEach
  void close() {
    rig.close();
  }

  /** The loop is told again and again, also while the device's thread is awake. */
  private void until(BooleanSupplier done) {
    while (!done.getAsBoolean()) {
      watcher.ready(false);
    }
  }

  @Test
  void whatIsDoneIsTold() {
    CompletableFuture<Urb> first = rig.submit(bulk(TestDescriptors.BULK_IN, 8));
    CompletableFuture<Urb> second = rig.submit(bulk(TestDescriptors.BULK_IN, 8));
    CompletableFuture<Urb> third = rig.submit(bulk(TestDescriptors.BULK_IN, 8));
    Pointer[] urbs = usbfs.awaitSubmitted(3);
    usbfs.complete(urbs[0], 0, 8);
    usbfs.complete(urbs[1], -Errno.EPIPE, 0);
    until(second::isDone);
    assertThat(first.join().status()).isEqualTo(UrbStatus.OK);
    assertThat(second.join().status()).isEqualTo(UrbStatus.STALL);
    assertThat(third).isNotDone();
  }

  @Test
  void whatIsUnlinkedIsDiscardedByTheDevicesThread() {
    Urb urb = bulk(TestDescriptors.BULK_IN, 8);
    CompletableFuture<Urb> outcome = rig.submit(urb);
    usbfs.awaitSubmitted();
    rig.device().unlink(urb);
    usbfs.awaitCall("discard");
    until(outcome::isDone);
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.CANCELLED);
  }

  /** The kernel holds up whoever would reap meanwhile. */
  @Test
  void nothingIsReapedByTheLoopWhileARequestBlocks() {
    CompletableFuture<Urb> outcome = rig.submit(bulk(TestDescriptors.BULK_IN, 8));
    Pointer urb = usbfs.awaitSubmitted();
    usbfs.hold("interface 1 1");
    CompletableFuture<Urb> blocks = rig.submit(setInterface(1, 1));
    usbfs.awaitCall("interface 1 1");
    usbfs.complete(urb, 0, 8);
    watcher.ready(false);
    assertThat(outcome).isNotDone();
    assertThat(loop.calls()).containsExactly("watch 42", "ignore");
    usbfs.goOn();
    assertThat(blocks.join().status()).isEqualTo(UrbStatus.OK);
    assertThat(outcome.join().actualBytes()).isEqualTo(8);
  }

  @Test
  void aDeviceThatIsGoneIsToldAsEver() {
    CompletableFuture<Urb> first = rig.submit(bulk(TestDescriptors.BULK_IN, 8));
    CompletableFuture<Urb> second = rig.submit(bulk(TestDescriptors.PARKED_IN, 8));
    Pointer[] urbs = usbfs.awaitSubmitted(2);
    rig.sysfs.unplug("3-1.2");
    usbfs.complete(urbs[0], 0, 8);
    usbfs.complete(urbs[1], -Errno.ESHUTDOWN, 0);
    usbfs.setGone();
    watcher.ready(true);
    assertThat(first.join().status()).isEqualTo(UrbStatus.OK);
    assertThat(second.join().status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(loop.calls()).containsExactly("watch 42", "cancel");
  }

  @Test
  void aLoopThatEndsLeavesItToTheDevicesThread() {
    CompletableFuture<Urb> outcome = rig.submit(bulk(TestDescriptors.BULK_IN, 8));
    watcher.over();
    usbfs.complete(usbfs.awaitSubmitted(), 0, 8);
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.OK);
  }

  @Test
  void noLoopWaitsForADeviceThatIsClosed() {
    rig.close();
    assertThat(loop.calls()).containsExactly("watch 42", "cancel");
    assertThat(usbfs.isClosed()).isTrue();
  }

  @Test
  void aTransferMakesNoObject() {
    usbfs.setEcho();
    Urb urb = new Urb();
    ByteBuffer data = ByteBuffer.allocateDirect(512);
    exchange(urb, data, 4096);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    int count = 16_384;
    exchange(urb, data, count);
    long bytes = threads.getCurrentThreadAllocatedBytes() - before;
    assertThat((double) bytes / count).as("bytes a transfer").isLessThan(1);
  }

  private void exchange(Urb urb, ByteBuffer data, int count) {
    AtomicInteger done = new AtomicInteger();
    UrbCompletion completion = each -> done.incrementAndGet();
    for (int i = 0; i < count; i++) {
      urb.bulk(TestDescriptors.BULK_IN, data, false);
      rig.device().submit(urb, 1, completion);
      while (done.get() == i) {
        watcher.ready(false);
      }
    }
  }
}

package io.netchannel.device.usb.fs;

import static io.netchannel.device.usb.fs.TestUrbs.bulk;
import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.DescriptorLoop;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpenOptions.User;
import io.netchannel.device.usb.shared.SharedDevices;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The kernel sees nothing of a change of owner but that URBs end. */
@Timeout(60)
final class SharedUsbfsTest {
  @TempDir private Path directory;
  private final ExecutorService executor = Executors.newSingleThreadExecutor();
  private UsbKind kind;
  private ScriptedUsbfs usbfs;

  @BeforeEach
  void plug() throws Exception {
    UsbfsRig rig = new UsbfsRig(directory);
    rig.sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42");
    usbfs = rig.script();
    kind = new SharedDevices(executor, () -> 0).around("usb", rig.kind());
  }

  @AfterEach
  void end() {
    executor.shutdownNow();
  }

  private UsbDevice open(long generation) throws Exception {
    return kind.open("port=3-1.2", UsbOpenOptions.of(new User("6b0f/usb1", generation)));
  }

  private static CompletableFuture<UrbStatus> submit(UsbDevice to, Urb urb) {
    CompletableFuture<UrbStatus> ended = new CompletableFuture<>();
    to.submit(urb, to.port().incarnation(), done -> ended.complete(done.status()));
    return ended;
  }

  private static UrbStatus await(CompletableFuture<UrbStatus> ended) throws Exception {
    return ended.get(30, TimeUnit.SECONDS);
  }

  @Test
  void aDeviceGoesThereAndBackWithNoCallThatTheKernelActsUpon() throws Exception {
    UsbDevice home = open(1);
    usbfs.takeCalls();
    CompletableFuture<UrbStatus> alternate = submit(home, TestUrbs.setInterface(1, 1));
    assertThat(await(alternate)).isEqualTo(UrbStatus.OK);
    assertThat(usbfs.takeCalls()).isNotEmpty();

    UsbDevice away = open(2);
    assertThat(away.port()).isEqualTo(home.port());
    assertThat(away.port().plugged().orElseThrow().alternates()).containsEntry(1, 1);
    CompletableFuture<UrbStatus> there = submit(away, bulk(TestDescriptors.BULK_IN, 512));
    usbfs.complete(usbfs.awaitSubmitted(), 0, 1);
    assertThat(await(there)).isEqualTo(UrbStatus.OK);
    home.useGeneration(3);
    away.close();
    CompletableFuture<UrbStatus> here = submit(home, bulk(TestDescriptors.BULK_IN, 512));
    usbfs.complete(usbfs.awaitSubmitted(), 0, 1);
    assertThat(await(here)).isEqualTo(UrbStatus.OK);
    assertThat(home.port().plugged().orElseThrow().alternates()).containsEntry(1, 1);
    assertThat(usbfs.takeCalls()).isEmpty();
    assertThat(usbfs.isClosed()).isFalse();
    home.close();
    assertThat(usbfs.isClosed()).isTrue();
  }

  /** As that of a connection to the export, which is beside the guest's port. */
  @Test
  void theLoopOfTheOwnerWaitsForTheDeviceAsLongAsItIsTheOwners() throws Exception {
    UsbDevice home = open(1);
    UsbDevice away = open(2);
    ScriptedLoop loop = new ScriptedLoop();
    away.completeOn(loop);
    DescriptorLoop.Watcher watcher = loop.watcher();
    CompletableFuture<UrbStatus> there = submit(away, bulk(TestDescriptors.BULK_IN, 512));
    usbfs.complete(usbfs.awaitSubmitted(), 0, 1);
    while (!there.isDone()) {
      watcher.ready(false);
    }
    assertThat(there.join()).isEqualTo(UrbStatus.OK);
    home.useGeneration(3);
    loop.awaitCall("cancel");
    CompletableFuture<UrbStatus> here = submit(home, bulk(TestDescriptors.BULK_IN, 512));
    usbfs.complete(usbfs.awaitSubmitted(), 0, 1);
    assertThat(await(here)).isEqualTo(UrbStatus.OK);
    away.close();
    home.close();
  }

  /** An owner that was not sealed: its URB is discarded, and the next one's comes after that. */
  @Test
  void whatTheOwnerBeforeHasIsDiscardedFirst() throws Exception {
    UsbDevice home = open(1);
    CompletableFuture<UrbStatus> old = submit(home, bulk(TestDescriptors.PARKED_IN, 512));
    var unused = usbfs.awaitSubmitted();
    usbfs.takeCalls();
    usbfs.hold("discard");
    UsbDevice away = open(2);
    CompletableFuture<UrbStatus> next = submit(away, bulk(TestDescriptors.PARKED_IN, 512));
    usbfs.awaitCall("discard");
    assertThat(usbfs.submittedCount()).as("the kernel still has it").isEqualTo(1);
    usbfs.goOn();
    assertThat(await(old)).isEqualTo(UrbStatus.CANCELLED);
    usbfs.complete(usbfs.awaitSubmitted(), 0, 5);
    assertThat(await(next)).isEqualTo(UrbStatus.OK);
    home.close();
    away.close();
  }
}

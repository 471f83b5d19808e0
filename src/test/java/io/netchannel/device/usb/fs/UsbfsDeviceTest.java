package io.netchannel.device.usb.fs;

import static io.netchannel.device.usb.fs.TestUrbs.bulk;
import static io.netchannel.device.usb.fs.TestUrbs.control;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.jna.Pointer;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What is opened, claimed, comes and goes, and is given back. */
@Timeout(30)
final class UsbfsDeviceTest {
  @TempDir private Path directory;
  private UsbfsRig rig;

  @BeforeEach
  void make() throws Exception {
    rig = new UsbfsRig(directory);
  }

  @AfterEach
  void close() {
    rig.close();
  }

  /** The states that the listener has seen. */
  private BlockingQueue<PortState> states() {
    BlockingQueue<PortState> states = new LinkedBlockingQueue<>();
    rig.device().listen(() -> states.add(rig.device().port()));
    return states;
  }

  @Test
  void allOfItIsClaimedAtOnce() throws Exception {
    rig.sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42");
    ScriptedUsbfs usbfs = rig.script();
    UsbDevice device = rig.open("id=1209:0003,serial=NC42");
    assertThat(usbfs.takeCalls()).containsExactly("claim 0", "claim 1");
    assertThat(device.port().incarnation()).isEqualTo(1);
    assertThat(device.port().plugged().orElseThrow().serial()).contains("NC42");
  }

  @Test
  void whatAnotherProgramHasIsRefusedInWords() {
    rig.sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42");
    ScriptedUsbfs usbfs = rig.script().gives("claim 1", -Errno.EBUSY);
    assertThatThrownBy(() -> rig.open("port=3-1.2"))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining(
            "1209:0003 at port 3-1.2 (bus 3, device 7) is in use by another guest")
        .hasMessageContaining("EBUSY")
        .hasMessageContaining("fuser -v");
    assertThat(usbfs.takeCalls()).containsExactly("claim 0", "claim 1", "release 0", "connect 0");
    assertThat(usbfs.isClosed()).isTrue();
  }

  @Test
  void whatAnotherProgramIsSeenToHaveIsNotTouched() {
    rig.sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42");
    rig.sysfs.bind("3-1.2", 1, 0, "cdc_acm");
    rig.sysfs.bind("3-1.2", 1, 1, "usbfs");
    ScriptedUsbfs usbfs = rig.script();
    assertThatThrownBy(() -> rig.open("port=3-1.2"))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("is in use by another guest or program of this host (EBUSY)");
    assertThat(usbfs.takeCalls()).isEmpty();
  }

  @Test
  void hubsAreRefused() {
    rig.sysfs.plug("usb3", 3, 1, TestDescriptors.hub(), null);
    rig.sysfs.plug("3-1", 3, 2, TestDescriptors.hub(), null);
    assertThatThrownBy(() -> rig.open("port=3-1"))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("3-1 (bus 3, device 2) is a hub");
  }

  @Test
  void anIdentityThatSeveralHaveIsRefused() {
    rig.sysfs.plug("3-1", 3, 7, TestDescriptors.usual(), "NC42");
    rig.sysfs.plug("3-2", 3, 8, TestDescriptors.usual(), "NC42");
    assertThatThrownBy(() -> rig.open("id=1209:0003,serial=NC42"))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining(
            "expected one device usb:id=1209:0003,serial=NC42, found 2: at ports 3-1, 3-2");
  }

  @Test
  void aDeviceAtSuperSpeedIsShownAtHighSpeed() throws Exception {
    rig.sysfs.plug("4-1", 4, 2, TestDescriptors.superSpeed(), "NC42", "5000", "1");
    ScriptedUsbfs usbfs = rig.script();
    PortState.Plugged plugged = rig.open("port=4-1").port().plugged().orElseThrow();
    assertThat(plugged.speed()).isEqualTo(UsbSpeed.HIGH);
    assertThat(plugged.descriptors().bytes()[7]).isEqualTo((byte) 64);

    CompletableFuture<Urb> asked = rig.submit(control(0x80, 6, 0x100, 0, 18));
    Pointer urb = usbfs.awaitSubmitted();
    ScriptedUsbfs.data(urb).write(8, TestDescriptors.superSpeed(), 0, 18);
    usbfs.complete(urb, 0, 18);
    assertThat(asked.join().data().get(7)).isEqualTo((byte) 64);
    CompletableFuture<Urb> other = rig.submit(control(0x80, 6, 0x200, 0, 18));
    urb = usbfs.awaitSubmitted();
    ScriptedUsbfs.data(urb).write(8, TestDescriptors.superSpeed(), 0, 18);
    usbfs.complete(urb, 0, 18);
    assertThat(other.join().data().get(7)).as("of anything else").isEqualTo((byte) 9);
  }

  @Test
  void slowDevicesAreShownAsTheyAre() throws Exception {
    rig.sysfs.plug("1-1", 1, 2, TestDescriptors.usual(), "A", "1.5", "1");
    rig.sysfs.plug("1-2", 1, 3, TestDescriptors.usual(), "B", "12", "1");
    rig.script();
    rig.script();
    assertThat(rig.open("port=1-1").port().plugged().orElseThrow().speed()).isEqualTo(UsbSpeed.LOW);
    assertThat(rig.open("port=1-2").port().plugged().orElseThrow().speed())
        .isEqualTo(UsbSpeed.FULL);
  }

  @Test
  void allIsReapedBeforeItIsToldThatTheDeviceIsGone() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    BlockingQueue<PortState> states = states();
    assertThat(states.take().plugged()).isPresent();
    CompletableFuture<Urb> first = rig.submit(bulk(TestDescriptors.BULK_IN, 8));
    CompletableFuture<Urb> second = rig.submit(bulk(TestDescriptors.PARKED_IN, 8));
    Pointer[] urbs = usbfs.awaitSubmitted(2);
    rig.sysfs.unplug("3-1.2");
    usbfs.complete(urbs[0], 0, 8); // the last word of the device
    usbfs.setTimeStands(); // it is waited for, but not for ever
    usbfs.setGone();
    assertThat(first.join().status()).isEqualTo(UrbStatus.OK);
    // Gone, and the kernel has one that it has not ended yet.
    usbfs.awaitCall("discard");
    assertThat(states).isEmpty();
    assertThat(usbfs.isClosed()).isFalse();
    usbfs.complete(urbs[1], -Errno.ESHUTDOWN, 0);
    assertThat(second.join().status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(states.take()).isEqualTo(new PortState(1, Optional.empty()));
    assertThat(usbfs.isClosed()).isTrue();
    assertThat(rig.submit(bulk(TestDescriptors.BULK_IN, 8)).join().status())
        .isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(rig.device().reset().join()).isEqualTo(UrbStatus.NO_DEVICE);
  }

  @Test
  void whatComesBackIsANewIncarnation() throws Exception {
    ScriptedUsbfs first = rig.usual();
    BlockingQueue<PortState> states = states();
    states.take();
    rig.sysfs.unplug("3-1.2");
    first.setGone();
    assertThat(states.take().plugged()).isEmpty();

    ScriptedUsbfs second = rig.script();
    rig.sysfs.plug("3-1.2", 3, 8, TestDescriptors.of(0x1209, 0x0004), null);
    rig.hotPlug();
    PortState now = states.take();
    assertThat(now.incarnation()).isEqualTo(2);
    assertThat(now.plugged().orElseThrow().descriptors()).hasToString("1209:0004");
    assertThat(second.takeCalls()).containsExactly("claim 0", "claim 1");
    assertThat(rig.submit(bulk(TestDescriptors.BULK_IN, 8), 1).join().status())
        .isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(second.submittedCount()).isZero();
    var unused = rig.submit(bulk(TestDescriptors.BULK_IN, 8), 2);
    second.awaitSubmitted();
  }

  @Test
  void anIdentityIsFollowedToAnotherPort() throws Exception {
    rig.sysfs.plug("3-1", 3, 7, TestDescriptors.usual(), "NC42");
    ScriptedUsbfs first = rig.script();
    rig.open("id=1209:0003,serial=NC42");
    BlockingQueue<PortState> states = states();
    states.take();
    rig.sysfs.unplug("3-1");
    first.setGone();
    states.take();
    rig.script();
    rig.sysfs.plug("3-2", 3, 8, TestDescriptors.usual(), "OTHER");
    rig.sysfs.plug("3-4", 3, 9, TestDescriptors.usual(), "NC42");
    rig.hotPlug();
    assertThat(states.take().plugged().orElseThrow().serial()).contains("NC42");
  }

  @Test
  void anEmptyPortIsOpenAndWaits() throws Exception {
    UsbDevice device = rig.open("port=3-1.2");
    assertThat(device.port()).isEqualTo(PortState.EMPTY);
    assertThat(device.problem()).isEmpty();
    assertThat(rig.submit(bulk(TestDescriptors.BULK_IN, 8)).join().status())
        .isEqualTo(UrbStatus.NO_DEVICE);
  }

  /** The node comes first, the kernel's configuration a moment later. */
  @Test
  void aDeviceIsClaimedOnceTheKernelHasConfiguredIt() throws Exception {
    rig.open("port=3-1.2");
    BlockingQueue<PortState> states = states();
    states.take();
    rig.sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42", "480", "");
    rig.hotPlug();
    rig.sysfs.configure("3-1.2", 1);
    ScriptedUsbfs usbfs = rig.script(); // whoever looks before finds no script, and looks again
    assertThat(states.take().plugged().orElseThrow().configuration()).isEqualTo(1);
    assertThat(usbfs.takeCalls()).containsExactly("claim 0", "claim 1");
  }

  @Test
  void aDeviceThatCannotBeHadIsSaidAndTriedAgain() throws Exception {
    rig.open("port=3-1.2");
    BlockingQueue<PortState> states = states();
    states.take();
    BlockingQueue<Optional<String>> problems = new LinkedBlockingQueue<>();
    rig.otherwise(
        () -> {
          ScriptedUsbfs busy = new ScriptedUsbfs().gives("claim 0", -Errno.EBUSY);
          busy.within("claim 0", () -> problems.add(rig.device().problem()));
          return busy;
        });
    rig.sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42");
    rig.hotPlug();
    assertThat(problems.take()).isEmpty();
    rig.hotPlug();
    assertThat(problems.take())
        .as("also while it is tried again")
        .hasValueSatisfying(
            words -> assertThat(words).contains("in use by another guest or program"));
    rig.script();
    rig.hotPlug();
    assertThat(states.take().plugged()).isPresent();
    assertThat(rig.device().problem()).isEmpty();
  }

  @Test
  void atTheEndAllIsReapedAndTheKernelsDriversHaveItBack() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    CompletableFuture<Urb> parked = rig.submit(bulk(TestDescriptors.PARKED_IN, 8));
    usbfs.awaitSubmitted();
    rig.device().close();
    assertThat(parked).isDone();
    assertThat(parked.join().status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(usbfs.takeCalls())
        .containsExactly("discard", "release 0", "release 1", "connect 0", "connect 1");
    assertThat(usbfs.isClosed()).isTrue();
    assertThat(rig.submit(bulk(TestDescriptors.BULK_IN, 8)).join().status())
        .isEqualTo(UrbStatus.NO_DEVICE);
    rig.device().close();
  }

  /** Only then is its memory nobody's. */
  @Test
  void whatTheKernelNeverEndsIsToldOnceUsbfsIsClosed() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    boolean[] closed = new boolean[1];
    Urb parked = bulk(TestDescriptors.PARKED_IN, 8);
    CompletableFuture<Urb> outcome = new CompletableFuture<>();
    rig.device()
        .submit(
            parked,
            1,
            urb -> {
              closed[0] = usbfs.isClosed();
              outcome.complete(urb);
            });
    usbfs.awaitSubmitted();
    usbfs.gives("discard", -Errno.EINVAL);
    usbfs.setTimeFlies();
    rig.device().close();
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(closed[0]).isTrue();
    assertThat(rig.memory.usedBytes()).isZero();
  }

  @Test
  void theDriversDoNotHaveItWhereItIsKept() throws Exception {
    rig.sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42");
    ScriptedUsbfs usbfs = rig.script();
    rig.open("port=3-1.2,driver=keep").close();
    assertThat(usbfs.takeCalls()).doesNotContain("connect 0").contains("release 1");

    ScriptedUsbfs again = rig.script();
    UsbDevice device = rig.open("port=3-1.2");
    device.keepPlace(); // its user comes again
    device.close();
    assertThat(again.takeCalls()).doesNotContain("connect 0").contains("release 1");
  }

  @Test
  void aLookClaimsNothing() throws Exception {
    rig.sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42");
    UsbDevice device = rig.kind().open("port=3-1.2", UsbOpenOptions.PROBE);
    assertThat(device.port().plugged().orElseThrow().descriptors()).hasToString("1209:0003");
    CompletableFuture<Urb> outcome = new CompletableFuture<>();
    device.submit(bulk(TestDescriptors.BULK_IN, 8), 1, outcome::complete);
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.NO_DEVICE);
  }
}

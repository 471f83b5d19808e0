package io.netchannel.device.usb.fs;

import static io.netchannel.device.usb.fs.TestUrbs.bulk;
import static io.netchannel.device.usb.fs.TestUrbs.clearHalt;
import static io.netchannel.device.usb.fs.TestUrbs.control;
import static io.netchannel.device.usb.fs.TestUrbs.setConfiguration;
import static io.netchannel.device.usb.fs.TestUrbs.setInterface;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.jna.Pointer;
import io.netchannel.device.usb.PortState.Plugged;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Requests that change what a device is, and the reset, are done as the host has to. */
@Timeout(30)
final class SpecialRequestsTest {
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

  private ScriptedUsbfs ofTwoConfigurations() throws Exception {
    rig.sysfs.plug("3-1.2", 3, 7, TestDescriptors.ofTwoConfigurations(), "NC42");
    ScriptedUsbfs script = rig.script();
    rig.open("port=3-1.2");
    script.takeCalls();
    return script;
  }

  private UrbStatus done(Urb urb) {
    return rig.submit(urb).join().status();
  }

  private Plugged plugged() {
    return rig.device().port().plugged().orElseThrow();
  }

  @Test
  void anAddressNeverGetsThrough() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    assertThat(done(control(0, TestUrbs.SET_ADDRESS, 5, 0, 0))).isEqualTo(UrbStatus.INVALID);
    assertThat(usbfs.submittedCount()).isZero();
    assertThat(usbfs.takeCalls()).isEmpty();
  }

  /** A bulk transfer has no setup packet, whatever was in it before. */
  @Test
  void onlyControlTransfersAreSpecial() {
    Urb urb = setConfiguration(1);
    assertThat(SpecialRequests.kind(urb)).isEqualTo(SpecialRequests.Kind.SET_CONFIGURATION);
    urb.bulk(2, urb.data(), false);
    assertThat(SpecialRequests.kind(urb)).isEqualTo(SpecialRequests.Kind.ORDINARY);
  }

  @Test
  void aConfigurationIsSetWithNothingClaimed() throws Exception {
    ScriptedUsbfs usbfs = ofTwoConfigurations();
    assertThat(done(setConfiguration(2))).isEqualTo(UrbStatus.OK);
    assertThat(usbfs.takeCalls())
        .containsExactly("release 0", "release 1", "configuration 2", "claim 0", "claim 1");
    assertThat(plugged().configuration()).isEqualTo(2);
    assertThat(done(setConfiguration(2))).as("resets its toggles").isEqualTo(UrbStatus.OK);
    assertThat(usbfs.takeCalls()).contains("configuration 2");
    assertThat(done(setConfiguration(0))).isEqualTo(UrbStatus.OK);
    assertThat(usbfs.takeCalls()).containsExactly("release 0", "release 1", "configuration 0");
    assertThat(plugged().configuration()).isZero();
  }

  @Test
  void theOnlyConfigurationIsNotSetTwiceButIsAsNew() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    assertThat(done(setConfiguration(1))).isEqualTo(UrbStatus.OK);
    assertThat(usbfs.takeCalls()).isEmpty();

    assertThat(done(setInterface(1, 1))).isEqualTo(UrbStatus.OK);
    CompletableFuture<Urb> stalls = rig.submit(bulk(TestDescriptors.BULK_IN, 8));
    usbfs.complete(usbfs.awaitSubmitted(), -Errno.EPIPE, 0);
    stalls.join();
    usbfs.takeCalls();
    assertThat(done(setConfiguration(1))).isEqualTo(UrbStatus.OK);
    assertThat(usbfs.takeCalls()).containsExactly("interface 1 0", "clear 82");
    assertThat(plugged().alternates()).containsEntry(1, 0);
    assertThat(plugged().halted()).isEmpty();
  }

  @Test
  void aConfigurationThatDoesNotExistStalls() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    usbfs.gives("configuration 9", -Errno.EINVAL);
    assertThat(done(setConfiguration(9))).isEqualTo(UrbStatus.STALL);
    assertThat(usbfs.takeCalls()).endsWith("configuration 9", "claim 0", "claim 1");
    assertThat(plugged().configuration()).isEqualTo(1);
  }

  @Test
  void theKernelsDriversGetTheConfigurationThatTheyHad() throws Exception {
    ScriptedUsbfs usbfs = ofTwoConfigurations();
    done(setConfiguration(2));
    usbfs.takeCalls();
    rig.device().close();
    assertThat(usbfs.takeCalls()).containsExactly("release 0", "release 1", "configuration 1");
  }

  @Test
  void aSettingKillsWhatIsOutstandingThere() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    CompletableFuture<Urb> killed = rig.submit(bulk(TestDescriptors.PARKED_IN, 8));
    Pointer urb = usbfs.awaitSubmitted();
    usbfs.within("interface 0 1", () -> usbfs.complete(urb, -Errno.ENOENT, 0));
    assertThat(done(setInterface(0, 1))).isEqualTo(UrbStatus.OK);
    assertThat(killed.join().status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(plugged().alternates()).containsEntry(0, 1);
    usbfs.gives("interface 0 7", -Errno.EINVAL);
    assertThat(done(setInterface(0, 7))).isEqualTo(UrbStatus.STALL);
    assertThat(plugged().alternates()).containsEntry(0, 1);
  }

  @Test
  void aHaltIsClearedAtHostAndDevice() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    CompletableFuture<Urb> stalls = rig.submit(bulk(TestDescriptors.BULK_IN, 8));
    usbfs.complete(usbfs.awaitSubmitted(), -Errno.EPIPE, 0);
    stalls.join();
    assertThat(plugged().halted()).containsExactly(TestDescriptors.BULK_IN);
    assertThat(done(clearHalt(TestDescriptors.BULK_IN))).isEqualTo(UrbStatus.OK);
    assertThat(usbfs.takeCalls()).containsExactly("clear 82");
    assertThat(plugged().halted()).isEmpty();
  }

  @Test
  void aHaltOfEndpointZeroIsTheDevices() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    CompletableFuture<Urb> outcome = rig.submit(clearHalt(0x80));
    usbfs.complete(usbfs.awaitSubmitted(), 0, 0);
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.OK);
    assertThat(usbfs.takeCalls()).isEmpty();
  }

  @Test
  void aHaltThatIsSetIsKnown() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    CompletableFuture<Urb> outcome = rig.submit(control(2, 3, 0, TestDescriptors.BULK_OUT, 0));
    usbfs.complete(usbfs.awaitSubmitted(), 0, 0);
    outcome.join();
    assertThat(plugged().halted()).containsExactly(TestDescriptors.BULK_OUT);
  }

  @Test
  void aResetIsDoneWithNothingOutstandingOrClaimed() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    CompletableFuture<Urb> parked = rig.submit(bulk(TestDescriptors.PARKED_IN, 8));
    usbfs.awaitSubmitted();
    assertThat(rig.device().reset().join()).isEqualTo(UrbStatus.OK);
    assertThat(parked.join().status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(usbfs.takeCalls())
        .containsExactly("discard", "release 0", "release 1", "reset", "claim 0", "claim 1");
  }

  @Test
  void aResetThatTheDeviceDoesNotSurviveIsTold() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    usbfs.gives("reset", -Errno.ENODEV);
    assertThat(rig.device().reset().join()).isEqualTo(UrbStatus.NO_DEVICE);
    usbfs.gives("reset", 0).gives("claim 1", -Errno.EBUSY);
    assertThat(rig.device().reset().join()).as("taken meanwhile").isEqualTo(UrbStatus.PROTOCOL);
  }

  /** Whoever came to the kernel meanwhile would stand there. */
  @Test
  void whatIsSubmittedWhileItIsResetWaitsAndKeepsItsOrder() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    usbfs.hold("reset");
    CompletableFuture<UrbStatus> reset = rig.device().reset();
    usbfs.awaitCall("reset");
    CompletableFuture<Urb> first = rig.submit(bulk(TestDescriptors.BULK_IN, 1));
    CompletableFuture<Urb> configured = rig.submit(setInterface(1, 1));
    CompletableFuture<Urb> last = rig.submit(bulk(TestDescriptors.PARKED_IN, 3));
    Urb given = bulk(TestDescriptors.PARKED_IN, 4);
    CompletableFuture<Urb> givenUp = rig.submit(given);
    assertThat(usbfs.submittedCount()).isZero();
    rig.device().unlink(given);
    usbfs.goOn();
    assertThat(reset.join()).isEqualTo(UrbStatus.OK);
    assertThat(configured.join().status()).isEqualTo(UrbStatus.OK);
    assertThat(givenUp.join().status()).isEqualTo(UrbStatus.CANCELLED);
    Pointer[] urbs = usbfs.awaitSubmitted(2);
    assertThat(List.of(length(urbs[0]), length(urbs[1]))).containsExactly(1, 3);
    usbfs.complete(urbs[0], 0, 1);
    usbfs.complete(urbs[1], 0, 3);
    first.join();
    last.join();
    assertThat(usbfs.takeCalls()).containsSubsequence("reset", "claim 1", "interface 1 1");
  }

  @Test
  void whatIsUnlinkedMeanwhileIsDiscardedAfterwards() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    Urb parked = bulk(TestDescriptors.PARKED_IN, 8);
    CompletableFuture<Urb> outcome = rig.submit(parked);
    usbfs.awaitSubmitted();
    usbfs.hold("interface 1 1");
    CompletableFuture<Urb> set = rig.submit(setInterface(1, 1));
    usbfs.awaitCall("interface 1 1");
    rig.device().unlink(parked);
    usbfs.goOn();
    assertThat(set.join().status()).isEqualTo(UrbStatus.OK);
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.CANCELLED);
  }

  @Test
  void whoClosesMeanwhileIsHeardAfterwards() throws Exception {
    ScriptedUsbfs usbfs = rig.usual();
    usbfs.hold("reset");
    CompletableFuture<UrbStatus> reset = rig.device().reset();
    usbfs.awaitCall("reset");
    int wakes = usbfs.wakes();
    CompletableFuture<Void> closed = CompletableFuture.runAsync(() -> rig.device().close());
    usbfs.awaitWakes(wakes + 1);
    usbfs.goOn();
    closed.join();
    assertThat(reset).isCompleted();
    assertThat(usbfs.takeCalls()).endsWith("connect 0", "connect 1");
  }

  private static int length(Pointer urb) {
    return urb.getInt(UsbfsLayout.BUFFER_LENGTH);
  }
}

package io.netchannel.midpoint.usb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbSpeed;
import io.netchannel.midpoint.MidPoint.State;
import io.netchannel.midpoint.usb.UsbGuest.Killed;
import io.netchannel.midpoint.usb.UsbManifest.Kind;
import io.netchannel.midpoint.usb.UsbManifest.Unanswered;
import io.netchannel.vdevice.usb.PipeType;
import io.netchannel.vdevice.usb.PortMemory;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A guest that goes on at another host with its USB port; and one that does not, after all. */
final class UsbMoveTest {
  private static final int HID = 0x03;
  private static final int MASS_STORAGE = 0x08;
  private static final int COMMUNICATIONS_DATA = 0x0a;
  private static final int WIRELESS = 0xe0;
  private static final int VENDOR = 0xff;

  /** The fixed driver keeps three from reads. */
  private static final int FIXED_SLOTS = XenHcdModel.SLOTS - 3;

  private static final Duration BOUND = Duration.ofSeconds(1);

  private static UsbGuest guest(Driver driver) {
    return new UsbGuest(new BufferBudget(BufferBudget.UNIT_BYTES), driver).served();
  }

  /** It has been given an address, as any device that is used. */
  private static UsbGuest addressed(Driver driver) {
    UsbGuest guest = guest(driver);
    guest.setAddress(5, 0);
    guest.settle();
    return guest;
  }

  private static UsbGuest withDevice(int usbClass) {
    UsbGuest guest = guest(Driver.FIXED);
    guest.device.unplug();
    guest.device.plug(UsbSpeed.FULL, usbClass);
    guest.settle();
    guest.setAddress(5, 0);
    guest.settle();
    return guest;
  }

  private static GuestUrb interrupt(UsbGuest guest) {
    return guest.driver.submit(
        GuestUrb.of(guest.domain, PipeType.INTERRUPT, UsbGuest.BULK_IN, 8, 0)
            .interval(8)
            .address(5));
  }

  private static void settleLater(UsbGuest guest) {
    guest.nanos += TimeUnit.MILLISECONDS.toNanos(20);
    guest.settle();
  }

  private static Throwable refusal(UsbGuest guest) {
    CompletableFuture<UsbManifest> sealed = guest.midPoint.seal(BOUND);
    guest.settle();
    assertThat(sealed).isCompletedExceptionally();
    return sealed.handle((manifest, problem) -> problem).join();
  }

  // ---- moves

  @ParameterizedTest
  @EnumSource(Driver.class)
  void aKeyboardGoesOnWithoutAKeyLost(Driver driver) {
    UsbGuest source = addressed(driver);
    GuestUrb before = interrupt(source);
    source.settle();
    source.device.serveNext();
    GuestUrb parked = interrupt(source);
    source.settle();
    UsbGuest next = source.moved().resumed();
    GuestUrb window = interrupt(next);
    next.settle();
    GuestUrb after = interrupt(next);
    next.settle();
    assertThat(next.device.submitted).hasSize(2);
    next.device.serveNext();
    next.device.serveNext();
    next.settle();
    assertThat(parked.status()).as("unlinked by the freeze").isEqualTo(-104);
    assertThat(List.of(before, window, after))
        .extracting(urb -> urb.bytes(0, urb.actualBytes()))
        .containsExactly(Gadget.report(0, 8), Gadget.report(1, 8), Gadget.report(2, 8));
    assertThat(next.driver.speeds()).as("nothing is shown").containsExactly(2);
    assertThat(next.driver.failure()).isEmpty();
    assertThat(next.port.deviceAddress()).isEqualTo(5);
    assertThat(next.gadget.resets).isZero();
    assertThat(next.midPoint.lost()).isEmpty();
    assertThat(source.milestones).isEmpty();
    assertThat(next.milestones).containsExactly("connected", "first request");
    settleLater(next);
    assertThat(next.midPoint.orphans()).isEqualTo(driver == Driver.FIXED ? 0 : 1);
    assertThat(next.midPoint.uncoveredResponses()).isEqualTo(driver == Driver.STOCK ? 1 : 0);
    assertThat(source.device.closed).isTrue();
    assertThat(source.device.submitted).isEmpty();
  }

  @Test
  void theManifestHasWhatTheGuestKnows() {
    UsbGuest source = addressed(Driver.STOCK);
    source.suspend();
    UsbManifest manifest = source.seal();
    assertThat(manifest.generation()).isEqualTo(1);
    assertThat(manifest.resumes()).isFalse();
    assertThat(manifest.port().address()).isEqualTo(5);
    assertThat(manifest.port().told()).isNotEmpty();
    assertThat(manifest.mark()).isPresent();
    assertThat(manifest.device().orElseThrow().configuration()).isEqualTo(1);
    assertThat(manifest.device().orElseThrow().speed()).isEqualTo(UsbSpeed.FULL);
    assertThat(manifest.unanswered()).isEmpty();
    assertThat(UsbGuest.sent(manifest)).isEqualTo(manifest);
    assertThat(source.midPoint.status().state()).isEqualTo(State.SEALED);
  }

  @ParameterizedTest
  @EnumSource(Driver.class)
  void itGoesOnAndComesBackAgainAndAgain(Driver driver) {
    UsbGuest host = addressed(driver);
    for (int move = 0; move < 4; move++) {
      interrupt(host);
      interrupt(host);
      settleLater(host);
      host = host.moved().resumed();
      GuestUrb urb = interrupt(host);
      host.settle();
      host.device.serveNext();
      host.settle();
      assertThat(urb.bytes(0, 8)).isEqualTo(Gadget.report(move, 8));
      assertThat(host.driver.outstanding()).isZero();
      assertThat(host.driver.freeIds()).isEqualTo(XenHcdModel.SLOTS);
    }
    assertThat(host.driver.speeds()).containsExactly(2);
    assertThat(host.driver.failure()).isEmpty();
  }

  @Test
  void anotherDeviceIsShownAsAnother() {
    UsbGuest source = addressed(Driver.FIXED);
    source.pluggedClass = 0x03;
    UsbGuest next = source.moved().resumed();
    GuestUrb late = interrupt(next);
    next.settle();
    assertThat(next.driver.speeds()).containsExactly(2, 0, 2);
    assertThat(late.status()).as("it was for the one before").isEqualTo(-19);
    assertThat(next.device.submitted).isEmpty();
  }

  @Test
  void thatNothingIsThereIsShown() {
    UsbGuest source = addressed(Driver.FIXED);
    source.suspend();
    UsbManifest manifest = source.seal();
    UsbGuest next = new UsbGuest(source);
    next.device.unplug();
    next.await(next.midPoint.takeOver(next.device, 2, manifest));
    next.resumed().settle();
    assertThat(next.driver.speeds()).containsExactly(2, 0);
  }

  /** Somebody has used it meanwhile: what the guest has set is not there any more. */
  @Test
  void aDeviceThatWasSetOtherwiseIsShownAnew() {
    UsbGuest source = addressed(Driver.FIXED);
    source.suspend();
    UsbManifest manifest = source.seal();
    UsbGuest next = new UsbGuest(source);
    next.device.configured(0);
    next.await(next.midPoint.takeOver(next.device, 2, manifest));
    next.resumed().settle();
    assertThat(next.driver.speeds()).containsExactly(2, 0, 2);
  }

  @Test
  void aManifestWithWhatTheDeviceHasNotIsRefused() {
    UsbGuest source = addressed(Driver.FIXED);
    source.device.configured(7);
    source.suspend();
    UsbManifest manifest = source.seal();
    UsbGuest next = new UsbGuest(source);
    CompletableFuture<Void> taken = next.midPoint.takeOver(next.device, 2, manifest);
    next.midPoint.doWork();
    assertThatThrownBy(taken::join).hasMessageContaining("has no such ones");
    assertThat(next.device.closed).isTrue();
  }

  /** What was unplugged at the source while the guest stood still must not be taken for another. */
  @Test
  void anUnplugThatTheGuestHasNotSeenIsNotForgotten() {
    UsbGuest source = addressed(Driver.STOCK);
    source.suspend();
    source.device.unplug();
    source.device.plug(UsbSpeed.FULL, 0xff);
    source.midPoint.doWork();
    UsbManifest manifest = source.seal();
    assertThat(manifest.port()).isEqualTo(PortMemory.OF_ANOTHER);
    UsbGuest next = new UsbGuest(source);
    next.await(next.midPoint.takeOver(next.device, 2, manifest));
    GuestUrb late = interrupt(next.resumed());
    next.settle();
    assertThat(next.driver.speeds()).containsExactly(2, 0, 2);
    assertThat(late.status()).isEqualTo(-19);
    assertThat(next.device.submitted).isEmpty();
  }

  @Test
  void withoutADeviceNothingIsSealed() {
    UsbGuest empty = new UsbGuest();
    assertThat(empty.seal()).isEqualTo(UsbManifest.nothing(0));
    empty.await(empty.midPoint.unseal(3));
    empty.await(empty.midPoint.serve(empty.device, 3));
    empty.settle();
    assertThat(empty.driver.speeds()).containsExactly(2);
  }

  // ---- the gate

  @Test
  void aStockGuestWithAClassThatFillsTheRingStays() {
    for (int usbClass : new int[] {MASS_STORAGE, 0x02, COMMUNICATIONS_DATA, WIRELESS}) {
      UsbGuest source = addressed(Driver.STOCK);
      source.device.unplug();
      source.device.plug(UsbSpeed.FULL, usbClass);
      settleLater(source);
      assertThat(source.midPoint.obstacle())
          .hasValueSatisfying(
              why ->
                  assertThat(why)
                      .contains(
                          "class %02x".formatted(usbClass),
                          "netchannel-xen-hcd-dkms",
                          "migrate=\"replug\"",
                          "detach-usb"));
      assertThat(refusal(source)).hasMessage(source.midPoint.obstacle().orElseThrow());
      GuestUrb urb = source.setAddress(1, 0);
      source.settle();
      assertThat(urb.status()).as("it goes on").isZero();
    }
  }

  @Test
  void aFixedGuestGoesWithAnyClassAndAFullRing() {
    UsbGuest source = withDevice(MASS_STORAGE);
    for (int urb = 0; urb < FIXED_SLOTS; urb++) {
      interrupt(source);
    }
    settleLater(source);
    assertThat(source.midPoint.obstacle()).isEmpty();
    source.pluggedClass = MASS_STORAGE;
    UsbGuest next = source.moved().resumed();
    List<GuestUrb> urbs = new ArrayList<>();
    for (int urb = 0; urb < FIXED_SLOTS; urb++) {
      urbs.add(interrupt(next));
    }
    next.settle();
    assertThat(next.device.submitted).hasSize(FIXED_SLOTS);
    while (!next.device.submitted.isEmpty()) {
      next.device.serveNext();
    }
    next.settle();
    assertThat(urbs).allMatch(urb -> urb.status() == 0);
    assertThat(next.driver.failure()).isEmpty();
  }

  @Test
  void aStockGuestWithMoreThanItsRingCanLoseStays() {
    UsbGuest source = addressed(Driver.STOCK);
    for (int urb = 0; urb < 8; urb++) {
      interrupt(source);
    }
    settleLater(source);
    assertThat(source.midPoint.obstacle()).isEmpty();
    source.out(new byte[100]);
    settleLater(source);
    assertThat(source.midPoint.obstacle())
        .hasValueSatisfying(why -> assertThat(why).contains("9 transfers at once", "room for 8"));
    source.restart();
    source.settle();
    settleLater(source);
    assertThat(source.midPoint.obstacle()).as("the next daemon knows").isPresent();
    while (!source.device.submitted.isEmpty()) {
      source.device.serveNext();
    }
    source.suspend();
    assertThat(refusal(source)).hasMessageContaining("corrupt the guest's memory");
  }

  /** What a driver unlinks it takes no data of: none must be on its way then. */
  @ParameterizedTest
  @ValueSource(ints = {HID, COMMUNICATIONS_DATA, VENDOR})
  void whatADeviceHasToSayWhenItsGuestIsAskedToSuspendStaysThere(int usbClass) {
    UsbGuest source = withDevice(usbClass);
    GuestUrb first = interrupt(source);
    GuestUrb second = interrupt(source);
    source.settle();
    source.device.serveNext();
    source.settle();
    assertThat(first.actualBytes()).isEqualTo(8);
    source.midPoint.suspending(true);
    source.settle();
    source.device.endUnlinked();
    GuestUrb third = interrupt(source);
    source.settle();
    assertThat(source.device.submitted).as("nothing is read any more").isEmpty();
    assertThat(List.of(second, third)).allMatch(urb -> urb.status() == GuestUrb.IN_PROGRESS);
    source.midPoint.suspending(false);
    source.settle();
    assertThat(source.device.submitted).as("the guest goes on after all").hasSize(2);
    source.device.serveNext();
    source.device.serveNext();
    source.settle();
    assertThat(List.of(first, second, third))
        .extracting(urb -> urb.bytes(0, urb.actualBytes()))
        .containsExactly(Gadget.report(0, 8), Gadget.report(1, 8), Gadget.report(2, 8));
  }

  @Test
  void whatCameBeforeItWasCalledBackIsTheGuests() {
    UsbGuest source = addressed(Driver.FIXED);
    GuestUrb read = interrupt(source);
    source.settle();
    source.midPoint.suspending(true);
    source.settle();
    source.device.serveNext();
    source.settle();
    assertThat(read.status()).isZero();
    assertThat(read.bytes(0, read.actualBytes())).isEqualTo(Gadget.report(0, 8));
  }

  /** The relief of a freeze finds reads that are on their way back from the device. */
  @Test
  void aReadThatWasCalledBackEndsWhenItsUnlinkWasForgotten() {
    UsbGuest source = addressed(Driver.STOCK);
    List<GuestUrb> reads = new ArrayList<>();
    for (int urb = 0; urb < XenHcdModel.SLOTS; urb++) {
      reads.add(interrupt(source));
    }
    source.settle();
    assertThat(source.device.submitted).hasSize(XenHcdModel.SLOTS);
    source.nanos += TimeUnit.MILLISECONDS.toNanos(20);
    source.suspend();
    assertThat(reads).allMatch(urb -> urb.timesGivenBack() == 1 && urb.actualBytes() == 0);
    assertThat(source.device.submitted).isEmpty();
    assertThat(source.driver.failure()).isEmpty();
  }

  /** The process dies at any of its notes of the unlink; the next one knows of the suspend. */
  @Test
  void aReadThatIsKeptBackEndsWhenAProcessBeforeHadTakenItsUnlink() {
    boolean killed = true;
    for (int stores = 1; killed; stores++) {
      UsbGuest source = addressed(Driver.FIXED);
      source.midPoint.suspending(true);
      source.settle();
      GuestUrb first = interrupt(source);
      GuestUrb second = interrupt(source);
      source.settle();
      assertThat(source.device.submitted).as("they are kept back").isEmpty();
      source.driver.unlink(second);
      killed = killedAfter(stores, source);
      source.suspending = true;
      source.restart();
      source.settle();
      assertThat(second.timesGivenBack()).as("%d stores", stores).isEqualTo(1);
      assertThat(first.timesGivenBack()).as("%d stores", stores).isZero();
      assertThat(source.driver.failure()).isEmpty();
    }
  }

  private static boolean killedAfter(int stores, UsbGuest guest) {
    guest.storesToLive = stores;
    try {
      guest.settle();
      return false;
    } catch (Killed now) {
      return true;
    }
  }

  /** It answers what the guest has asked for: a task that waits for that does not freeze. */
  @Test
  void aStickIsReadUntilTheGuestHasFrozen() {
    UsbGuest source = withDevice(MASS_STORAGE);
    GuestUrb before = interrupt(source);
    source.settle();
    source.midPoint.suspending(true);
    GuestUrb after = interrupt(source);
    source.settle();
    assertThat(source.device.submitted).hasSize(2);
    assertThat(source.device.unlinked).isEmpty();
    source.device.serveNext();
    source.device.serveNext();
    source.settle();
    assertThat(List.of(before, after)).allMatch(urb -> urb.status() == 0);
  }

  /** As much as a guest may have, with an unlink of each: no id is left, and none is missing. */
  @Test
  void aStockGuestThatMayGoIsNotHarmedByItsNextFreeze() {
    UsbGuest host = addressed(Driver.STOCK);
    for (int move = 0; move < 3; move++) {
      while (host.driver.outstanding() < 8) {
        interrupt(host);
      }
      settleLater(host);
      assertThat(host.midPoint.obstacle()).isEmpty();
      host = host.moved().resumed();
      for (int urb = 0; urb <= 4 * move; urb++) {
        interrupt(host);
      }
    }
    host.settle();
    assertThat(host.driver.failure()).isEmpty();
  }

  @Test
  void aPortThatIsWithdrawnIsNoObstacleAndIsSeenAgainElsewhere() {
    UsbGuest source = addressed(Driver.STOCK);
    source.device.unplug();
    source.pluggedClass = MASS_STORAGE;
    source.device.plug(UsbSpeed.FULL, MASS_STORAGE);
    source.settle();
    source.setAddress(6, 0);
    source.settle();
    GuestUrb urb =
        source.driver.submit(
            GuestUrb.of(source.domain, PipeType.BULK, UsbGuest.BULK_IN, 64, 0).address(6));
    settleLater(source);
    CompletableFuture<Void> withdrawn = source.midPoint.withdraw();
    source.settle();
    assertThat(source.driver.speeds()).endsWith(2, 0);
    assertThat(withdrawn).as("its URB has no answer").isNotDone();
    source.driver.unlink(urb);
    source.settle();
    source.device.endUnlinked();
    settleLater(source);
    assertThat(withdrawn).isCompleted();
    assertThat(source.midPoint.obstacle()).isEmpty();
    UsbGuest next = source.moved().resumed();
    next.settle();
    assertThat(next.driver.speeds()).endsWith(2, 0, 2);
    assertThat(next.driver.failure()).isEmpty();
  }

  /** Its drivers have not heard that the device has gone: they go on where it resumes. */
  @Test
  void aPortThatIsWithdrawnWhileTheGuestFreezesIsNoneThatItHasGivenUp() {
    UsbGuest source = addressed(Driver.STOCK);
    source.device.unplug();
    source.device.plug(UsbSpeed.FULL, COMMUNICATIONS_DATA);
    source.settle();
    source.setAddress(6, 0);
    settleLater(source);
    source.midPoint.suspending(true);
    CompletableFuture<Void> withdrawn = source.midPoint.withdraw();
    source.suspend();
    assertThat(withdrawn).isNotDone();
    assertThat(refusal(source)).hasMessageContaining("class 0a");
    source.midPoint.suspending(false);
    settleLater(source);
    assertThat(withdrawn).isCompleted();
    assertThat(source.midPoint.obstacle()).isEmpty();
  }

  @Test
  void aPortThatIsShownAgainIsPlugged() {
    UsbGuest source = addressed(Driver.STOCK);
    interrupt(source);
    source.settle();
    CompletableFuture<Void> withdrawn = source.midPoint.withdraw();
    source.settle();
    source.await(source.midPoint.show());
    source.settle();
    assertThat(withdrawn).isCompletedExceptionally();
    assertThat(source.driver.speeds()).containsExactly(2, 0, 2);
  }

  @Test
  void whoWaitsForAWithdrawnPortHearsOfItsEnd() {
    UsbGuest source = addressed(Driver.STOCK);
    interrupt(source);
    source.settle();
    CompletableFuture<Void> first = source.midPoint.withdraw();
    CompletableFuture<Void> second = source.midPoint.withdraw();
    source.settle();
    assertThatThrownBy(first::join).hasMessageContaining("withdrawn again");
    assertThat(second).isNotDone();
    source.midPoint.close();
    assertThatThrownBy(second::join).hasMessageContaining("served here no more");
  }

  // ---- no move after all

  /** The guest was not suspended: what it has at the device comes back, and is given anew. */
  @Test
  void anUnsealGivesTheDeviceAgainWhatCameBackUntouched() {
    UsbGuest source = addressed(Driver.FIXED);
    GuestUrb in = interrupt(source);
    GuestUrb brought =
        source.driver.submit(GuestUrb.of(source.domain, PipeType.BULK, 0x82, 64, 0).address(5));
    GuestUrb out = source.out(new byte[100]);
    source.settle();
    CompletableFuture<UsbManifest> sealed = source.midPoint.seal(BOUND);
    source.midPoint.doWork();
    assertThat(source.device.unlinked).hasSize(3);
    source.device.submitted.get(1).urb().data().put(0, Gadget.report(9, 32));
    source.device.complete(source.device.submitted.get(1), UrbStatus.CANCELLED, 32);
    source.device.endUnlinked();
    GuestUrb untaken = interrupt(source);
    source.midPoint.doWork();
    UsbManifest manifest = sealed.join();
    assertThat(manifest.incomplete()).isEqualTo(3);
    assertThat(manifest.unanswered())
        .extracting(Unanswered::kind, Unanswered::outcome, Unanswered::actualBytes)
        .containsExactly(
            tuple(Kind.INTERRUPT, Optional.empty(), 0),
            tuple(Kind.BULK, Optional.of(UrbStatus.CANCELLED), 32),
            tuple(Kind.BULK, Optional.of(UrbStatus.CANCELLED), 0));
    source.settle();
    assertThat(in.status()).as("sealed").isEqualTo(GuestUrb.IN_PROGRESS);
    source.await(source.midPoint.unseal(2));
    source.settle();
    assertThat(brought.status()).isZero();
    assertThat(brought.bytes(0, brought.actualBytes())).isEqualTo(Gadget.report(9, 32));
    assertThat(out.status()).as("nobody knows").isEqualTo(-71);
    assertThat(source.device.submitted).hasSize(2);
    source.device.serveNext();
    source.device.serveNext();
    source.settle();
    assertThat(in.bytes(0, 8)).isEqualTo(Gadget.report(0, 8));
    assertThat(untaken.bytes(0, 8)).isEqualTo(Gadget.report(1, 8));
    assertThat(source.driver.failure()).isEmpty();
  }

  @Test
  void aSealThatTakesTooLongFailsAndAllGoesOn() {
    UsbGuest source = addressed(Driver.FIXED);
    GuestUrb in = interrupt(source);
    source.settle();
    CompletableFuture<UsbManifest> sealed = source.midPoint.seal(BOUND);
    source.settle();
    assertThat(sealed).isNotDone();
    source.nanos += BOUND.toNanos() + 1;
    source.settle();
    assertThatThrownBy(sealed::join).hasMessageContaining("1 requests at the device after 1000 ms");
    source.device.endUnlinked();
    source.settle();
    assertThat(source.device.submitted).as("again").hasSize(1);
    source.device.serveNext();
    source.settle();
    assertThat(in.bytes(0, 8)).isEqualTo(Gadget.report(0, 8));
  }

  @Test
  void aStockGuestThatKeepsRequestsIsNotSealed() {
    UsbGuest source = addressed(Driver.STOCK);
    GuestUrb in = interrupt(source);
    source.settle();
    CompletableFuture<UsbManifest> sealed = source.midPoint.seal(BOUND);
    source.midPoint.doWork();
    source.device.endUnlinked();
    source.settle();
    assertThatThrownBy(sealed::join).hasMessageContaining("1 USB requests unanswered");
    source.device.serveNext();
    source.settle();
    assertThat(in.bytes(0, 8)).isEqualTo(Gadget.report(0, 8));
  }

  /** Its driver sends it again elsewhere, though its data has come: that is not hidden. */
  @Test
  void dataOfARequestThatTheGuestKeepsIsALostPort() {
    UsbGuest source = addressed(Driver.FIXED);
    interrupt(source);
    source.settle();
    CompletableFuture<UsbManifest> sealed = source.midPoint.seal(BOUND);
    source.midPoint.doWork();
    source.device.complete(source.device.next(), UrbStatus.CANCELLED, 8);
    source.midPoint.doWork();
    source.domain.suspend();
    UsbGuest next = new UsbGuest(source);
    next.await(next.midPoint.takeOver(next.device, 2, UsbGuest.sent(sealed.join())));
    next.resumed().settle();
    assertThat(next.midPoint.lost())
        .hasValueSatisfying(why -> assertThat(why).contains("INTERRUPT request", "8 bytes"));
    assertThat(next.driver.speeds()).containsExactly(2, 0, 2);
  }

  /** Its driver may send it again, and nobody has to know. */
  @Test
  void aRequestThatTheGuestKeepsAndNobodyTouchedIsNoLoss() {
    UsbGuest source = addressed(Driver.FIXED);
    interrupt(source);
    source.settle();
    CompletableFuture<UsbManifest> sealed = source.midPoint.seal(BOUND);
    source.midPoint.doWork();
    source.device.endUnlinked();
    source.midPoint.doWork();
    source.domain.suspend();
    UsbGuest next = new UsbGuest(source);
    next.await(next.midPoint.takeOver(next.device, 2, UsbGuest.sent(sealed.join())));
    next.resumed().settle();
    assertThat(sealed.join().pending()).isEqualTo(1);
    assertThat(next.midPoint.lost()).isEmpty();
    assertThat(next.driver.speeds()).containsExactly(2);
  }

  // ---- daemons that die

  @ParameterizedTest
  @EnumSource(Driver.class)
  void aDaemonThatDiesWhileSealedIsUnsealedByTheNext(Driver driver) {
    UsbGuest source = addressed(driver);
    interrupt(source);
    source.settle();
    source.suspend();
    source.seal();
    source.restart(0, 1, true);
    source.settle();
    assertThat(source.midPoint.status().state()).isEqualTo(State.SEALED);
    assertThatThrownBy(() -> source.await(source.midPoint.seal(BOUND)))
        .hasMessageContaining("sealed by a process before");
    source.await(source.midPoint.unseal(2));
    source.domain.resume();
    source.driver.resume();
    source.settle();
    GuestUrb in = interrupt(source);
    source.settle();
    source.device.serveNext();
    source.settle();
    assertThat(in.bytes(0, 8)).isEqualTo(Gadget.report(0, 8));
    assertThat(source.driver.speeds()).containsExactly(2);
  }

  @Test
  void aDaemonThatDiesWhileItCallsBackSaysThatTheOutcomeIsLost() {
    UsbGuest source = addressed(Driver.FIXED);
    GuestUrb out = source.out(new byte[100]);
    source.settle();
    CompletableFuture<UsbManifest> sealed = source.midPoint.seal(BOUND);
    source.midPoint.doWork();
    assertThat(sealed).isNotDone();
    source.restart(0, 1, true);
    source.settle();
    assertThat(out.status()).isEqualTo(GuestUrb.IN_PROGRESS);
    source.await(source.midPoint.unseal(2));
    source.settle();
    assertThat(out.status()).isEqualTo(-71);
    assertThat(source.device.submitted).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(Driver.class)
  void aDaemonThatDiesAfterATakeOverShowsTheGuestNothing(Driver driver) {
    UsbGuest source = addressed(driver);
    interrupt(source);
    settleLater(source);
    UsbGuest next = source.moved();
    next.restart(0, 2, false);
    GuestUrb window = interrupt(next.resumed());
    next.settle();
    next.restart(0, 2, false);
    next.settle();
    assertThat(window.status()).as("it was at the device").isEqualTo(-71);
    GuestUrb in = interrupt(next);
    next.settle();
    next.device.serveNext();
    next.settle();
    assertThat(in.bytes(0, 8)).isEqualTo(Gadget.report(0, 8));
    assertThat(next.driver.speeds()).containsExactly(2);
    assertThat(next.driver.failure()).isEmpty();
  }

  @Test
  void aDaemonThatDiesBetweenShowsAnotherDeviceAsAnother() {
    UsbGuest source = addressed(Driver.FIXED);
    source.pluggedClass = 0x03;
    UsbGuest next = source.moved();
    next.restart(0, 2, false);
    next.resumed().settle();
    assertThat(next.driver.speeds()).containsExactly(2, 0, 2);
  }
}

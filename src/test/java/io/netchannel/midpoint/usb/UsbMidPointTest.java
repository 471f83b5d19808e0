package io.netchannel.midpoint.usb;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.memory.Chunk;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbSpeed;
import io.netchannel.midpoint.MidPoint.State;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.usb.PipeType;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

final class UsbMidPointTest {
  private static final int HUB = 0x09;
  private static final int COMMUNICATIONS_DATA = 0x0a;

  private final UsbGuest guest = new UsbGuest();

  private static byte[] bytes(int count, int seed) {
    byte[] bytes = new byte[count];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  @Test
  void transfersGoToTheDeviceAndBack() {
    guest.served();
    byte[] content = bytes(9_000, 1);
    GuestUrb out = guest.out(content);
    GuestUrb in = guest.in(512);
    guest.settle();
    assertThat(guest.device.submitted).hasSize(2);
    guest.device.serveNext();
    guest.device.serveNext();
    guest.settle();
    assertThat(out.status()).isZero();
    assertThat(out.actualBytes()).isEqualTo(9_000);
    assertThat(guest.gadget.received.get(UsbGuest.BULK_OUT).get(0)).isEqualTo(content);
    assertThat(in.status()).isZero();
    assertThat(in.bytes(0, 512)).isEqualTo(Gadget.report(0, 512));
    assertThat(guest.midPoint.status().answered()).isEqualTo(2);
    assertThat(guest.midPoint.status().bytesRead()).isEqualTo(512);
    assertThat(guest.midPoint.status().bytesWritten()).isEqualTo(9_000);
    assertThat(guest.driver.failure()).isEmpty();
  }

  @Test
  void aLongestUrbOfEachSlotFitsIntoItsShareOfMemory() {
    guest.served();
    List<GuestUrb> urbs = new ArrayList<>();
    for (int i = 0; i < XenHcdModel.SLOTS; i++) {
      urbs.add(guest.out(bytes(15 * 4096, i)));
    }
    guest.settle();
    assertThat(guest.device.submitted).hasSize(XenHcdModel.SLOTS);
    while (!guest.device.submitted.isEmpty()) {
      guest.device.serveNext();
    }
    guest.settle();
    assertThat(urbs).allMatch(urb -> urb.status() == 0);
  }

  @Test
  void aControlTransferHasItsSetup() {
    guest.served();
    GuestUrb urb =
        guest.driver.submit(GuestUrb.control(guest.domain, GuestUrb.setup(0x80, 6, 0x100, 0, 18)));
    guest.settle();
    Urb submitted = guest.device.next().urb();
    assertThat(submitted.type()).isEqualTo(UrbType.CONTROL);
    assertThat(submitted.setup()).isEqualTo(GuestUrb.setup(0x80, 6, 0x100, 0, 18));
    guest.device.serveNext();
    guest.settle();
    assertThat(urb.bytes(0, 18)).isEqualTo(Gadget.report(0, 18));
  }

  @Test
  void packetsHaveOutcomesOfTheirOwn() {
    guest.served();
    GuestUrb urb =
        guest.driver.submit(
            GuestUrb.isochronous(guest.domain, 0x84, new int[] {192, 100, 192}, 8, 4090));
    guest.settle();
    Urb submitted = guest.device.next().urb();
    assertThat(submitted.packets()).isEqualTo(3);
    submitted.data().put(192, bytes(100, 3));
    submitted.packetDone(0, 0, UrbStatus.MISSED_FRAME);
    submitted.packetDone(1, 100, UrbStatus.OK);
    submitted.packetDone(2, 0, UrbStatus.PROTOCOL);
    submitted.frames(9, 2);
    guest.device.complete(guest.device.next(), UrbStatus.OK, 100);
    guest.settle();
    assertThat(urb.status()).isZero();
    assertThat(urb.actualBytes()).isEqualTo(100);
    assertThat(urb.errorCount()).isEqualTo(2);
    assertThat(urb.packetStatus(0)).isEqualTo(-18);
    assertThat(urb.packetStatus(1)).isZero();
    assertThat(urb.packetStatus(2)).isEqualTo(-71);
    assertThat(urb.bytes(192, 100)).isEqualTo(bytes(100, 3));
  }

  @Test
  void setAddressDoesNotReachTheDevice() {
    guest.served();
    GuestUrb urb = guest.setAddress(5, 0);
    guest.settle();
    assertThat(urb.status()).isZero();
    assertThat(guest.device.submitted).isEmpty();
    assertThat(guest.gadget.resets).isZero();
    assertThat(guest.port.deviceAddress()).isEqualTo(5);
  }

  @Test
  void aDeviceThatIsAddressedAgainIsResetBefore() {
    guest.served();
    guest.setAddress(5, 0);
    guest.settle();
    GuestUrb again = guest.setAddress(6, 0);
    guest.settle();
    assertThat(again.status()).isEqualTo(GuestUrb.IN_PROGRESS);
    guest.device.resets.get(0).complete(UrbStatus.OK);
    guest.settle();
    assertThat(again.status()).isZero();
    GuestUrb third = guest.setAddress(7, 0);
    GuestUrb after =
        guest.driver.submit(GuestUrb.control(guest.domain, GuestUrb.setup(0x80, 6, 0x100, 0, 18)));
    guest.settle();
    assertThat(guest.gadget.resets).as("within a second").isEqualTo(1);
    guest.nanos += TimeUnit.SECONDS.toNanos(1);
    guest.settle();
    assertThat(guest.gadget.resets).isEqualTo(2);
    guest.device.resets.get(1).complete(UrbStatus.NO_DEVICE);
    guest.settle();
    assertThat(third.status()).isEqualTo(-19);
    assertThat(after.status()).as("waits for its turn only").isEqualTo(GuestUrb.IN_PROGRESS);
    assertThat(guest.device.submitted).hasSize(1);
  }

  @Test
  void anUnlinkEndsAUrbAtTheDevice() {
    guest.served();
    GuestUrb urb = guest.in(512);
    guest.settle();
    guest.driver.unlink(urb);
    guest.settle();
    Urb submitted = guest.device.next().urb();
    assertThat(guest.device.unlinked).containsExactly(submitted);
    assertThat(urb.status()).isEqualTo(GuestUrb.IN_PROGRESS);
    submitted.data().put(0, bytes(7, 7));
    guest.device.complete(guest.device.next(), UrbStatus.CANCELLED, 7);
    guest.settle();
    assertThat(urb.status()).isEqualTo(-104);
    assertThat(urb.bytes(0, urb.actualBytes())).isEqualTo(bytes(7, 7));
    assertThat(guest.driver.freeIds()).isEqualTo(XenHcdModel.SLOTS);
  }

  @Test
  void withoutMemoryUrbsWaitInTheirOrderAndMayBeUnlinked() {
    BufferBudget budget = new BufferBudget(BufferBudget.UNIT_BYTES);
    BufferLease other = budget.lease("other", BufferBudget.UNIT_BYTES, () -> {});
    Chunk taken = other.acquire(BufferBudget.UNIT_BYTES);
    UsbGuest waiting = new UsbGuest(budget, XenHcdModel.Driver.STOCK).served();
    GuestUrb first = waiting.out(bytes(100, 1));
    GuestUrb second = waiting.out(bytes(100, 2));
    GuestUrb third = waiting.out(bytes(100, 3));
    GuestUrb empty = waiting.out(new byte[0]);
    waiting.settle();
    assertThat(waiting.device.submitted).isEmpty();
    waiting.driver.unlink(second);
    waiting.settle();
    assertThat(second.status()).isEqualTo(-104);
    other.release(taken);
    other.close();
    waiting.settle();
    while (!waiting.device.submitted.isEmpty()) {
      waiting.device.serveNext();
    }
    waiting.settle();
    assertThat(waiting.gadget.received.get(UsbGuest.BULK_OUT))
        .containsExactly(bytes(100, 1), bytes(100, 3), new byte[0]);
    assertThat(List.of(first, third, empty)).allMatch(urb -> urb.status() == 0);
  }

  @Test
  void theGuestSeesWhatComesAndGoes() {
    guest.served();
    GuestUrb urb = guest.in(8);
    guest.settle();
    guest.device.unplug();
    guest.settle();
    assertThat(urb.status()).isEqualTo(-19);
    GuestUrb late = guest.in(8);
    guest.settle();
    assertThat(late.status()).as("nothing is there").isEqualTo(-19);
    guest.device.plug(UsbSpeed.HIGH, 0xff);
    guest.settle();
    guest.setAddress(1, 0);
    GuestUrb next = guest.in(8);
    guest.settle();
    assertThat(guest.device.next().incarnation()).isEqualTo(2);
    guest.device.serveNext();
    guest.settle();
    assertThat(next.status()).isZero();
    assertThat(guest.driver.speeds()).containsExactly(2, 0, 3);
  }

  @Test
  void anotherDeviceOfTheSameSpeedIsShownAsAnother() {
    guest.served();
    guest.device.plug(UsbSpeed.FULL, 0xff);
    guest.settle();
    assertThat(guest.driver.speeds()).containsExactly(2, 0, 2);
  }

  /** A block that was for one disk would be written to the other. */
  @Test
  void whatIsForADeviceThatHasGoneDoesNotGetToTheNext() {
    guest.served();
    guest.setAddress(1, 0);
    guest.settle();
    guest.device.unplug();
    guest.device.plug(UsbSpeed.FULL, 0xff);
    guest.midPoint.doWork(); // the guest does not run meanwhile
    GuestUrb late = guest.out(bytes(100, 1));
    guest.settle();
    assertThat(guest.driver.speeds()).containsExactly(2, 0, 2);
    assertThat(late.status()).isEqualTo(-19);
    assertThat(guest.device.submitted).isEmpty();
    guest.setAddress(2, 0);
    GuestUrb next =
        guest.driver.submit(
            GuestUrb.of(guest.domain, PipeType.BULK, UsbGuest.BULK_OUT, 100, 0).address(2));
    guest.settle();
    guest.device.serveNext();
    guest.settle();
    assertThat(next.status()).isZero();
    assertThat(guest.gadget.resets).isZero();
  }

  @Test
  void whatWaitedForMemoryWhenItsDeviceWentDoesNotGetToTheNext() {
    BufferBudget budget = new BufferBudget(BufferBudget.UNIT_BYTES);
    BufferLease other = budget.lease("other", BufferBudget.UNIT_BYTES, () -> {});
    Chunk taken = other.acquire(BufferBudget.UNIT_BYTES);
    UsbGuest waiting = new UsbGuest(budget, XenHcdModel.Driver.STOCK).served();
    GuestUrb urb = waiting.out(bytes(100, 1));
    waiting.settle();
    waiting.device.unplug();
    waiting.device.plug(UsbSpeed.FULL, 0xff);
    waiting.settle();
    other.release(taken);
    other.close();
    waiting.settle();
    assertThat(waiting.device.submitted).isEmpty();
    assertThat(urb.status()).isEqualTo(-19);
  }

  @Test
  void whatWasForTheDeviceBeforeARestartDoesNotGetToAnother() {
    BufferBudget budget = new BufferBudget(BufferBudget.UNIT_BYTES);
    BufferLease other = budget.lease("other", BufferBudget.UNIT_BYTES, () -> {});
    Chunk taken = other.acquire(BufferBudget.UNIT_BYTES);
    UsbGuest waiting = new UsbGuest(budget, XenHcdModel.Driver.STOCK).served();
    GuestUrb urb = waiting.out(bytes(100, 1));
    waiting.settle();
    other.release(taken);
    other.close();
    waiting.pluggedClass = COMMUNICATIONS_DATA;
    waiting.restart();
    waiting.settle();
    assertThat(waiting.device.submitted).isEmpty();
    assertThat(urb.status()).isEqualTo(-19);
  }

  @Test
  void aHubIsNotShown() {
    guest.served();
    guest.device.unplug();
    guest.settle();
    guest.device.plug(UsbSpeed.HIGH, HUB);
    GuestUrb urb = guest.in(8);
    guest.settle();
    assertThat(guest.driver.speeds()).containsExactly(2, 0);
    assertThat(urb.status()).isEqualTo(-19);
    assertThat(guest.midPoint.refusal()).hasValueSatisfying(why -> assertThat(why).contains("hub"));
    guest.device.unplug();
    guest.settle();
    assertThat(guest.midPoint.refusal()).isEmpty();
  }

  @Test
  void aRingFullOfWaitingInsIsRelieved() {
    guest.served();
    guest.device.unplug();
    guest.device.plug(UsbSpeed.FULL, COMMUNICATIONS_DATA);
    guest.settle();
    guest.setAddress(1, 0);
    guest.settle();
    List<GuestUrb> urbs = new ArrayList<>();
    for (int i = 0; i < XenHcdModel.SLOTS; i++) {
      urbs.add(guest.in(64));
    }
    GuestUrb control =
        guest.driver.submit(GuestUrb.control(guest.domain, GuestUrb.setup(0x80, 6, 0x100, 0, 18)));
    guest.settle();
    assertThat(guest.device.submitted).hasSize(XenHcdModel.SLOTS);
    for (int millis = 0; millis <= 140; millis += 20) {
      guest.nanos += TimeUnit.MILLISECONDS.toNanos(20);
      guest.settle();
    }
    assertThat(guest.device.unlinked).containsExactly(guest.device.next().urb());
    guest.device.endUnlinked();
    guest.settle();
    assertThat(urbs.get(0).status()).as("nothing came, and nobody is told of it").isZero();
    assertThat(urbs.get(0).actualBytes()).isZero();
    guest.device.serve(guest.device.submitted.get(XenHcdModel.SLOTS - 1));
    guest.settle();
    assertThat(control.status()).isZero();
  }

  /** A disk may have an IN whose number an OUT of the serial port beside it has. */
  @Test
  void anInThatHasOnlyItsNumberInCommonWithAnOutIsNotRelieved() {
    guest.served();
    guest.device.unplug();
    guest.device.plug(UsbSpeed.FULL, COMMUNICATIONS_DATA);
    guest.settle();
    guest.setAddress(1, 0);
    guest.settle();
    for (int i = 0; i < XenHcdModel.SLOTS; i++) {
      guest.driver.submit(GuestUrb.of(guest.domain, PipeType.BULK, 0x82, 64, 0));
    }
    guest.settle();
    for (int millis = 0; millis <= 140; millis += 20) {
      guest.nanos += TimeUnit.MILLISECONDS.toNanos(20);
      guest.settle();
    }
    assertThat(guest.device.submitted).hasSize(XenHcdModel.SLOTS);
    assertThat(guest.device.unlinked).isEmpty();
  }

  @Test
  void aFrontendThatBeginsAgainIsOfferedTheDeviceWhenAllHasEnded() {
    guest.served();
    GuestUrb urb = guest.in(8);
    guest.settle();
    guest.domain.suspend();
    guest.domain.resume();
    guest.driver.resume();
    guest.settle();
    assertThat(guest.midPoint.status().frontend()).isEqualTo(VirtualDevice.State.PREPARED);
    assertThat(guest.device.unlinked).contains(guest.device.next().urb());
    guest.device.endUnlinked();
    guest.settle();
    assertThat(guest.midPoint.status().frontend()).isEqualTo(VirtualDevice.State.CONNECTED);
    assertThat(guest.driver.speeds()).as("the device is as it was").containsExactly(2);
    assertThat(urb.status()).isEqualTo(GuestUrb.IN_PROGRESS);
  }

  @Test
  void itIsRetiredWhenTheDeviceHasNothingAnyMore() {
    guest.served();
    guest.in(8);
    guest.settle();
    CompletableFuture<Void> retired = guest.midPoint.retire();
    guest.settle();
    assertThat(retired).isNotDone();
    assertThat(guest.device.unlinked).isNotEmpty();
    guest.device.endUnlinked();
    guest.settle();
    assertThat(retired).isCompleted();
    assertThat(guest.device.closed).isTrue();
    assertThat(guest.midPoint.status().state()).isEqualTo(State.RETIRED);
  }

  @Test
  void whatWasAtTheDeviceOfAKilledDaemonIsAnErrorAndNotRepeated() {
    guest.served();
    GuestUrb out = guest.out(bytes(100, 1));
    GuestUrb in = guest.in(8);
    guest.settle();
    assertThat(guest.device.submitted).hasSize(2);
    guest.restart();
    guest.settle();
    assertThat(guest.device.submitted).isEmpty();
    assertThat(out.status()).isEqualTo(-71);
    assertThat(in.status()).isEqualTo(-71);
    assertThat(out.timesGivenBack() + in.timesGivenBack()).isEqualTo(2);
    assertThat(guest.driver.speeds()).as("the device stays").containsExactly(2);
    GuestUrb next = guest.out(bytes(100, 2));
    guest.settle();
    guest.device.serveNext();
    guest.settle();
    assertThat(next.status()).isZero();
    assertThat(guest.driver.failure()).isEmpty();
  }

  @Test
  void anotherDeviceThatIsThereAfterARestartIsShownAsAnother() {
    guest.served();
    guest.restart();
    guest.settle();
    assertThat(guest.driver.speeds()).containsExactly(2);
    guest.pluggedClass = COMMUNICATIONS_DATA;
    guest.restart();
    guest.settle();
    assertThat(guest.driver.speeds()).containsExactly(2, 0, 2);
  }

  @Test
  void whatHadNotReachedTheDeviceIsDoneByTheNextDaemon() {
    BufferBudget budget = new BufferBudget(BufferBudget.UNIT_BYTES);
    BufferLease other = budget.lease("other", BufferBudget.UNIT_BYTES, () -> {});
    Chunk taken = other.acquire(BufferBudget.UNIT_BYTES);
    UsbGuest waiting = new UsbGuest(budget, XenHcdModel.Driver.STOCK).served();
    GuestUrb urb = waiting.out(bytes(100, 1));
    waiting.settle();
    other.release(taken);
    other.close();
    waiting.restart();
    waiting.settle();
    waiting.device.serveNext();
    waiting.settle();
    assertThat(urb.status()).isZero();
    assertThat(waiting.gadget.received.get(UsbGuest.BULK_OUT)).containsExactly(bytes(100, 1));
  }

  @Test
  void anUnlinkThatADaemonDidNotAnswerIsAnsweredByTheNext() {
    guest.served();
    GuestUrb urb =
        guest.driver.submit(GuestUrb.of(guest.domain, PipeType.INTERRUPT, 0x83, 8, 0).interval(8));
    guest.settle();
    guest.driver.unlink(urb);
    guest.settle();
    guest.restart();
    guest.settle();
    assertThat(urb.status()).isEqualTo(-104);
    assertThat(guest.driver.freeIds()).isEqualTo(XenHcdModel.SLOTS);
    assertThat(guest.driver.failure()).isEmpty();
  }

  /** The daemon dies at each store in turn while it takes an unlink of a URB that has no memory. */
  @Test
  void aUrbThatIsUnlinkedIsNotGivenToTheDeviceByTheNextDaemon() {
    int neverThere = 0;
    for (int stores = 1; stores < 20; stores++) {
      BufferBudget budget = new BufferBudget(BufferBudget.UNIT_BYTES);
      BufferLease other = budget.lease("other", BufferBudget.UNIT_BYTES, () -> {});
      Chunk unused = other.acquire(BufferBudget.UNIT_BYTES);
      UsbGuest waiting = new UsbGuest(budget, XenHcdModel.Driver.STOCK).served();
      GuestUrb urb = waiting.out(bytes(100, 1));
      waiting.settle();
      waiting.driver.unlink(urb);
      waiting.storesToLive = stores;
      try {
        waiting.settle();
      } catch (UsbGuest.Killed killed) {
        waiting.restart();
      }
      waiting.storesToLive = 0;
      waiting.settle();
      neverThere += waiting.device.submitted.isEmpty() ? 1 : 0;
      waiting.device.endUnlinked();
      waiting.settle();
      assertThat(urb.status()).as("killed at store %s", stores).isEqualTo(-104);
      assertThat(urb.timesGivenBack()).isEqualTo(1);
      assertThat(waiting.driver.freeIds()).isEqualTo(XenHcdModel.SLOTS);
    }
    assertThat(neverThere).isPositive();
  }
}

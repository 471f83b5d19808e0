package io.netchannel.vdevice.usb;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** A serial device's driver keeps 16 INs waiting: nothing else finds a slot. */
final class RingReliefTest {
  private static final int DATA = 0x81;
  private static final int RELIEVABLE = 1 << 1;

  private final UsbHost host = new UsbHost();
  private final List<GuestUrb> parked = new ArrayList<>();
  private long now = 1_000_000;
  private XenHcdModel guest;

  private void fill(Driver driver) {
    guest = host.connected(driver);
    host.port.relievable(RELIEVABLE);
    for (int i = 0; i < XenHcdModel.SLOTS; i++) {
      parked.add(guest.submit(host.bulk(DATA, 512)));
    }
    host.settle(guest);
    assertThat(host.held).hasSize(XenHcdModel.SLOTS);
    assertThat(host.port.relief(now)).isEmpty();
  }

  private Optional<UrbRequest> reliefAfter(long nanos) {
    now += nanos;
    return host.port.relief(now);
  }

  private void cancel(UrbRequest request, int actualBytes) {
    host.held.remove(request);
    host.answer(request, UsbHost.ECONNRESET, actualBytes);
    host.settle(guest);
  }

  @Test
  void aControlRequestFindsASlotAfterAWhile() {
    fill(Driver.STOCK);
    GuestUrb control =
        guest.submit(GuestUrb.control(host.domain, GuestUrb.setup(0x21, 0x20, 0, 0, 7)));
    host.settle(guest);
    assertThat(guest.queued()).isEqualTo(1);
    assertThat(reliefAfter(RingRelief.PARKED_NANOS - 1)).isEmpty();
    UrbRequest oldest = reliefAfter(1).orElseThrow();
    assertThat(oldest).isSameAs(host.held.get(0));
    assertThat(reliefAfter(RingRelief.PARKED_NANOS)).as("one at a time").isEmpty();
    cancel(oldest, 0);
    assertThat(parked.get(0).status()).as("an empty answer, no error").isZero();
    assertThat(parked.get(0).actualBytes()).isZero();

    UrbRequest served = host.held.remove(host.held.size() - 1);
    assertThat(served.type()).isEqualTo(PipeType.CONTROL);
    host.answer(served, UsbHost.OK, 7);
    host.settle(guest);
    assertThat(control.status()).isZero();
    assertThat(guest.failure()).isEmpty();
  }

  @Test
  void whatHadArrivedIsNotLost() {
    fill(Driver.STOCK);
    UrbRequest oldest = reliefAfter(RingRelief.PARKED_NANOS).orElseThrow();
    host.buffer.put(0, new byte[] {1, 2, 3});
    oldest.copyToGuest(host.buffer, 3);
    cancel(oldest, 3);
    assertThat(parked.get(0).status()).isZero();
    assertThat(parked.get(0).bytes(0, 3)).containsExactly(1, 2, 3);
  }

  /** The process that had it unlinked has died; the next one gets to know that it was cancelled. */
  @Test
  void aReliefOutlivesTheProcess() {
    fill(Driver.STOCK);
    assertThat(reliefAfter(RingRelief.PARKED_NANOS)).isPresent();
    restart();
    host.port.relievable(RELIEVABLE);
    cancel(host.held.get(0), 0);
    assertThat(parked.get(0).status()).isZero();
  }

  private void restart() {
    List<ByteBuffer> encoded = new ArrayList<>();
    for (UrbRequest request : host.held) {
      ByteBuffer target = ByteBuffer.allocate(UrbRequest.MAX_ENCODED_BYTES);
      request.encode(target);
      encoded.add(target.flip());
    }
    int[] consumers = {host.port.requestConsumer(0)};
    host.held.clear();
    host.port.close(false);
    host.port = host.newPort();
    host.held.addAll(host.port.reattach(encoded, consumers));
  }

  @Test
  void elsewhereACancelledUrbIsAnError() {
    fill(Driver.STOCK);
    host.port.relievable(0);
    cancel(host.held.get(0), 0);
    assertThat(parked.get(0).status()).isEqualTo(-108);
  }

  @Test
  void aRingThatMovesNeedsNoRelief() {
    fill(Driver.STOCK);
    assertThat(reliefAfter(RingRelief.PARKED_NANOS - 1)).isEmpty();
    host.answerIn(host.next(), new byte[10]);
    guest.submit(host.bulk(DATA, 512));
    host.settle(guest);
    assertThat(reliefAfter(1)).isEmpty();
    assertThat(reliefAfter(RingRelief.PARKED_NANOS - 1)).isEmpty();
    assertThat(reliefAfter(1)).isPresent();
  }

  @Test
  void aFreeSlotIsReliefEnough() {
    fill(Driver.STOCK);
    host.answerIn(host.next(), new byte[10]);
    host.settle(guest);
    assertThat(reliefAfter(10 * RingRelief.PARKED_NANOS)).isEmpty();
  }

  @Test
  void requestsThatWillBeDoneByThemselvesAreWaitedFor() {
    guest = host.connected(Driver.STOCK);
    host.port.relievable(RELIEVABLE);
    guest.submit(host.bulk(0x02, 512));
    for (int i = 1; i < XenHcdModel.SLOTS; i++) {
      guest.submit(host.bulk(DATA, 512));
    }
    host.settle(guest);
    assertThat(reliefAfter(0)).isEmpty();
    assertThat(reliefAfter(10 * RingRelief.PARKED_NANOS)).isEmpty();
  }

  /** As of mass storage: a short read is an error there. */
  @Test
  void otherEndpointsAreLeftAlone() {
    fill(Driver.STOCK);
    host.port.relievable(1 << 2);
    assertThat(reliefAfter(10 * RingRelief.PARKED_NANOS)).isEmpty();
  }

  // ---- a guest that freezes

  /** Linux' stock driver forgets unlinks that find no slot, and waits for their URBs. */
  private void freezeWithAFullRing(int relievable) {
    fill(Driver.STOCK);
    host.port.relievable(relievable);
    host.port.suspending(true);
    guest.freeze();
    host.settle(guest);
    assertThat(host.held).as("no unlink has a slot").hasSize(XenHcdModel.SLOTS);
  }

  @Test
  void aGuestWithAFullRingFreezes() {
    freezeWithAFullRing(0);
    for (int relieved = 0; guest.outstanding() > 0; relieved++) {
      assertThat(relieved).isLessThan(XenHcdModel.SLOTS);
      cancel(reliefAfter(RingRelief.FREEZE_NANOS).orElseThrow(), 0);
    }
    assertThat(parked).allMatch(urb -> urb.timesGivenBack() == 1);
    assertThat(guest.freeIds()).isEqualTo(XenHcdModel.SLOTS);
    assertThat(reliefAfter(RingRelief.FREEZE_NANOS)).isEmpty();
    assertThat(guest.failure()).isEmpty();
  }

  /** The process that could know that an unlink was forgotten has died. */
  @Test
  void aForgottenUnlinkOutlivesTheProcess() {
    fill(Driver.STOCK);
    host.port.relievable(0);
    guest.unlink(parked.get(0));
    while (host.held.size() > 1) {
      host.answerIn(host.held.remove(1), new byte[1]);
      host.settle(guest);
    }
    restart();
    host.port.suspending(true);
    guest.freeze();
    host.settle(guest);
    assertThat(guest.outstanding()).isEqualTo(1);
    cancel(reliefAfter(RingRelief.FREEZE_NANOS).orElseThrow(), 0);
    assertThat(guest.outstanding()).isZero();
    assertThat(guest.failure()).isEmpty();
  }

  /** Half of its slots are those of responses that it has not taken, and of their unlinks. */
  @Test
  void aRingIsFullWhenItsFrontendSeesItSo() {
    guest = host.connected(Driver.STOCK);
    for (int i = 0; i <= XenHcdModel.SLOTS / 2; i++) {
      parked.add(guest.submit(host.bulk(DATA, 512)));
    }
    host.settle(guest);
    while (host.held.size() > 1) {
      host.answerIn(host.held.remove(1), new byte[1]);
    }
    parked.subList(1, XenHcdModel.SLOTS / 2).forEach(guest::unlink);
    guest.unlink(parked.get(0));
    host.settle(guest);
    assertThat(guest.outstanding()).as("the last unlink had no slot").isEqualTo(1);
    host.port.suspending(true);
    guest.freeze();
    host.settle(guest);
    cancel(reliefAfter(RingRelief.FREEZE_NANOS).orElseThrow(), 0);
    assertThat(guest.outstanding()).isZero();
    assertThat(guest.failure()).isEmpty();
  }

  @Test
  void aClockMayBeginAnywhere() {
    now = Long.MIN_VALUE + 1;
    freezeWithAFullRing(0);
    assertThat(reliefAfter(RingRelief.FREEZE_NANOS)).isPresent();
  }

  @Test
  void inAFreezeOneIsEndedAfterTheOther() {
    freezeWithAFullRing(0);
    UrbRequest first = reliefAfter(RingRelief.FREEZE_NANOS).orElseThrow();
    assertThat(reliefAfter(RingRelief.FREEZE_NANOS)).as("the first one is not done").isEmpty();
    cancel(first, 0);
    cancel(reliefAfter(0).orElseThrow(), 0);
    assertThat(reliefAfter(RingRelief.FREEZE_NANOS - 1)).isEmpty();
    assertThat(reliefAfter(1)).isPresent();
  }

  /** Whose drivers have not frozen yet: an empty answer, not the end of the device. */
  @Test
  void whatIsEndedForTheFreezeIsNoError() {
    fill(Driver.STOCK);
    host.port.relievable(0);
    host.port.suspending(true);
    cancel(reliefAfter(RingRelief.FREEZE_NANOS).orElseThrow(), 0);
    assertThat(parked.get(0).status()).isZero();
    assertThat(parked.get(0).actualBytes()).isZero();
  }

  @Test
  void whereUnlinksFindSlotsTheyDoIt() {
    guest = host.connected(Driver.STOCK);
    for (int i = 0; i < XenHcdModel.SLOTS / 2; i++) {
      parked.add(guest.submit(host.bulk(DATA, 512)));
    }
    host.settle(guest);
    host.port.suspending(true);
    assertThat(reliefAfter(RingRelief.FREEZE_NANOS)).isEmpty();
    guest.freeze();
    host.settle(guest);
    assertThat(reliefAfter(RingRelief.FREEZE_NANOS)).as("all are unlinked").isEmpty();
  }

  /** It keeps slots for unlinks and control requests: its ring is never full of INs. */
  @Test
  void theFixedDriverNeedsNoRelief() {
    guest = host.connected(Driver.FIXED);
    host.port.relievable(RELIEVABLE);
    for (int i = 0; i < XenHcdModel.SLOTS; i++) {
      parked.add(guest.submit(host.bulk(DATA, 512)));
    }
    GuestUrb control =
        guest.submit(GuestUrb.control(host.domain, GuestUrb.setup(0x21, 0x20, 0, 0, 7)));
    host.settle(guest);
    UrbRequest served = host.held.remove(host.held.size() - 1);
    assertThat(served.type()).isEqualTo(PipeType.CONTROL);
    host.answer(served, UsbHost.OK, 7);
    host.settle(guest);
    assertThat(control.status()).isZero();
    host.port.suspending(true);
    assertThat(reliefAfter(10 * RingRelief.PARKED_NANOS)).isEmpty();
    guest.freeze();
    host.settle(guest);
    while (guest.outstanding() > 0) {
      cancel(host.held.get(0), 0);
    }
    assertThat(parked).allMatch(urb -> urb.timesGivenBack() == 1);
    assertThat(host.port.peakUrbs())
        .as("reads in all slots but three, of which the control request had one")
        .isEqualTo(XenHcdModel.SLOTS - 2);
    assertThat(guest.failure()).isEmpty();
  }

  @Test
  void aFreezeThatIsGivenUpNeedsNoMoreRelief() {
    freezeWithAFullRing(0);
    host.port.suspending(false);
    assertThat(reliefAfter(10 * RingRelief.PARKED_NANOS)).isEmpty();
  }
}

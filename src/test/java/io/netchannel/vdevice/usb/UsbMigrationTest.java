package io.netchannel.vdevice.usb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.vdevice.SharedRing;
import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import io.netchannel.xen.GrantTable;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A guest that suspends at one host and goes on at another. */
final class UsbMigrationTest {
  private static final int DATA = 0x81;

  private UsbHost host = new UsbHost();
  private XenHcdModel guest;
  private Optional<RingMark> mark = Optional.empty();

  /** A guest with that many INs parked, which freezes. */
  private void freeze(Driver driver, int parked) {
    guest = host.connected(driver);
    for (int i = 0; i < parked; i++) {
      guest.submit(host.bulk(DATA, 512));
    }
    host.settle(guest);
    guest.freeze();
    host.settle(guest);
    while (guest.outstanding() > 0) {
      host.answer(host.next(), UsbHost.ECONNRESET, 0);
      host.settle(guest);
    }
    mark = host.port.mark();
  }

  /** It suspends, and resumes elsewhere; what it submits now is submitted in the window. */
  private void move() {
    host.domain.suspend();
    host = new UsbHost(host);
    mark.ifPresent(host.port::inherit);
    guest.resume(host.domain);
  }

  private void connect() {
    host.port.plugged(2, "it");
    host.port.offer();
    host.settle(guest);
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
  }

  private List<GuestUrb> submit(int urbs) {
    List<GuestUrb> submitted = new ArrayList<>();
    for (int i = 0; i < urbs; i++) {
      submitted.add(guest.submit(host.bulk(DATA, 512)));
    }
    return submitted;
  }

  private void answerAll() {
    for (int i = 1; !host.held.isEmpty(); i++) {
      host.answerIn(host.next(), new byte[i]);
      host.settle(guest);
    }
  }

  /** Answers, without a look at the ring. */
  private void respondIn(UrbRequest request, int bytes) {
    assertThat(request.copyToGuest(host.buffer, bytes)).isTrue();
    request.respond(UsbHost.OK, bytes, 0, 0);
    request.release();
    host.port.publishResponses();
  }

  private void assertUnharmed() {
    assertThat(guest.failure()).isEmpty();
    assertThat(guest.outstanding()).isZero();
    assertThat(guest.freeIds()).isEqualTo(XenHcdModel.SLOTS);
    assertThat(guest.speeds()).as("nothing is plugged anew").containsExactly(2);
  }

  @ParameterizedTest
  @EnumSource(Driver.class)
  void whatIsSubmittedInTheWindowIsServedOnceAndFirst(Driver driver) {
    freeze(driver, 2);
    move();
    List<GuestUrb> urbs = submit(2);
    GuestUrb out = guest.submit(host.bulk(0x02, 3000).fill(UsbHost.bytes(3000, 7)));
    connect();
    urbs.addAll(submit(1));
    host.settle(guest);
    assertThat(host.held).hasSize(4);
    assertThat(host.outBytes(host.held.get(2))).isEqualTo(UsbHost.bytes(3000, 7));
    host.answer(host.held.remove(2), UsbHost.OK, 3000);
    answerAll();
    assertThat(out.actualBytes()).isEqualTo(3000);
    assertThat(urbs).extracting(GuestUrb::actualBytes).containsExactly(1, 2, 3);
    assertThat(urbs).allMatch(urb -> urb.timesGivenBack() == 1 && urb.status() == 0);
    assertThat(host.port.lost()).isEmpty();
    assertUnharmed();
  }

  @Test
  void withoutAMarkTheStockDriversRequestsAreLost() {
    freeze(Driver.STOCK, 2);
    mark = Optional.empty();
    move();
    submit(2);
    connect();
    assertThat(host.held).isEmpty();
    assertThat(guest.freeIds()).isEqualTo(XenHcdModel.SLOTS - 2);
  }

  @Test
  void theFixedDriverSaysSoAndHasNoMark() {
    freeze(Driver.FIXED, 2);
    assertThat(host.port.resumes()).isTrue();
    assertThat(mark).isEmpty();
  }

  /** What is in the page that it has freed is none of ours, even if another host believes so. */
  @Test
  void theFixedDriversOldPageIsNotRead() {
    freeze(Driver.FIXED, 2);
    mark = Optional.of(new RingMark(0x10000, 4, 4));
    move();
    List<GuestUrb> urbs = submit(2);
    connect();
    assertThat(host.held).hasSize(2);
    assertThat(host.port.lost()).isEmpty();
    answerAll();
    assertThat(urbs).extracting(GuestUrb::actualBytes).containsExactly(1, 2);
    assertUnharmed();
  }

  @Test
  void theStockDriverDoesNotSaySo() {
    freeze(Driver.STOCK, 2);
    assertThat(host.port.resumes()).isFalse();
    RingMark found = mark.orElseThrow();
    assertThat(found.requestConsumer()).isEqualTo(4);
    assertThat(found.responseProducer()).isEqualTo(4);
    assertThat(host.node(host.address.frontendPath() + "/feature-resume")).isEmpty();
  }

  @Test
  void anUnlinkInTheWindowEndsItsUrb() {
    freeze(Driver.STOCK, 2);
    move();
    GuestUrb urb = submit(1).get(0);
    guest.unlink(urb);
    connect();
    assertThat(host.held).hasSize(2);
    host.answer(host.next(), UsbHost.ECONNRESET, 0);
    host.settle(guest);
    assertThat(urb.status()).isEqualTo(-104);
    assertUnharmed();
  }

  @Test
  void anUnlinkOnTheNewRingFindsAUrbOfTheOldOne() {
    freeze(Driver.STOCK, 2);
    move();
    GuestUrb urb = submit(1).get(0);
    connect();
    guest.unlink(urb);
    host.settle(guest);
    assertThat(host.held.get(1).unlinked()).contains(host.held.get(0));
    host.answer(host.next(), UsbHost.ECONNRESET, 0);
    host.settle(guest);
    assertThat(urb.status()).isEqualTo(-104);
    assertUnharmed();
  }

  @Test
  void itMigratesAgainAndAgain() {
    freeze(Driver.STOCK, 2);
    for (int i = 0; i < 5; i++) {
      move();
      List<GuestUrb> urbs = submit(2);
      connect();
      answerAll();
      urbs.addAll(submit(2));
      host.settle(guest);
      guest.freeze();
      host.settle(guest);
      while (!host.held.isEmpty()) {
        host.answer(host.next(), UsbHost.ECONNRESET, 0);
        host.settle(guest);
      }
      assertThat(urbs).allMatch(urb -> urb.timesGivenBack() == 1);
      assertUnharmed();
      mark = host.port.mark();
      assertThat(mark).isPresent();
    }
  }

  /** It took just what was there, and has not asked for events of more: another host took over. */
  @Test
  void aHostThatHadNotAskedForMoreIsGoneOnFrom() {
    guest = host.connected(Driver.STOCK);
    guest.submit(host.bulk(DATA, 512));
    host.port.poll(host, 1);
    host.answerIn(host.next(), new byte[1]);
    guest.poll();
    mark = host.port.mark();
    move();
    List<GuestUrb> urbs = submit(2);
    connect();
    assertThat(host.port.lost()).isEmpty();
    answerAll();
    assertThat(urbs).extracting(GuestUrb::actualBytes).containsExactly(1, 2);
    assertUnharmed();
  }

  /** It was sent on before it had a new ring: what it submits is still where it was before. */
  @Test
  void aGuestThatDidNotConnectInBetweenHasItsRingStill() {
    freeze(Driver.STOCK, 2);
    move();
    host.port.offer();
    assertThat(host.port.mark()).isEqualTo(mark).isPresent();
    move();
    List<GuestUrb> urbs = submit(2);
    connect();
    answerAll();
    assertThat(urbs).extracting(GuestUrb::actualBytes).containsExactly(1, 2);
    assertUnharmed();
  }

  /** Nothing was there: what becomes of that page later is none of ours. */
  @ParameterizedTest
  @EnumSource(Driver.class)
  void anOldRingIsLookedAtForOneConnectionOnly(Driver driver) {
    freeze(driver, 2);
    move();
    connect();
    mark.ifPresent(this::scribble);
    beginAgain();
    assertThat(host.port.lost()).isEmpty();
  }

  /** The guest's kernel uses the page for something else. */
  private void scribble(RingMark old) {
    guest.page(old.gfn()).put(0, UsbHost.bytes(GrantTable.PAGE_BYTES, 3));
  }

  // ---- the bound

  @Test
  void withinTheBoundNothingIsHarmed() {
    freeze(Driver.STOCK, 8);
    move();
    submit(8);
    connect();
    submit(8);
    host.settle(guest);
    assertThat(host.held).hasSize(16);
    answerAll();
    assertUnharmed();
  }

  /** What no backend can prevent: why such a guest has to stay where it is. */
  @Test
  void beyondTheBoundTheGuestHarmsItself() {
    freeze(Driver.STOCK, 8);
    move();
    submit(8);
    connect();
    submit(9);
    assertThat(guest.failure()).hasValueSatisfying(why -> assertThat(why).contains("0x0fff"));
  }

  @Test
  void whatTheGateAsksFor() {
    guest = host.connected(Driver.STOCK);
    assertThat(host.port.peakUrbs()).isZero();
    submit(3);
    guest.submit(host.bulk(0x02, 100));
    host.settle(guest);
    assertThat(host.port.peakUrbs()).isEqualTo(4);
    guest.freeze();
    host.settle(guest);
    while (!host.held.isEmpty()) {
      host.answer(host.next(), UsbHost.ECONNRESET, 0);
    }
    host.settle(guest);
    assertThat(host.port.peakUrbs()).as("unlinks are none, answers change nothing").isEqualTo(4);
    assertThat(restart()).isEmpty();
    assertThat(host.port.peakUrbs()).as("over a death").isEqualTo(4);
    guest.resume();
    for (int look = 0; host.port.state() != State.PREPARED; look++) {
      assertThat(look).isLessThan(10);
      guest.poll();
      host.port.poll(host, 0);
    }
    assertThat(host.port.peakUrbs()).isZero();
    connect();
    submit(1);
    host.settle(guest);
    assertThat(host.port.peakUrbs()).as("of this connection").isEqualTo(1);
  }

  // ---- credit

  @Test
  void withoutARequestOnTheRingAResponseIsCounted() {
    freeze(Driver.STOCK, 2);
    move();
    List<GuestUrb> urbs = submit(2);
    connect();
    answerAll();
    assertThat(host.port.uncoveredResponses()).isEqualTo(2);
    assertThat(urbs).allMatch(urb -> urb.status() == 0);
    assertUnharmed();
  }

  @Test
  void aRequestMakesRoomForAResponse() {
    freeze(Driver.STOCK, 2);
    move();
    submit(2);
    connect();
    submit(2);
    host.settle(guest);
    host.answerIn(host.next(), new byte[1]);
    host.answerIn(host.next(), new byte[2]);
    host.settle(guest);
    assertThat(host.port.uncoveredResponses()).isZero();
    host.answerIn(host.next(), new byte[1]);
    host.settle(guest);
    assertThat(host.port.uncoveredResponses()).isEqualTo(1);
    answerAll();
    assertUnharmed();
  }

  /** The request in the slot where the response is to go has not been read. */
  @Test
  void aResponseWaitsForTheRequestInItsSlot() {
    freeze(Driver.STOCK, 1);
    move();
    GuestUrb old = submit(1).get(0);
    connect();
    GuestUrb out = guest.submit(host.bulk(0x02, 100).fill(UsbHost.bytes(100, 1)));
    respondIn(host.next(), 5);
    guest.poll();
    assertThat(old.status()).as("held back").isEqualTo(GuestUrb.IN_PROGRESS);
    host.settle(guest);
    assertThat(old.actualBytes()).isEqualTo(5);
    assertThat(host.outBytes(host.held.get(0))).isEqualTo(UsbHost.bytes(100, 1));
    host.answer(host.next(), UsbHost.OK, 100);
    host.settle(guest);
    assertThat(out.status()).isZero();
    assertUnharmed();
  }

  @Test
  void responsesKeepTheirOrderWhenTheyAreHeldBack() {
    freeze(Driver.STOCK, 3);
    move();
    List<GuestUrb> old = submit(3);
    connect();
    submit(1);
    List<Integer> order = new ArrayList<>();
    IntStream.range(0, 3).forEach(i -> old.get(i).onDone(urb -> order.add(i)));
    for (int i = 0; i < 3; i++) {
      respondIn(host.next(), i);
    }
    host.settle(guest);
    assertThat(order).containsExactly(0, 1, 2);
    answerAll();
    assertUnharmed();
  }

  // ---- a process that dies

  private List<ByteBuffer> encodedHeld() {
    List<ByteBuffer> encoded = new ArrayList<>();
    for (UrbRequest request : host.held) {
      ByteBuffer target = ByteBuffer.allocate(UrbRequest.MAX_ENCODED_BYTES);
      request.encode(target);
      encoded.add(target.flip());
    }
    return encoded;
  }

  private List<UrbRequest> restart() {
    return restart(encodedHeld());
  }

  private List<UrbRequest> restart(List<ByteBuffer> encoded) {
    reattach(encoded);
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
    return host.held;
  }

  private void reattach(List<ByteBuffer> encoded) {
    int[] consumers = {host.port.requestConsumer(0)};
    host.held.clear();
    host.port.close(false);
    host.port = host.newPort();
    host.port.plugged(2, "it");
    host.held.addAll(host.port.reattach(encoded, consumers));
  }

  private void connectAndTake(int requests) {
    connectAndTake(requests, requests);
  }

  /**
   * @param good how many of them are not refused
   */
  private void connectAndTake(int requests, int good) {
    host.port.plugged(2, "it");
    host.port.offer();
    for (int look = 0; host.port.state() != State.CONNECTED; look++) {
      assertThat(look).isLessThan(10);
      guest.poll();
      host.port.poll(host, 0);
    }
    host.port.poll(host, requests);
    assertThat(host.held).hasSize(good);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3})
  void aRestartedProcessTakesWhatTheOneBeforeHadNot(int taken) {
    freeze(Driver.STOCK, 3);
    move();
    List<GuestUrb> urbs = submit(3);
    connectAndTake(taken);
    assertThat(restart()).hasSize(taken);
    submit(1);
    host.settle(guest);
    assertThat(host.held).hasSize(4);
    answerAll();
    assertThat(urbs).extracting(GuestUrb::actualBytes).containsExactly(1, 2, 3);
    assertUnharmed();
  }

  @Test
  void anAnswerOfTheProcessBeforeIsNotGivenAgain() {
    freeze(Driver.STOCK, 3);
    move();
    List<GuestUrb> urbs = submit(3);
    connect();
    submit(1);
    host.settle(guest);
    host.answerIn(host.next(), new byte[9]);
    assertThat(restart()).hasSize(3);
    host.settle(guest);
    assertThat(host.held).as("none of the old ring again").hasSize(3);
    answerAll();
    assertThat(urbs).extracting(GuestUrb::actualBytes).containsExactly(9, 1, 2);
    assertThat(urbs).allMatch(urb -> urb.timesGivenBack() == 1);
    assertUnharmed();
  }

  /** The next one finds all answered, more than the ring has had requests. */
  @Test
  void responsesMayBeAheadOfTheRequestsAtARestart() {
    freeze(Driver.STOCK, 3);
    move();
    submit(3);
    connect();
    answerAll();
    assertThat(restart()).isEmpty();
    List<GuestUrb> urbs = submit(2);
    host.settle(guest);
    assertThat(restart()).hasSize(2);
    answerAll();
    assertThat(urbs).extracting(GuestUrb::actualBytes).containsExactly(1, 2);
    assertUnharmed();
  }

  @Test
  void anAnswerThatNobodySawIsGivenAgain() {
    freeze(Driver.STOCK, 1);
    move();
    GuestUrb urb = submit(1).get(0);
    connect();
    UrbRequest request = host.held.get(0);
    request.respond(UsbHost.EPIPE, 0, 0, 0);
    ByteBuffer encoded = ByteBuffer.allocate(UrbRequest.MAX_ENCODED_BYTES);
    request.encode(encoded);
    assertThat(restart(List.of(encoded.flip()))).hasSize(1);
    host.settle(guest);
    answerAll();
    assertThat(urb.actualBytes()).isEqualTo(1);
    assertThat(urb.timesGivenBack()).isEqualTo(1);
    assertUnharmed();
  }

  @Test
  void aProcessThatDiesBeforeTheFrontendConnectsLosesNothing() {
    freeze(Driver.STOCK, 2);
    move();
    submit(2);
    host.port.close(false);
    host.port = host.newPort();
    connect();
    assertThat(host.held).hasSize(2);
    answerAll();
    assertUnharmed();
  }

  /** Else the next process would take the rest for answered. */
  @Test
  void nothingIsAnsweredBeforeAllIsTaken() {
    freeze(Driver.STOCK, 3);
    move();
    List<GuestUrb> urbs = submit(3);
    connectAndTake(1);
    UrbRequest first = host.next();
    assertThat(first.copyToGuest(host.buffer, 9)).isTrue();
    first.respond(UsbHost.OK, 9, 0, 0);
    ByteBuffer encoded = ByteBuffer.allocate(UrbRequest.MAX_ENCODED_BYTES);
    first.encode(encoded);
    host.port.publishResponses();
    guest.poll();
    assertThat(urbs.get(0).status()).isEqualTo(GuestUrb.IN_PROGRESS);
    assertThat(restart(List.of(encoded.flip()))).hasSize(1);
    host.settle(guest);
    assertThat(host.held).hasSize(3);
    answerAll();
    assertThat(urbs).allMatch(urb -> urb.timesGivenBack() == 1);
    assertUnharmed();
  }

  /** A guest that writes there meanwhile: the port closes, or count would be lost. */
  @Test
  void anOldRingThatChangesUnderARestartClosesThePort() {
    freeze(Driver.STOCK, 3);
    move();
    submit(3);
    connectAndTake(1);
    List<ByteBuffer> encoded = encodedHeld();
    mark.ifPresent(this::scribble);
    reattach(encoded);
    host.port.poll(host, 64);
    assertThat(host.port.state()).isEqualTo(State.CLOSED);
    assertThat(host.node(host.address.errorPath() + "/error"))
        .hasValueSatisfying(why -> assertThat(why).contains("the ring of before"));
  }

  /** All that was there is known: there is nothing to look for. */
  @Test
  void anOldRingThatChangesWhenAllIsTakenIsNoMatter() {
    freeze(Driver.STOCK, 2);
    move();
    List<GuestUrb> urbs = submit(2);
    connectAndTake(2);
    List<ByteBuffer> encoded = encodedHeld();
    mark.ifPresent(this::scribble);
    reattach(encoded);
    assertThat(host.held).hasSize(2);
    answerAll();
    assertThat(urbs).extracting(GuestUrb::actualBytes).containsExactly(1, 2);
    assertUnharmed();
  }

  /** One that is refused is not noted; so it is not known whether it was answered. */
  @Test
  void aBadRequestOfTheOldRingIsNotForgottenAtARestart() {
    freeze(Driver.STOCK, 3);
    move();
    submit(3);
    ByteBuffer ring = guest.page(mark.orElseThrow().gfn());
    int slot = mark.orElseThrow().requestConsumer() & 15;
    ring.putShort(
        SharedRing.HEADER_BYTES + slot * UrbLayout.SLOT_BYTES + UrbLayout.LENGTH, (short) 77);
    connectAndTake(2, 1);
    reattach(encodedHeld());
    assertThat(host.port.state()).isEqualTo(State.CLOSED);
  }

  private void beginAgain() {
    guest.resume();
    for (int look = 0; host.port.state() != State.PREPARED; look++) {
      assertThat(look).isLessThan(10);
      guest.poll();
      host.port.poll(host, 0);
    }
    host.port.offer();
    host.settle(guest);
  }

  @Test
  void whatWasServedIsNotTakenAgainWithTheNextConnection() {
    freeze(Driver.STOCK, 2);
    move();
    submit(2);
    connect();
    answerAll();
    beginAgain();
    assertThat(host.held).isEmpty();
    assertThat(host.port.lost()).as("nobody has looked").isEmpty();
    assertUnharmed();
  }

  /** It connects, nothing is taken, and it begins again: all is as before. */
  @Test
  void whatNobodyTookIsThereForTheNextConnection() {
    freeze(Driver.STOCK, 2);
    move();
    submit(2);
    connectAndTake(0);
    beginAgain();
    assertThat(host.held).hasSize(2);
  }

  @Test
  void aConnectedPortInheritsNothing() {
    guest = host.connected(Driver.STOCK);
    assertThatThrownBy(() -> host.port.inherit(new RingMark(1, 0, 0)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("PREPARED");
  }

  // ---- what cannot be

  /** Two requests with one id: which of them an answer would be to, nobody could say. */
  @Test
  void theIdOfAnOrphanDoesNotComeAgainBeforeItsAnswer() {
    freeze(Driver.STOCK, 2);
    move();
    GuestUrb old = submit(1).get(0);
    connect();
    UrbRequest orphan = host.held.get(0);
    int ringReference =
        Integer.parseInt(host.node(host.address.frontendPath() + "/urb-ring-ref").orElseThrow());
    try (GrantTable.Mapping mapping =
        host.grants.map(host.domain.domid(), new int[] {ringReference})) {
      ByteBuffer ring = mapping.memory();
      int slot = SharedRing.HEADER_BYTES;
      ring.putShort(slot + UrbLayout.ID, (short) orphan.id());
      ring.putInt(
          slot + UrbLayout.PIPE,
          1 | UrbLayout.IN | 1 << UrbLayout.ENDPOINT_SHIFT | 3 << UrbLayout.TYPE_SHIFT);
      ring.putInt(SharedRing.REQ_PROD_OFFSET, 1);
      host.port.poll(host, 64);
      host.port.publishResponses();
      assertThat(host.held).containsExactly(orphan);
      assertThat(ring.getInt(SharedRing.RSP_PROD_OFFSET)).isEqualTo(1);
      assertThat(ring.getInt(slot + UrbLayout.RESPONSE_STATUS)).isEqualTo(UsbifStatus.INVAL);
    }
    assertThat(old.status()).isEqualTo(GuestUrb.IN_PROGRESS);
  }

  @Test
  void aPageThatIsNotTheRingIsLost() {
    freeze(Driver.STOCK, 2);
    mark = mark.map(found -> new RingMark(found.gfn(), found.requestConsumer(), 5));
    move();
    submit(2);
    connect();
    assertThat(host.held).isEmpty();
    assertThat(host.port.lost())
        .hasValueSatisfying(
            why -> assertThat(why).contains("rsp_prod", "unplug the device and plug it in again"));
    submit(1);
    host.settle(guest);
    assertThat(host.held).as("what comes now is served").hasSize(1);
  }

  @Test
  void aFrameThatIsNotTheGuestsIsLost() {
    freeze(Driver.STOCK, 2);
    mark = Optional.of(new RingMark(3, 4, 4));
    move();
    submit(2);
    connect();
    assertThat(host.held).isEmpty();
    assertThat(host.port.lost())
        .hasValueSatisfying(why -> assertThat(why).contains("frame 0x3", "no such page"));
  }
}

package io.netchannel.vdevice.usb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** URBs of all types on their way to the device and back. */
final class UrbIoTest {
  private static final int GET_DESCRIPTOR = 6;
  private static final int SET_ADDRESS = 5;

  private final UsbHost host = new UsbHost();
  private final XenHcdModel guest = host.connected(Driver.STOCK);

  @AfterEach
  void theGuestHasNothingToComplainOf() {
    assertThat(guest.failure()).isEmpty();
    assertThat(guest.freeIds()).isEqualTo(XenHcdModel.SLOTS - host.held.size());
  }

  private UrbRequest submit(GuestUrb urb) {
    guest.submit(urb);
    host.settle(guest);
    return host.next();
  }

  @Test
  void aControlInBringsItsData() {
    GuestUrb urb =
        GuestUrb.control(host.domain, GuestUrb.setup(0x80, GET_DESCRIPTOR, 0x0100, 0, 64));
    UrbRequest request = submit(urb);
    assertThat(request.type()).isEqualTo(PipeType.CONTROL);
    assertThat(request.endpoint()).isEqualTo(0x80);
    assertThat(request.isIn()).isTrue();
    assertThat(request.setup()).isEqualTo(0x0040_0000_0100_0680L);
    assertThat(request.lengthBytes()).isEqualTo(64);
    assertThat(request.isSetAddress()).isFalse();
    host.answerIn(request, UsbHost.bytes(18, 1));
    host.settle(guest);
    assertThat(urb.status()).isZero();
    assertThat(urb.actualBytes()).isEqualTo(18);
    assertThat(urb.bytes(0, 18)).isEqualTo(UsbHost.bytes(18, 1));
  }

  @Test
  void aControlOutTakesItsData() {
    GuestUrb urb = GuestUrb.control(host.domain, GuestUrb.setup(0x21, 9, 0x0200, 0, 8));
    urb.fill(UsbHost.bytes(8, 2));
    UrbRequest request = submit(urb);
    assertThat(request.endpoint()).isZero();
    assertThat(host.outBytes(request)).isEqualTo(UsbHost.bytes(8, 2));
    host.answer(request, UsbHost.OK, 8);
    host.settle(guest);
    assertThat(urb.status()).isZero();
    assertThat(urb.actualBytes()).isEqualTo(8);
  }

  /** The whole of 16 pages has a length of 0 on the ring; elsewhere segments begin within pages. */
  @ParameterizedTest
  @CsvSource({"65536, 0", "61440, 4000", "1, 4095", "4096, 1", "512, 0", "0, 0"})
  void bulkDataIsMovedWholeAndUnharmed(int lengthBytes, int offset) {
    byte[] bytes = UsbHost.bytes(lengthBytes, lengthBytes);
    GuestUrb out = GuestUrb.of(host.domain, PipeType.BULK, 0x02, lengthBytes, offset).fill(bytes);
    UrbRequest request = submit(out);
    assertThat(request.lengthBytes()).isEqualTo(lengthBytes);
    assertThat(request.endpoint()).isEqualTo(2);
    assertThat(host.outBytes(request)).isEqualTo(bytes);
    host.answer(request, UsbHost.OK, lengthBytes);
    host.settle(guest);
    assertThat(out.actualBytes()).isEqualTo(lengthBytes);

    GuestUrb in = GuestUrb.of(host.domain, PipeType.BULK, 0x81, lengthBytes, offset);
    host.answerIn(submit(in), bytes);
    host.settle(guest);
    assertThat(in.status()).isZero();
    assertThat(in.bytes(0, lengthBytes)).isEqualTo(bytes);
  }

  @Test
  void aShortReadTouchesNothingBeyondIt() {
    byte[] before = UsbHost.bytes(6000, 3);
    GuestUrb in = GuestUrb.of(host.domain, PipeType.BULK, 0x81, 6000, 100).fill(before);
    UrbRequest request = submit(in);
    host.buffer.put(0, UsbHost.bytes(6000, 4));
    assertThat(request.copyToGuest(host.buffer, 4500)).isTrue();
    host.answer(request, UsbHost.OK, 4500);
    host.settle(guest);
    assertThat(in.actualBytes()).isEqualTo(4500);
    assertThat(in.bytes(0, 4500)).isEqualTo(Arrays.copyOf(UsbHost.bytes(6000, 4), 4500));
    assertThat(in.bytes(4500, 1500)).isEqualTo(Arrays.copyOfRange(before, 4500, 6000));
  }

  /** usbif has no status for it: the guest's USB core finds out. */
  @Test
  void aShortReadThatIsAnErrorIsSeenAsOneByTheGuest() {
    GuestUrb in = host.bulk(0x81, 512).shortNotOk();
    UrbRequest request = submit(in);
    assertThat(request.shortNotOk()).isTrue();
    host.answer(request, 121, 13);
    host.settle(guest);
    assertThat(in.status()).isEqualTo(-121);
    assertThat(in.actualBytes()).isEqualTo(13);
  }

  @Test
  void anInterruptSaysHowOften() {
    GuestUrb in = GuestUrb.of(host.domain, PipeType.INTERRUPT, 0x83, 8, 16).interval(10);
    UrbRequest request = submit(in);
    assertThat(request.type()).isEqualTo(PipeType.INTERRUPT);
    assertThat(request.interval()).isEqualTo(10);
    assertThat(request.setup()).isZero();
    assertThat(request.endpoint()).isEqualTo(0x83);
    host.answerIn(request, new byte[] {1, 2, 3});
    host.settle(guest);
    assertThat(in.bytes(0, 4)).containsExactly(1, 2, 3, 0);
  }

  @Test
  void isochronousPacketsHaveOutcomesOfTheirOwn() {
    int[] lengths = {192, 188, 0, 192};
    GuestUrb in = GuestUrb.isochronous(host.domain, 0x84, lengths, 4000, 4080).interval(1);
    UrbRequest request = submit(in);
    assertThat(request.type()).isEqualTo(PipeType.ISOCHRONOUS);
    assertThat(request.interval()).isEqualTo(1);
    assertThat(request.packets()).isEqualTo(4);
    assertThat(request.lengthBytes()).isEqualTo(572);
    assertThat(request.packetOffset(3)).isEqualTo(380);
    assertThat(request.packetBytes(1)).isEqualTo(188);
    // Read once: what the driver writes now counts no more.
    in.packetOffset(1, 60_000);
    host.buffer.put(0, UsbHost.bytes(572, 5));
    request.packetDone(0, 192, 0);
    request.packetDone(1, 100, UsbHost.EPROTO);
    request.packetDone(2, 0, 0);
    assertThat(request.copyToGuest(host.buffer, 292)).isTrue();
    request.respond(UsbHost.OK, 292, 77, 1);
    request.release();
    host.settle(guest);

    byte[] bytes = UsbHost.bytes(572, 5);
    assertThat(in.status()).isZero();
    assertThat(in.actualBytes()).isEqualTo(292);
    assertThat(in.errorCount()).isEqualTo(1);
    assertThat(in.packetActualBytes(0)).isEqualTo(192);
    assertThat(in.packetStatus(0)).isZero();
    assertThat(in.packetActualBytes(1)).isEqualTo(100);
    assertThat(in.packetStatus(1)).isEqualTo(-71);
    assertThat(in.packetStatus(3)).as("nothing was said of it: missed").isEqualTo(-18);
    assertThat(in.packetOffset(1)).as("what was checked").isEqualTo(192);
    assertThat(in.bytes(0, 192)).isEqualTo(Arrays.copyOf(bytes, 192));
    assertThat(in.bytes(192, 100)).isEqualTo(Arrays.copyOfRange(bytes, 192, 292));
    assertThat(in.bytes(292, 280)).as("nothing of our buffer").containsOnly(0);
  }

  @Test
  void isochronousOutIsTakenWhole() {
    int[] lengths = new int[128];
    Arrays.fill(lengths, 200);
    GuestUrb out = GuestUrb.isochronous(host.domain, 0x04, lengths, 0, 0);
    out.fill(UsbHost.bytes(25_600, 6));
    UrbRequest request = submit(out);
    assertThat(host.outBytes(request)).isEqualTo(UsbHost.bytes(25_600, 6));
    for (int packet = 0; packet < 128; packet++) {
      request.packetDone(packet, 200, 0);
    }
    host.answer(request, UsbHost.OK, 25_600);
    host.settle(guest);
    assertThat(out.packetStatus(127)).isZero();
    assertThat(out.packetActualBytes(127)).isEqualTo(200);
  }

  /** (Linux' number of the outcome, what the driver gets) */
  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "19, -19",
    "22, -22",
    "32, -32",
    "71, -71",
    "75, -75",
    "108, -108",
    "104, -108",
    "110, -108"
  })
  void outcomesHaveTheNumbersOfUsbif(int errno, int status) {
    GuestUrb urb = host.bulk(0x02, 64);
    host.answer(submit(urb), errno, errno == 0 ? 64 : 0);
    host.settle(guest);
    assertThat(urb.status()).isEqualTo(status);
  }

  @Test
  void aSetAddressAfterTheFirstTellsOfAReset() {
    UrbRequest first = submit(setAddress(5));
    assertThat(first.isSetAddress()).isTrue();
    assertThat(first.followsReset()).as("the device was new").isFalse();
    host.answer(first, UsbHost.OK, 0);
    assertThat(host.port.deviceAddress()).isEqualTo(5);

    UrbRequest second = submit(setAddress(6));
    assertThat(second.followsReset()).isTrue();
    host.answer(second, UsbHost.OK, 0);
    assertThat(host.port.deviceAddress()).isEqualTo(6);

    host.port.unplugged();
    UrbRequest afterReplug = submit(setAddress(7));
    assertThat(afterReplug.followsReset()).as("another device").isFalse();
    host.answer(afterReplug, UsbHost.OK, 0);
    host.settle(guest);
  }

  /** The address is known from whatever is sent to it, so that a restart forgets nothing. */
  @Test
  void anAddressInUseIsKnown() {
    host.answer(submit(host.bulk(0x02, 8).address(9)), UsbHost.OK, 8);
    UrbRequest request = submit(setAddress(10));
    assertThat(request.followsReset()).isTrue();
    host.answer(request, UsbHost.OK, 0);
    host.settle(guest);
  }

  /** Its bytes look like SET_ADDRESS in the place where a control transfer has its setup. */
  @Test
  void onlyAControlTransferSetsAnAddress() {
    UrbRequest request =
        submit(GuestUrb.of(host.domain, PipeType.INTERRUPT, 0x81, 8, 0).interval(0x0500));
    assertThat(request.isSetAddress()).isFalse();
    host.answer(request, UsbHost.OK, 0);
    host.settle(guest);
  }

  private GuestUrb setAddress(int address) {
    return GuestUrb.control(host.domain, GuestUrb.setup(0, SET_ADDRESS, address, 0, 0)).address(0);
  }

  @Test
  void moreBytesThanWereAskedForAreOurFault() {
    UrbRequest request = submit(host.bulk(0x81, 64));
    assertThatThrownBy(() -> request.respond(UsbHost.OK, 65, 0, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("expected 0 to 64 bytes, found 65");
    host.answer(request, UsbHost.OK, 64);
    assertThatThrownBy(() -> request.respond(UsbHost.OK, 0, 0, 0))
        .isInstanceOf(IllegalStateException.class);
    host.settle(guest);
  }

  // ---- unlinks

  @ParameterizedTest
  @EnumSource(
      value = PipeType.class,
      names = {"BULK", "INTERRUPT"})
  void anUnlinkedUrbIsAnsweredBeforeItsUnlink(PipeType type) {
    GuestUrb urb = GuestUrb.of(host.domain, type, 0x81, 512, 0);
    UrbRequest request = submit(urb);
    guest.unlink(urb);
    host.settle(guest);
    UrbRequest unlink = host.held.get(0);
    assertThat(unlink.isUnlink()).isTrue();
    assertThat(unlink.unlinked()).contains(request);
    assertThat(request.unlink()).contains(unlink);
    assertThatThrownBy(() -> unlink.respond(UsbHost.OK, 0, 0, 0))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("is answered before URB 0");

    host.buffer.put(0, new byte[] {7, 8});
    request.copyToGuest(host.buffer, 2);
    host.answer(request, UsbHost.ECONNRESET, 2);
    host.settle(guest);
    assertThat(urb.status()).isEqualTo(-104);
    assertThat(urb.actualBytes()).as("what had arrived").isEqualTo(2);
    assertThat(urb.timesGivenBack()).isEqualTo(1);
  }

  @Test
  void anUnlinkThatComesTooLateIsAnsweredAtOnce() {
    GuestUrb urb = host.bulk(0x81, 512);
    UrbRequest request = submit(urb);
    guest.unlink(urb);
    host.answerIn(request, new byte[512]);
    host.settle(guest);
    assertThat(urb.timesGivenBack()).isEqualTo(1);
    assertThat(urb.actualBytes()).isEqualTo(512);
  }

  /** Ids are used again: one that is answered late must not take another URB with it. */
  @Test
  void anUnlinkIsAboutTheUrbThatHadTheId() {
    GuestUrb first = host.bulk(0x81, 512);
    UrbRequest request = submit(first);
    long id = request.id();
    guest.unlink(first);
    host.answerIn(request, new byte[512]);
    List<UrbRequest> late = new ArrayList<>();
    host.port.poll(collector(late), 64);
    guest.poll();
    UrbRequest second = submit(host.bulk(0x82, 512));
    assertThat(second.id()).isEqualTo(id);
    assertThat(late.get(0).unlinked()).isEmpty();
    assertThat(second.unlink()).isEmpty();
    host.answer(late.get(0), UsbHost.OK, 0);
    host.answerIn(second, new byte[512]);
    host.settle(guest);
  }

  private static VirtualDevice.Handler<UrbRequest> collector(List<UrbRequest> requests) {
    return new VirtualDevice.Handler<>() {
      @Override
      public void onRequest(UrbRequest request) {
        requests.add(request);
      }

      @Override
      public void onConnected() {}

      @Override
      public void onDisconnected() {}
    };
  }

  @Test
  void aUrbOutOfLineIsAnsweredOutOfLine() {
    GuestUrb first = host.bulk(0x81, 512);
    GuestUrb second = host.bulk(0x82, 512);
    UrbRequest firstRequest = submit(first);
    host.answerIn(submit(second), new byte[512]);
    host.settle(guest);
    assertThat(first.status()).isEqualTo(GuestUrb.IN_PROGRESS);
    assertThat(second.status()).isZero();
    host.answerIn(firstRequest, new byte[512]);
    host.settle(guest);
    assertThat(first.status()).isZero();
  }
}

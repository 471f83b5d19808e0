package io.netchannel.vdevice.usb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.usb.frontend.GuestUrb;
import io.netchannel.vdevice.usb.frontend.XenHcdModel;
import io.netchannel.vdevice.usb.frontend.XenHcdModel.Driver;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A process that dies with URBs at the device, and the next one that goes on with them. */
final class UrbReattachTest {
  private final UsbHost host = new UsbHost();
  private final XenHcdModel guest = host.connected(Driver.STOCK);

  private static ByteBuffer encode(UrbRequest request) {
    ByteBuffer encoded = ByteBuffer.allocate(UrbRequest.MAX_ENCODED_BYTES);
    request.encode(encoded);
    return encoded.flip();
  }

  /** kill -9, and a new process that is given what the old one had written down. */
  private List<UrbRequest> restart() {
    List<ByteBuffer> encoded = host.held.stream().map(UrbReattachTest::encode).toList();
    int[] consumers = {host.port.requestConsumer(0)};
    host.held.clear();
    host.port.close(false);
    host.port = host.newPort();
    List<UrbRequest> again = host.port.reattach(encoded, consumers);
    assertThat(again.stream().map(UrbReattachTest::encode)).isEqualTo(encoded);
    return again;
  }

  @Test
  void aUrbGoesOnWhereItWas() {
    byte[] bytes = UsbHost.bytes(9000, 1);
    GuestUrb out =
        guest.submit(GuestUrb.of(host.domain, PipeType.BULK, 0x02, 9000, 77).fill(bytes));
    GuestUrb in = guest.submit(GuestUrb.of(host.domain, PipeType.INTERRUPT, 0x81, 8, 4092));
    host.settle(guest);
    List<String> before = host.held.stream().map(UrbRequest::toString).toList();
    List<UrbRequest> again = restart();
    assertThat(again).extracting(UrbRequest::toString).isEqualTo(before);
    assertThat(host.outBytes(again.get(0))).isEqualTo(bytes);
    host.answer(again.get(0), UsbHost.OK, 9000);
    host.answerIn(again.get(1), new byte[] {1, 2, 3, 4, 5, 6, 7, 8});
    host.settle(guest);
    assertThat(out.status()).isZero();
    assertThat(in.bytes(0, 8)).containsExactly(1, 2, 3, 4, 5, 6, 7, 8);
    assertThat(guest.failure()).isEmpty();
  }

  @Test
  void packetsAreKnownAfterwards() {
    int[] lengths = new int[128];
    Arrays.fill(lengths, 100);
    GuestUrb in = guest.submit(GuestUrb.isochronous(host.domain, 0x84, lengths, 1, 4090));
    host.settle(guest);
    assertThat(encode(host.held.get(0)).remaining()).isLessThan(UrbRequest.MAX_ENCODED_BYTES + 1);
    UrbRequest again = restart().get(0);
    assertThat(again.packets()).isEqualTo(128);
    assertThat(again.packetOffset(127)).isEqualTo(12_700);
    again.packetDone(127, 100, 0);
    host.buffer.put(0, UsbHost.bytes(12_800, 2));
    host.answer(again, again.copyToGuest(host.buffer, 100) ? UsbHost.OK : UsbHost.EPROTO, 100);
    host.settle(guest);
    assertThat(in.packetStatus(126)).isEqualTo(-18);
    assertThat(in.packetStatus(127)).isZero();
    assertThat(in.bytes(12_700, 100))
        .isEqualTo(Arrays.copyOfRange(UsbHost.bytes(12_800, 2), 12_700, 12_800));
  }

  @Test
  void anUnlinkFindsItsUrbAgain() {
    GuestUrb urb = guest.submit(host.bulk(0x81, 512));
    guest.unlink(urb);
    host.settle(guest);
    List<UrbRequest> again = restart();
    assertThat(again.get(1).unlinked()).contains(again.get(0));
    host.answer(again.get(0), UsbHost.ECONNRESET, 0);
    host.settle(guest);
    assertThat(urb.status()).isEqualTo(-104);
    assertThat(guest.freeIds()).isEqualTo(XenHcdModel.SLOTS);
  }

  @Test
  void aResetIsStillKnownAsOne() {
    guest.submit(host.bulk(0x81, 512).address(3));
    guest.submit(GuestUrb.control(host.domain, GuestUrb.setup(0, 5, 4, 0, 0)).address(0));
    host.settle(guest);
    assertThat(restart().get(1).followsReset()).isTrue();
  }

  @Test
  void theAddressOfWhatWasUnderWayIsKnown() {
    guest.submit(host.bulk(0x81, 512).address(3));
    host.settle(guest);
    host.answer(restart().get(0), UsbHost.EPROTO, 0);
    guest.submit(GuestUrb.control(host.domain, GuestUrb.setup(0, 5, 4, 0, 0)).address(0));
    host.settle(guest);
    assertThat(host.next().followsReset()).as("the guest resets the device").isTrue();
  }

  @Test
  void anAnswerThatTheGuestCanSeeIsNotGivenAgain() {
    GuestUrb urb = guest.submit(host.bulk(0x81, 512));
    host.settle(guest);
    UrbRequest request = host.held.get(0);
    request.respond(UsbHost.OK, 512, 0, 0);
    ByteBuffer answered = encode(request);
    host.port.publishResponses();
    int[] consumers = {host.port.requestConsumer(0)};
    host.port.close(false);
    host.port = host.newPort();
    assertThat(host.port.reattach(List.of(answered), consumers)).isEmpty();
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
    host.settle(guest);
    assertThat(urb.timesGivenBack()).isEqualTo(1);
  }

  @Test
  void anEncodingOfAnotherVersionIsRefused() {
    guest.submit(host.bulk(0x81, 512));
    host.settle(guest);
    ByteBuffer encoded = encode(host.held.get(0)).putShort(8, (short) 0x7777);
    host.port.close(false);
    host.port = host.newPort();
    assertThatThrownBy(() -> host.port.reattach(List.of(encoded), new int[1]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("expected format 1");
  }
}

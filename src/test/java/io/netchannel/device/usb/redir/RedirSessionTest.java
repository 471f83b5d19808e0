package io.netchannel.device.usb.redir;

import static io.netchannel.device.usb.redir.ScriptedPeer.id;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbSpeed;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The protocol, packet by packet. */
final class RedirSessionTest {
  private final ScriptedPeer peer = new ScriptedPeer();

  private void plug() throws RedirException {
    peer.greet();
    peer.connect();
  }

  private static byte[] bytes(String hex) {
    return HexFormat.of().parseHex(hex.replace(" ", ""));
  }

  @Test
  void aDeviceIsReadBeforeItIsPlugged() throws Exception {
    plug();
    PortState.Plugged plugged = peer.plugged.orElseThrow();
    assertThat(plugged.speed()).isEqualTo(UsbSpeed.HIGH);
    assertThat(plugged.descriptors().bytes())
        .isEqualTo(bytes(ScriptedPeer.DEVICE + ScriptedPeer.CONFIGURATION));
    assertThat(plugged.configuration()).isEqualTo(1);
    assertThat(plugged.alternates()).isEqualTo(ImmutableMap.of(0, 0));
    assertThat(plugged.serial()).isEqualTo(Optional.empty());
    assertThat(peer.told).containsExactly("plugged");
  }

  @Test
  void anOldPeerHasNarrowPackets() throws Exception {
    peer.greet("00000000");
    peer.send(PacketType.EP_INFO, 0, "00".repeat(96));
    peer.send(PacketType.DEVICE_CONNECT, 0, "01 ff 00 00 0912 0200");
    assertThat(peer.next()).isEqualTo("CONTROL_PACKET 1 80068000000100001200");
  }

  @Test
  void controlTransfersHaveTheirAnswers() throws Exception {
    plug();
    Transfer read = peer.submit(Transfer.control(0xc0, 7, 0x1234, 0x5678, 4, new byte[4]));
    String asked = peer.next();
    assertThat(asked).endsWith(" 8007c000" + "3412" + "7856" + "0400");
    Transfer write = peer.submit(Transfer.control(0x40, 8, 1, 2, 3, bytes("aabbcc")));
    String sent = peer.next();
    assertThat(sent).endsWith(" 00084000" + "0100" + "0200" + "0300" + "aabbcc");
    peer.send(PacketType.CONTROL_PACKET, id(sent), "00084000 0100 0200 0300");
    assertThat(write.status()).isEqualTo(UrbStatus.OK);
    assertThat(write.urb.actualBytes()).isEqualTo(3);
    assertThat(read.isDone()).isFalse();
    peer.send(PacketType.CONTROL_PACKET, id(asked), "8007c000 3412 7856 0200 0102");
    assertThat(read.data()).containsExactly(1, 2);
    Transfer refused = peer.submit(Transfer.control(0xc0, 7, 0, 0, 4, new byte[4]));
    peer.send(PacketType.CONTROL_PACKET, id(peer.next()), "8007c004 0000 0000 0000");
    assertThat(refused.status()).isEqualTo(UrbStatus.STALL);
  }

  @Test
  void bulkTransfersHaveTheirAnswers() throws Exception {
    plug();
    Transfer write = peer.submit(Transfer.bulk(0x01, bytes("0102030405")));
    Transfer large = peer.submit(Transfer.bulk(0x81, new byte[65_536]));
    Transfer whole = peer.submit(Transfer.wholeBulk(0x81, 512));
    String sent = peer.next();
    assertThat(sent).endsWith(" 01000500" + "00000000" + "0000" + "0102030405");
    String asked = peer.next();
    assertThat(asked).endsWith(" 81000000" + "00000000" + "0100");
    peer.send(PacketType.BULK_PACKET, id(asked), "81000000 00000000 0100" + "5a".repeat(65_536));
    assertThat(large.data()).hasSize(65_536).containsOnly(0x5a);
    peer.send(PacketType.BULK_PACKET, id(peer.next()), "81000100 00000000 0000 07");
    assertThat(whole.status()).isEqualTo(UrbStatus.SHORT);
    assertThat(whole.data()).containsExactly(7);
    peer.send(PacketType.BULK_PACKET, id(sent), "01000500 00000000 0000");
    assertThat(write.status()).isEqualTo(UrbStatus.OK);
    assertThat(write.urb.actualBytes()).isEqualTo(5);
  }

  /** What comes after the data of a stick that has less is the status of its command. */
  @Test
  void whatFollowsAShortPartOfATransferTakesNothing() throws Exception {
    plug();
    Transfer whole = peer.submit(Transfer.wholeBulk(0x81, 2));
    Transfer isShort = peer.submit(Transfer.wholeBulk(0x81, 512));
    Transfer rest = peer.submit(Transfer.wholeBulk(0x81, 512));
    Transfer other = peer.submit(Transfer.bulk(0x81, new byte[13]));
    String asked = peer.next();
    Transfer write = peer.submit(Transfer.bulk(0x01, bytes("01")));
    assertThat(peer.next()).as("another endpoint").endsWith(" 01000100" + "00000000" + "000001");
    assertThat(peer.next()).isEmpty();
    peer.send(PacketType.BULK_PACKET, id(asked), "81000200 00000000 0000 0102");
    assertThat(whole.status()).isEqualTo(UrbStatus.OK);
    peer.session.tick();
    asked = peer.next();
    assertThat(peer.next()).isEmpty();
    peer.send(PacketType.BULK_PACKET, id(asked), "81000100 00000000 0000 07");
    assertThat(isShort.data()).containsExactly(7);
    assertThat(rest.status()).isEqualTo(UrbStatus.SHORT);
    assertThat(rest.data()).isEmpty();
    peer.session.tick();
    peer.send(PacketType.BULK_PACKET, id(peer.next()), "81000100 00000000 0000 08");
    assertThat(other.data()).containsExactly(8);
    assertThat(write.isDone()).isFalse();
  }

  @ParameterizedTest
  @CsvSource({
    "01, CANCELLED",
    "02, INVALID",
    "03, PROTOCOL",
    "04, STALL",
    "05, PROTOCOL",
    "06, OVERFLOW",
    "63, PROTOCOL"
  })
  void statusesAreLinuxOnes(String number, UrbStatus status) throws Exception {
    plug();
    Transfer write = peer.submit(Transfer.bulk(0x01, bytes("01")));
    peer.send(PacketType.BULK_PACKET, id(peer.next()), "01" + number + "0000 00000000 0000");
    assertThat(write.status()).isEqualTo(status);
    assertThat(peer.plugged.orElseThrow().halted().contains(1))
        .isEqualTo(status == UrbStatus.STALL);
  }

  @Test
  void aHaltIsClearedByTheDevice() throws Exception {
    plug();
    peer.submit(Transfer.bulk(0x81, new byte[8]));
    peer.send(PacketType.BULK_PACKET, id(peer.next()), "81040000 00000000 0000");
    assertThat(peer.plugged.orElseThrow().halted()).containsExactly(0x81);
    Transfer clear = peer.submit(Transfer.control(2, 1, 0, 0x81, 0));
    peer.send(PacketType.CONTROL_PACKET, id(peer.next()), "00010200 0000 8100 0000");
    assertThat(clear.status()).isEqualTo(UrbStatus.OK);
    assertThat(peer.plugged.orElseThrow().halted()).isEmpty();
  }

  @Test
  void whatIsUnlinkedEndsWithThePeersAnswer() throws Exception {
    plug();
    Transfer read = peer.submit(Transfer.bulk(0x81, new byte[8]));
    long id = id(peer.next());
    peer.session.device().orElseThrow().unlink(read.urb);
    peer.session.device().orElseThrow().unlink(read.urb);
    assertThat(peer.next()).isEqualTo("CANCEL_DATA_PACKET " + id);
    assertThat(peer.next()).isEmpty();
    assertThat(read.isDone()).isFalse();
    peer.send(PacketType.BULK_PACKET, id, "81010200 00000000 0000 0102");
    assertThat(read.status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(read.data()).as("what had arrived").containsExactly(1, 2);
    peer.send(PacketType.BULK_PACKET, id, "81010200 00000000 0000 0102");
  }

  @Test
  void aPeerThatDoesNotAnswerACancelIsLeft() throws Exception {
    plug();
    Transfer read = peer.submit(Transfer.bulk(0x81, new byte[8]));
    peer.session.device().orElseThrow().unlink(read.urb);
    peer.time.advance(Duration.ofSeconds(9));
    peer.session.tick();
    peer.time.advance(Duration.ofSeconds(1));
    assertThatThrownBy(peer.session::tick)
        .isInstanceOf(RedirException.class)
        .hasMessage("expected an answer to a cancelled transfer within 10 s, found none");
    peer.session.end();
    assertThat(read.status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(peer.told).containsExactly("plugged", "unplugged");
  }

  @Test
  void interruptsComeByThemselvesOnceTheyAreAskedFor() throws Exception {
    plug();
    peer.send(PacketType.INTERRUPT_PACKET, 0, "82000800" + "00".repeat(8));
    Transfer first = peer.submit(Transfer.interrupt(0x82, new byte[8]));
    assertThat(first.isDone()).as("by what came before it was asked for").isFalse();
    Transfer second = peer.submit(Transfer.interrupt(0x82, new byte[8]));
    assertThat(peer.next()).isEqualTo("START_INTERRUPT_RECEIVING 0 82");
    assertThat(peer.next()).isEmpty();
    peer.send(PacketType.INTERRUPT_RECEIVING_STATUS, 0, "00 82");
    for (int i = 0; i < 4; i++) {
      peer.send(PacketType.INTERRUPT_PACKET, i, "82000800" + "00".repeat(7) + "0" + i);
    }
    assertThat(first.data()[7]).isEqualTo((byte) 0);
    assertThat(second.data()[7]).isEqualTo((byte) 1);
    assertThat(peer.submit(Transfer.interrupt(0x82, new byte[8])).data()[7]).isEqualTo((byte) 2);
    assertThat(peer.submit(Transfer.interrupt(0x82, new byte[4])).status())
        .isEqualTo(UrbStatus.OVERFLOW);
    Transfer last = peer.submit(Transfer.interrupt(0x82, new byte[8]));
    peer.session.device().orElseThrow().unlink(last.urb);
    assertThat(last.status()).isEqualTo(UrbStatus.CANCELLED);
    Transfer stalled = peer.submit(Transfer.interrupt(0x82, new byte[8]));
    peer.send(PacketType.INTERRUPT_RECEIVING_STATUS, 0, "04 82");
    assertThat(stalled.status()).isEqualTo(UrbStatus.STALL);
    peer.submit(Transfer.interrupt(0x82, new byte[8]));
    assertThat(peer.next()).isEqualTo("START_INTERRUPT_RECEIVING 0 82");
  }

  @Test
  void interruptsThatNobodyReadsAreBounded() throws Exception {
    plug();
    peer.submit(Transfer.interrupt(0x82, new byte[8]));
    for (int i = 0; i < 2000; i++) {
      peer.send(PacketType.INTERRUPT_PACKET, i, "82000200 %02x%02x".formatted(i & 0xff, i >> 8));
    }
    assertThat(peer.told.stream().filter("lost"::equals).count()).isEqualTo(2000 - 1 - 1024);
    for (int i = 1; i <= 1024; i++) {
      byte[] report = peer.submit(Transfer.interrupt(0x82, new byte[8])).data();
      assertThat(report).containsExactly(i & 0xff, i >> 8);
    }
  }

  @Test
  void interruptOutIsAnswered() throws Exception {
    plug();
    Transfer write = peer.submit(Transfer.interrupt(0x02, bytes("0a0b")));
    String sent = peer.next();
    assertThat(sent).startsWith("INTERRUPT_PACKET ").endsWith(" 020002000a0b");
    assertThat(write.isDone()).isFalse();
    peer.send(PacketType.INTERRUPT_PACKET, id(sent), "02000200");
    assertThat(write.urb.actualBytes()).isEqualTo(2);
    assertThat(write.status()).isEqualTo(UrbStatus.OK);
  }

  @Test
  void settingsGoByPacketsOfTheirOwn() throws Exception {
    plug();
    Transfer bulk = peer.submit(Transfer.bulk(0x81, new byte[8]));
    long old = id(peer.next());
    Transfer select = peer.submit(Transfer.control(1, 11, 1, 0, 0));
    assertThat(bulk.status()).as("the peer forgets it").isEqualTo(UrbStatus.CANCELLED);
    String sent = peer.next();
    assertThat(sent).startsWith("SET_ALT_SETTING ").endsWith(" 0001");
    peer.send(PacketType.ALT_SETTING_STATUS, id(sent), "00 00 01");
    assertThat(select.status()).isEqualTo(UrbStatus.OK);
    assertThat(peer.plugged.orElseThrow().alternates()).isEqualTo(ImmutableMap.of(0, 1));
    peer.send(PacketType.BULK_PACKET, old, "81000100 00000000 0000 07"); // late, and ignored

    Transfer asking = peer.submit(Transfer.control(0x81, 10, 0, 0, 1, new byte[1]));
    String asked = peer.next();
    assertThat(asked).startsWith("GET_ALT_SETTING ").endsWith(" 00");
    peer.send(PacketType.ALT_SETTING_STATUS, id(asked), "00 00 01");
    assertThat(asking.data()).containsExactly(1);

    Transfer configure = peer.submit(Transfer.control(0, 9, 1, 0, 0));
    String set = peer.next();
    assertThat(set).startsWith("SET_CONFIGURATION ").endsWith(" 01");
    peer.send(PacketType.CONFIGURATION_STATUS, id(set), "00 01");
    assertThat(configure.status()).isEqualTo(UrbStatus.OK);
    assertThat(peer.plugged.orElseThrow().alternates()).isEqualTo(ImmutableMap.of(0, 0));
    Transfer wrong = peer.submit(Transfer.control(0, 9, 9, 0, 0));
    peer.send(PacketType.CONFIGURATION_STATUS, id(peer.next()), "04 01");
    assertThat(wrong.status()).isEqualTo(UrbStatus.STALL);
  }

  private void select() throws RedirException {
    peer.submit(Transfer.control(1, 11, 1, 0, 0));
    peer.send(PacketType.ALT_SETTING_STATUS, id(peer.next()), "00 00 01");
  }

  @Test
  void isochronousInFillsPacketsInOrder() throws Exception {
    plug();
    select();
    Transfer first = peer.submit(Transfer.isochronous(0x83, 64, new byte[3 * 64]));
    // A packet each 125 us: 32 at once, and 60 ms of them.
    assertThat(peer.next()).isEqualTo("START_ISO_STREAM 0 83200f");
    peer.send(PacketType.ISO_STREAM_STATUS, 0, "00 83");
    peer.send(PacketType.ISO_PACKET, 0, "83000200 0102");
    peer.send(PacketType.ISO_PACKET, 1, "83030000");
    assertThat(first.isDone()).isFalse();
    peer.send(PacketType.ISO_PACKET, 2, "83000300 030405");
    peer.send(PacketType.ISO_PACKET, 3, "83000100 06");
    assertThat(first.status()).isEqualTo(UrbStatus.OK);
    assertThat(first.urb.packetActualBytes(0)).isEqualTo(2);
    assertThat(first.urb.packetStatus(1)).isEqualTo(UrbStatus.PROTOCOL);
    assertThat(first.urb.packetActualBytes(2)).isEqualTo(3);
    assertThat(first.urb.errorCount()).isEqualTo(1);
    assertThat(first.urb.actualBytes()).isEqualTo(5);
    Transfer second = peer.submit(Transfer.isochronous(0x83, 64, new byte[64]));
    assertThat(second.data()).containsExactly(6);
  }

  @Test
  void isochronousOutEndsWhenItsFramesHavePassed() throws Exception {
    plug();
    select();
    byte[] sound = new byte[8 * 64];
    Transfer first = peer.submit(Transfer.isochronous(0x03, 64, sound));
    Transfer second = peer.submit(Transfer.isochronous(0x03, 64, sound));
    assertThat(peer.next()).isEqualTo("START_ISO_STREAM 0 032010");
    for (int i = 0; i < 16; i++) {
      assertThat(peer.next()).isEqualTo("ISO_PACKET 0 03004000" + "00".repeat(64));
    }
    assertThat(peer.next()).isEmpty();
    peer.time.advance(Duration.ofNanos(999_999));
    peer.session.tick();
    assertThat(first.isDone()).isFalse();
    assertThat(peer.session.nextNanos()).hasValue(peer.time.nanoTime() + 1);
    peer.time.advance(Duration.ofNanos(1));
    peer.session.tick();
    assertThat(first.urb.actualBytes()).isEqualTo(8 * 64);
    assertThat(first.status()).isEqualTo(UrbStatus.OK);
    assertThat(second.isDone()).isFalse();
    peer.time.advance(Duration.ofMillis(1));
    peer.session.tick();
    assertThat(second.status()).isEqualTo(UrbStatus.OK);
  }

  @Test
  void aResetEndsAllAndIsSent() throws Exception {
    plug();
    select();
    Transfer in = peer.submit(Transfer.isochronous(0x83, 64, new byte[64]));
    Transfer out = peer.submit(Transfer.isochronous(0x03, 64, new byte[64]));
    Transfer control = peer.submit(Transfer.control(0xc0, 7, 0, 0, 4, new byte[4]));
    for (int i = 0; i < 4; i++) {
      assertThat(peer.next()).isNotEmpty();
    }
    peer.session.device().orElseThrow().reset();
    assertThat(in.status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(out.status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(control.status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(peer.next()).isEqualTo("RESET 0");
    assertThat(peer.plugged.orElseThrow().alternates()).isEqualTo(ImmutableMap.of(0, 0));
  }

  @Test
  void aDeviceThatGoesEndsAllAndAnotherMayCome() throws Exception {
    plug();
    Transfer bulk = peer.submit(Transfer.bulk(0x81, new byte[8]));
    Transfer interrupt = peer.submit(Transfer.interrupt(0x82, new byte[8]));
    peer.next();
    peer.next();
    peer.send(PacketType.DEVICE_DISCONNECT, 0, "");
    assertThat(bulk.status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(interrupt.status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(peer.told).containsExactly("plugged", "unplugged");
    assertThat(peer.next()).isEqualTo("DEVICE_DISCONNECT_ACK 0");
    peer.send(PacketType.INTERRUPT_PACKET, 0, "82000100 00"); // late
    peer.connect();
    assertThat(peer.told).containsExactly("plugged", "unplugged", "plugged");
  }

  /** Nothing of a device that goes while it is read is ever seen. */
  @Test
  void aDeviceMayGoWhileItIsRead() throws Exception {
    peer.greet();
    peer.send(PacketType.DEVICE_CONNECT, 0, "02 ff 00 00 0912 0200 0001");
    peer.send(PacketType.DEVICE_DISCONNECT, 0, "");
    assertThat(peer.told).isEmpty();
    peer.next();
    peer.next();
    peer.connect();
    assertThat(peer.told).containsExactly("plugged");
  }

  /** URBs wait where they are when the peer takes nothing. */
  @Test
  void whatIsWrittenIsBounded() throws Exception {
    plug();
    Transfer[] all = new Transfer[64];
    for (int i = 0; i < all.length; i++) {
      all[i] = peer.submit(Transfer.bulk(0x01, new byte[65_536]));
    }
    peer.session.device().orElseThrow().unlink(all[63].urb);
    assertThat(all[63].status()).as("never sent").isEqualTo(UrbStatus.CANCELLED);
    int sent = 0;
    for (String next = peer.next(); !next.isEmpty(); next = peer.next()) {
      sent++;
    }
    assertThat(sent).isBetween(32, 33);
    peer.session.tick();
    for (String next = peer.next(); !next.isEmpty(); next = peer.next()) {
      sent++;
    }
    assertThat(sent).isEqualTo(63);
  }

  @Test
  void whatFitsNoEndpointIsInvalid() throws Exception {
    plug();
    assertThat(peer.submit(Transfer.bulk(0x85, new byte[8])).status()).isEqualTo(UrbStatus.INVALID);
    assertThat(peer.submit(Transfer.interrupt(0x81, new byte[8])).status())
        .isEqualTo(UrbStatus.INVALID);
    assertThat(peer.submit(Transfer.isochronous(0x83, 64, new byte[64])).status())
        .as("of another setting")
        .isEqualTo(UrbStatus.INVALID);
    assertThat(peer.next()).isEmpty();
  }

  /** What a hostile peer sends once the device is there. */
  @ParameterizedTest
  @CsvSource({
    "HELLO, '', 'expected one hello'",
    "DEVICE_CONNECT, '02ff0000091202000001', 'found two devices'",
    "DEVICE_DISCONNECT, '00', 'expected a DEVICE_DISCONNECT packet of 0 bytes, found 1'",
    "EP_INFO, '00', 'expected a EP_INFO packet of 160 bytes, found 1'",
    "SET_CONFIGURATION, '01', 'found one that wants to use it: a SET_CONFIGURATION packet'",
    "CONTROL_PACKET, '00', 'expected a CONTROL_PACKET packet of 10 bytes or more, found 1'",
    "CONFIGURATION_STATUS, '000102', 'of 2 bytes, found 3'",
    "INTERRUPT_PACKET, '8200020001', 'with the 2 bytes of data that it names, found 1'",
    "BULK_PACKET, '8100090000000000 0000 010203040506070809', 'the 8 bytes that were asked for'",
    "BULK_PACKET, '8100ffff00000000ffff', 'with the 4294967295 bytes of data that it names'",
  })
  void whatTheProtocolHasNotIsTheEnd(PacketType type, String body, String words) throws Exception {
    plug();
    Transfer bulk = peer.submit(Transfer.bulk(0x81, new byte[8]));
    long id = id(peer.next());
    assertThatThrownBy(() -> peer.send(type, id, body))
        .isInstanceOf(RedirException.class)
        .hasMessageContaining(words);
    peer.session.end();
    assertThat(bulk.isDone()).isTrue();
  }

  @Test
  void noHelloIsTheEnd() throws Exception {
    assertThatThrownBy(() -> peer.send(PacketType.DEVICE_DISCONNECT, 0, ""))
        .hasMessageContaining("expected one hello, and that first");
    peer.time.advance(Duration.ofSeconds(30));
    assertThatThrownBy(peer.session::tick)
        .hasMessageContaining("expected a hello of the usbredir protocol within 30 s");
    ByteBuffer web =
        ByteBuffer.wrap("HTTP/1.1 400 Bad Request".getBytes(StandardCharsets.US_ASCII));
    assertThatThrownBy(() -> new ScriptedPeer().send(web.array()))
        .hasMessageContaining("expected a packet of at most");
    ByteBuffer unknown = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN).putInt(77);
    assertThatThrownBy(() -> new ScriptedPeer().send(unknown.array()))
        .hasMessageContaining("expected a packet of a known type, found 77");
  }

  @Test
  void aDeviceThatCannotBeReadIsTheEnd() throws Exception {
    peer.greet();
    peer.send(PacketType.DEVICE_CONNECT, 0, "02 ff 00 00 0912 0200 0001");
    String asked = peer.next();
    assertThatThrownBy(
            () -> peer.send(PacketType.CONTROL_PACKET, id(asked), "80068004 0001 0000 0000"))
        .hasMessageContaining("expected a device descriptor, found 0 bytes");
    assertThat(peer.told).isEmpty();
  }

  /** A device at super speed is one at high speed to a guest, which takes no other packet size. */
  @Test
  void superSpeedIsShownAsHigh() throws Exception {
    peer.greet();
    peer.send(PacketType.DEVICE_CONNECT, 0, "03 ff 00 00 0912 0200 0001");
    String asked = peer.next();
    String superSpeed = ScriptedPeer.DEVICE.replaceFirst("ff000040", "ff000009");
    peer.send(PacketType.CONTROL_PACKET, id(asked), "80068000 0001 0000 1200" + superSpeed);
    peer.send(
        PacketType.CONTROL_PACKET,
        id(peer.next()),
        "80068000 0002 0000 0900" + ScriptedPeer.CONFIGURATION.substring(0, 18));
    peer.send(
        PacketType.CONTROL_PACKET,
        id(peer.next()),
        "80068000 0002 0000 4500" + ScriptedPeer.CONFIGURATION);
    peer.send(PacketType.CONFIGURATION_STATUS, id(peer.next()), "00 01");
    PortState.Plugged plugged = peer.plugged.orElseThrow();
    assertThat(plugged.speed()).isEqualTo(UsbSpeed.HIGH);
    assertThat(plugged.descriptors().bytes()[7]).isEqualTo((byte) 64);
  }
}

package io.netchannel.midpoint.usb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.collect.ImmutableSortedSet;
import com.google.common.hash.Hashing;
import io.netchannel.device.usb.PortState.Plugged;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbSpeed;
import io.netchannel.midpoint.usb.UsbManifest.Kind;
import io.netchannel.midpoint.usb.UsbManifest.Settings;
import io.netchannel.midpoint.usb.UsbManifest.Unanswered;
import io.netchannel.vdevice.usb.PortMemory;
import io.netchannel.vdevice.usb.RingMark;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class UsbManifestCodecTest {
  private static final int MARK = 16;
  private static final int INCOMPLETE = 32;
  private static final int ENTRIES = 36;
  private static final int ALTERNATES = 40;
  private static final int LISTS = 44;
  private static final int TOLD = LISTS + 2 * 2 + 2;
  private static final int FIRST_ENTRY = TOLD + 4;

  private static UsbManifest sample() {
    return new UsbManifest(
        3,
        1,
        false,
        new PortMemory("ab0f", 5),
        Optional.of(new RingMark(0x12345L, -2, 7)),
        Optional.of(
            new Settings(
                UsbSpeed.HIGH,
                2,
                ImmutableSortedMap.of(1, 3, 4, 1),
                ImmutableSortedSet.of(0x02, 0x81))),
        ImmutableList.of(
            new Unanswered(4, 2, 15, Kind.BULK, 0x02, 65536, Optional.of(UrbStatus.CANCELLED), 512),
            new Unanswered(9, 3, 0, Kind.INTERRUPT, 0x81, 8, Optional.empty(), 0)));
  }

  @Test
  void whatIsEncodedIsDecoded() {
    assertThat(UsbManifest.decode(sample().encode())).isEqualTo(sample());
    assertThat(UsbManifest.decodeVerified(sample().encoded().bytes())).isEqualTo(sample());
    assertThat(sample().pending()).isEqualTo(2);
    assertThat(UsbManifest.decode(UsbManifest.nothing(8).encode()))
        .isEqualTo(UsbManifest.nothing(8));
    for (Kind kind : Kind.values()) {
      for (UrbStatus status : UrbStatus.values()) {
        UsbManifest one =
            new UsbManifest(
                1,
                0,
                true,
                PortMemory.OF_ANOTHER,
                Optional.empty(),
                Optional.empty(),
                ImmutableList.of(
                    new Unanswered(1, 1, 65535, kind, 0x8f, 64, Optional.of(status), 64)));
        assertThat(UsbManifest.decode(one.encode())).isEqualTo(one);
      }
    }
  }

  /** As hosts of the version before write and read it. */
  @Test
  void theBytesStayAsTheyAre() {
    String golden =
        """
        4e434d460002020600000000000000030000000000012345fffffffe00000007
        0000000102050302000202040103040102816162306600000000000000040000
        0000000000020001000000000200000f01020800000000000000000000090000
        0000000000030000000800000000000002810000000044b3f902
        """
            .replace("\n", "");
    assertThat(HexFormat.of().formatHex(sample().encode())).isEqualTo(golden);
    assertThat(UsbManifest.decode(HexFormat.of().parseHex(golden))).isEqualTo(sample());
  }

  /** A device may say what no device can have. */
  @Test
  void whatADeviceSaysOfItselfIsEncodable() {
    ImmutableMap.Builder<Integer, Integer> alternates = ImmutableMap.builder();
    for (int number = 255; number >= 0; number--) {
      alternates.put(number, number % 2);
    }
    Settings settings =
        Settings.of(
            new Plugged(
                UsbSpeed.LOW,
                ScriptedUsbDevice.descriptors(3),
                Optional.empty(),
                255,
                alternates.buildOrThrow(),
                ImmutableSet.of(0x83, 0xff, 0x01)));
    assertThat(settings.alternates()).hasSize(128);
    assertThat(settings.halted()).containsExactly(0x01, 0x83);
    UsbManifest manifest =
        new UsbManifest(
            1,
            0,
            true,
            PortMemory.NOTHING,
            Optional.empty(),
            Optional.of(settings),
            ImmutableList.of());
    assertThat(UsbManifest.decode(manifest.encode())).isEqualTo(manifest);
  }

  @Test
  void everyTruncationIsRefused() {
    byte[] good = sample().encode();
    for (int length = 0; length < good.length; length++) {
      byte[] cut = Arrays.copyOf(good, length);
      assertThatIllegalArgumentException()
          .as("cut to %s", length)
          .isThrownBy(() -> UsbManifest.decode(cut))
          .withMessageStartingWith("manifest: ");
      if (length >= 4) {
        seal(cut);
        assertThatIllegalArgumentException()
            .as("cut to %s, with a checksum", length)
            .isThrownBy(() -> UsbManifest.decode(cut))
            .withMessageStartingWith("manifest: ");
      }
    }
  }

  @Test
  void everyDamagedByteIsRefused() {
    byte[] good = sample().encode();
    for (int i = 0; i < good.length; i++) {
      byte[] bad = good.clone();
      bad[i] ^= 0x40;
      assertThatIllegalArgumentException()
          .as("byte %s", i)
          .isThrownBy(() -> UsbManifest.decode(bad))
          .withMessageStartingWith("manifest: ");
    }
  }

  /**
   * With a right checksum: what a peer with another idea of the format, or a hostile one, sends.
   */
  @Test
  void hostileFieldsAreRefused() {
    refused("expected one of a device of kind 2, found kind 0", 6, 0);
    refused("there are no flags 8", 7, 8);
    refused("without a mark", 7, 4);
    refused("settings of no device", 7, 2);
    refused("with a mark, found", MARK, 0x80);
    refused("with a mark, found", MARK, 1);
    refused("incomplete of", INCOMPLETE, 0x80);
    refused("3 incomplete of 2", INCOMPLETE + 3, 3);
    refused("incomplete of 33 unanswered", ENTRIES, 33);
    refused("bytes, found", ENTRIES, 3);
    refused("bytes, found", ENTRIES, 1);
    refused("address 128", ENTRIES + 1, 128);
    refused("no speed 4", ENTRIES + 2, 4);
    refused("no speed 0", ENTRIES + 2, 0);
    refused("bytes, found", ALTERNATES, 255);
    refused("32 halted endpoints", ALTERNATES + 2, 32);
    refused("129 bytes that were told", ALTERNATES + 3, 129);
    refused("of interface 1 after interface 4", LISTS, 4, 3, 1);
    refused("alternate setting 0", LISTS + 1, 0);
    refused("endpoint 2 is halted after 2", LISTS + 5, 2);
    refused("endpoint 145 is halted", LISTS + 5, 0x91);
    refused("has the byte 10", TOLD, '\n');
    refused("expected rising ones", FIRST_ENTRY + 32 + 7, 4);
    refused("moved 512 of 131072 bytes", FIRST_ENTRY + 16, 0, 2, 0, 0);
    refused("moved 512 of 256 bytes", FIRST_ENTRY + 16, 0, 0, 1, 0);
    refused("moved 1 of 8 bytes", FIRST_ENTRY + 32 + 23, 1);
    refused("no kind 6", FIRST_ENTRY + 26, 6);
    refused("no endpoint 18", FIRST_ENTRY + 27, 0x12);
    refused("no outcome 10", FIRST_ENTRY + 28, 10);
    refused("ends with", FIRST_ENTRY + 31, 1);
  }

  @Test
  void everyValueOfAFieldIsDecodedOrRefusedInWords() {
    Random random = new Random(20);
    byte[] good = sample().encode();
    int decoded = 0;
    for (int i = 0; i < 20_000; i++) {
      byte[] bad = good.clone();
      for (int change = 0; change <= random.nextInt(3); change++) {
        bad[random.nextInt(bad.length - 4)] = (byte) random.nextInt();
      }
      seal(bad);
      try {
        UsbManifest found = UsbManifest.decode(bad);
        assertThat(UsbManifest.decode(found.encode())).isEqualTo(found);
        decoded++;
      } catch (IllegalArgumentException expected) {
        assertThat(expected).hasMessageStartingWith("manifest: ");
      }
    }
    assertThat(decoded).isPositive();
  }

  private static void refused(String words, int offset, int... values) {
    byte[] bad = sample().encode();
    for (int i = 0; i < values.length; i++) {
      bad[offset + i] = (byte) values[i];
    }
    seal(bad);
    assertThatIllegalArgumentException()
        .as(words)
        .isThrownBy(() -> UsbManifest.decode(bad))
        .withMessageStartingWith("manifest: ")
        .withMessageContaining(words);
  }

  private static void seal(byte[] bytes) {
    int crc = Hashing.crc32c().hashBytes(bytes, 0, bytes.length - 4).asInt();
    ByteBuffer.wrap(bytes).putInt(bytes.length - 4, crc);
  }
}

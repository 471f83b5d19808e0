package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.google.common.collect.ImmutableList;
import com.google.common.hash.Hashing;
import io.netchannel.device.RequestName;
import io.netchannel.device.StorageState;
import io.netchannel.midpoint.block.BlockManifest.Entry;
import io.netchannel.midpoint.block.BlockManifest.State;
import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;

final class BlockManifestCodecTest {
  private static final ByteBuffer NONE = ByteBuffer.allocate(0);
  private static final int FIRST_ENTRY = 48;

  private static BlockManifest sample() {
    return new BlockManifest(
        3,
        1 << 20,
        1,
        List.of(
            entry(4, BlockOperation.READ, State.ANSWERED, ByteBuffer.allocate(1024)),
            entry(7, BlockOperation.WRITE, State.UNISSUED, ByteBuffer.allocate(1024)),
            entry(8, BlockOperation.WRITE_BARRIER, State.DONE, ByteBuffer.allocate(32)),
            entry(9, BlockOperation.DISCARD, State.FAILED, NONE),
            entry(12, BlockOperation.FLUSH, State.UNISSUED, NONE)));
  }

  /** Of a disk that stays where it is. */
  private static BlockManifest left() {
    return new BlockManifest(
        3,
        1 << 20,
        2,
        ImmutableList.of(
            issued(4, BlockOperation.WRITE, 32, Optional.of(new RequestName(65535, 1L << 40))),
            issued(6, BlockOperation.WRITE, 32, Optional.of(new RequestName(7, 3))),
            issued(7, BlockOperation.WRITE, 0, Optional.empty()),
            issued(8, BlockOperation.READ, 0, Optional.empty())),
        Optional.of(new StorageState(new UUID(-5, 8), true)));
  }

  private static Entry issued(
      long sequence, BlockOperation operation, int digestBytes, Optional<RequestName> name) {
    return new Entry(
        sequence,
        2,
        operation,
        512 * sequence,
        1024,
        State.ISSUED,
        ByteBuffer.allocate(digestBytes),
        name);
  }

  private static Entry entry(
      long sequence, BlockOperation operation, State state, ByteBuffer payload) {
    return new Entry(sequence, 2, operation, 512 * sequence, 1024, state, payload);
  }

  @Test
  void whatIsEncodedIsDecoded() {
    assertThat(BlockManifest.decode(sample().encode())).isEqualTo(sample());
    BlockManifest empty = new BlockManifest(1, 0, 0, List.of());
    assertThat(BlockManifest.decode(empty.encode())).isEqualTo(empty);
    assertThat(sample().pending()).isEqualTo(5);
    assertThat(BlockManifest.decode(left().encode())).isEqualTo(left());
    assertThat(left().inheritance().orElseThrow().writes())
        .containsExactly(new RequestName(65535, 1L << 40), new RequestName(7, 3));
  }

  /** As hosts of the version before write and read it. */
  @Test
  void theBytesStayAsTheyAre() {
    byte[] digest = HexFormat.of().parseHex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    BlockManifest manifest =
        new BlockManifest(
            3,
            1L << 40,
            2,
            ImmutableList.of(
                new Entry(
                    4,
                    2,
                    BlockOperation.WRITE,
                    1L << 33,
                    512,
                    State.ISSUED,
                    ByteBuffer.wrap(digest),
                    Optional.of(new RequestName(65535, 1L << 40))),
                new Entry(7, 3, BlockOperation.READ, 512, 1024, State.UNISSUED, NONE),
                new Entry(
                    8,
                    3,
                    BlockOperation.WRITE_BARRIER,
                    0,
                    512,
                    State.DONE,
                    ByteBuffer.wrap(digest)),
                new Entry(9, 3, BlockOperation.FLUSH, 0, 0, State.ANSWERED, NONE),
                new Entry(10, 3, BlockOperation.DISCARD, 0, 4096, State.FAILED, NONE)),
            Optional.of(new StorageState(new UUID(-5, 8), true)));
    String golden =
        """
        4e434d4600020003000000000000000300000100000000000000000200000005
        fffffffffffffffb000000000000000800000000000000040000000000000002
        0000000200000000000000000000020000000100000000000104ffff00000010
        a0a1a2a3a4a5a6a7a8a9aaabacadaeaf00000000000000070000000000000003
        0000000000000200000000000000040000000000000000000000000000000000
        0000000000000008000000000000000300000000000000000000000000000200
        00000000000000000201000000000010a0a1a2a3a4a5a6a7a8a9aaabacadaeaf
        0000000000000009000000000000000300000000000000000000000000000000
        00000000000000000303000000000000000000000000000a0000000000000003
        0000000000000000000000000000100000000000000000000402000000000000
        142452a1
        """
            .replace("\n", "");
    assertThat(HexFormat.of().formatHex(manifest.encode())).isEqualTo(golden);
    assertThat(BlockManifest.decode(HexFormat.of().parseHex(golden))).isEqualTo(manifest);
  }

  @Test
  void everyTruncationIsRefused() {
    byte[] good = sample().encode();
    for (int length = 0; length < good.length; length++) {
      byte[] cut = Arrays.copyOf(good, length);
      assertThatIllegalArgumentException()
          .as("cut to %s", length)
          .isThrownBy(() -> BlockManifest.decode(cut))
          .withMessageStartingWith("manifest: ");
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
          .isThrownBy(() -> BlockManifest.decode(bad))
          .withMessageStartingWith("manifest: ");
    }
  }

  /**
   * With a right checksum: what a peer with another idea of the format, or a hostile one, sends.
   */
  @Test
  void hostileFieldsAreRefused() {
    refused("sectors of a disk", FIRST_ENTRY + 16, 1L << 40);
    refused("sectors of a disk", FIRST_ENTRY + 16, -512L);
    refused("sectors of a disk", FIRST_ENTRY + 16, 513L);
    refused("sectors of a disk", FIRST_ENTRY + 24, Long.MAX_VALUE - 511);
    refused("bytes of payload", FIRST_ENTRY + 24, 512L);
    refused("expected rising ones", FIRST_ENTRY, 7L);
    refused("disk of -1", 16, -1L);
    refusedInt("entries do not fit", 28, Integer.MAX_VALUE);
    refusedInt("entries do not fit", 28, -1);
    refusedInt("bytes after the last entry", 28, 4);
    refusedInt("incomplete", 24, 6);
    refusedInt("bytes of payload", FIRST_ENTRY + 44, Integer.MAX_VALUE);
    refusedInt("no operation 9", FIRST_ENTRY + 40, 9 << 24);
    refusedInt("no state 9", FIRST_ENTRY + 40, 9 << 16);
    refusedInt("cannot have the name", FIRST_ENTRY + 40, 3 << 16 | 1);
    refused("cannot have the name", FIRST_ENTRY + 32, 1L);
    refusedInt("there are no flags 2", 4, 2 << 16 | 2);
    refusedInt("there are no flags 4", 4, 2 << 16 | 4);
    refusedInt("expected version 2, found 1", 4, 1 << 16);
    refusedInt("expected one of a device of kind 0, found kind 1", 4, 2 << 16 | 1 << 8);
  }

  @Test
  void nothingIsLeftToADeviceWithoutAuthority() {
    byte[] bad = left().encode();
    ByteBuffer.wrap(bad).putShort(6, (short) 0);
    assertRefused("device that has no authority", bad);
  }

  @Test
  void noSlotHasTwoRequests() {
    byte[] bad = left().encode();
    ByteBuffer.wrap(bad).putShort(FIRST_ENTRY + 48 + 32 + 42, (short) 65535);
    assertRefused("slot 65535 for the second time", bad);
  }

  @Test
  void everyValueOfAFieldIsDecodedOrRefusedInWords() {
    everyValue(sample().encode());
    everyValue(left().encode());
  }

  private static void everyValue(byte[] good) {
    Seeds.forEach(
        20_000,
        random -> {
          byte[] bad = good.clone();
          for (int i = 0; i < 1 + random.nextInt(3); i++) {
            bad[random.nextInt(bad.length - 4)] = (byte) random.nextInt();
          }
          seal(bad);
          try {
            assertThat(BlockManifest.decode(bad).pending()).isLessThanOrEqualTo(5);
          } catch (IllegalArgumentException expected) {
            assertThat(expected).hasMessageStartingWith("manifest: ");
          }
        });
  }

  private static void refused(String words, int offset, long value) {
    byte[] bad = sample().encode();
    ByteBuffer.wrap(bad).putLong(offset, value);
    assertRefused(words, bad);
  }

  private static void refusedInt(String words, int offset, int value) {
    byte[] bad = sample().encode();
    ByteBuffer.wrap(bad).putInt(offset, value);
    assertRefused(words, bad);
  }

  private static void assertRefused(String words, byte[] bad) {
    seal(bad);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> BlockManifest.decode(bad))
        .withMessageStartingWith("manifest: ")
        .withMessageContaining(words);
  }

  private static void seal(byte[] bytes) {
    int crc = Hashing.crc32c().hashBytes(bytes, 0, bytes.length - 4).asInt();
    ByteBuffer.wrap(bytes).putInt(bytes.length - 4, crc);
  }
}

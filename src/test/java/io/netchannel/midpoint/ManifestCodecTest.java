package io.netchannel.midpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.google.common.hash.Hashing;
import io.netchannel.midpoint.Manifest.Entry;
import io.netchannel.midpoint.Manifest.State;
import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ManifestCodecTest {
  private static final ByteBuffer NONE = ByteBuffer.allocate(0);
  private static final int FIRST_ENTRY = 32;

  private static Manifest sample() {
    return new Manifest(
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

  private static Entry entry(
      long sequence, BlockOperation operation, State state, ByteBuffer payload) {
    return new Entry(sequence, 2, operation, 512 * sequence, 1024, state, payload);
  }

  @Test
  void whatIsEncodedIsDecoded() {
    assertThat(Manifest.decode(sample().encode())).isEqualTo(sample());
    Manifest empty = new Manifest(1, 0, 0, List.of());
    assertThat(Manifest.decode(empty.encode())).isEqualTo(empty);
    assertThat(sample().pending()).isEqualTo(5);
  }

  @Test
  void everyTruncationIsRefused() {
    byte[] good = sample().encode();
    for (int length = 0; length < good.length; length++) {
      byte[] cut = Arrays.copyOf(good, length);
      assertThatIllegalArgumentException()
          .as("cut to %s", length)
          .isThrownBy(() -> Manifest.decode(cut))
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
          .isThrownBy(() -> Manifest.decode(bad))
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
    refusedInt("bytes of payload", FIRST_ENTRY + 36, Integer.MAX_VALUE);
    refusedInt("no operation 9", FIRST_ENTRY + 32, 9 << 24);
    refusedInt("no state 9", FIRST_ENTRY + 32, 9 << 16);
    refusedInt("reserved", FIRST_ENTRY + 32, 3 << 16 | 1);
    refusedInt("expected version 1, found 2", 4, 2 << 16);
  }

  @Test
  void everyValueOfAFieldIsDecodedOrRefusedInWords() {
    byte[] good = sample().encode();
    Seeds.forEach(
        20_000,
        random -> {
          byte[] bad = good.clone();
          for (int i = 0; i < 1 + random.nextInt(3); i++) {
            bad[random.nextInt(bad.length - 4)] = (byte) random.nextInt();
          }
          seal(bad);
          try {
            assertThat(Manifest.decode(bad).pending()).isLessThanOrEqualTo(5);
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
        .isThrownBy(() -> Manifest.decode(bad))
        .withMessageStartingWith("manifest: ")
        .withMessageContaining(words);
  }

  private static void seal(byte[] bytes) {
    int crc = Hashing.crc32c().hashBytes(bytes, 0, bytes.length - 4).asInt();
    ByteBuffer.wrap(bytes).putInt(bytes.length - 4, crc);
  }
}

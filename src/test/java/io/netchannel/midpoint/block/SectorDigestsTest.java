package io.netchannel.midpoint.block;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.hash.Hashing;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

final class SectorDigestsTest {
  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;
  private static final int SECTORS = 9;

  /** Digests travel: hosts with different versions of this program must agree on them. */
  @Test
  void areThoseOfAnotherImplementation() {
    Seeds.forEach(
        200,
        random -> {
          byte[] data = new byte[SECTORS * SECTOR_BYTES];
          random.nextBytes(data);
          Arrays.fill(data, 0, random.nextInt(2 * SECTOR_BYTES), (byte) random.nextInt(256));
          int before = random.nextInt(40);
          ByteBuffer direct = ByteBuffer.allocateDirect(before + data.length + 7);
          direct.put(before, data).position(before).limit(before + data.length);
          ByteBuffer digests = SectorDigests.of(direct);
          assertThat(direct.position()).isEqualTo(before);
          assertThat(direct.limit()).isEqualTo(before + data.length);
          assertThat(digests).isEqualTo(SectorDigests.of(ByteBuffer.wrap(data)));
          assertThat(digests.remaining()).isEqualTo(SectorDigests.lengthBytes(data.length));
          for (int sector = 0; sector < SECTORS; sector++) {
            byte[] digest = new byte[SectorDigests.DIGEST_BYTES];
            digests.get(sector * digest.length, digest);
            assertThat(digest)
                .isEqualTo(
                    Hashing.murmur3_128()
                        .hashBytes(data, sector * SECTOR_BYTES, SECTOR_BYTES)
                        .asBytes());
          }
        });
  }
}

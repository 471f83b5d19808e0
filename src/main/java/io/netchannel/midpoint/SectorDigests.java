package io.netchannel.midpoint;

import com.google.common.hash.HashFunction;
import com.google.common.hash.Hashing;
import java.nio.ByteBuffer;

/**
 * A digest per sector of data that was written: enough to tell whether a resubmitted write has the
 * same bytes, in a thirty-second of the space.
 *
 * <p>Not cryptographic: a guest that makes its own sectors collide loses its own write.
 */
final class SectorDigests {
  static final int DIGEST_BYTES = 16;

  private static final HashFunction MURMUR = Hashing.murmur3_128();

  private SectorDigests() {}

  /** Digests of whole sectors from position to limit, which stay as they are. */
  static ByteBuffer of(ByteBuffer data) {
    int sectors = data.remaining() / MidPointLimits.SECTOR_BYTES;
    byte[] digests = new byte[sectors * DIGEST_BYTES];
    for (int i = 0; i < sectors; i++) {
      MURMUR
          .hashBytes(
              data.slice(
                  data.position() + i * MidPointLimits.SECTOR_BYTES, MidPointLimits.SECTOR_BYTES))
          .writeBytesTo(digests, i * DIGEST_BYTES, DIGEST_BYTES);
    }
    return ByteBuffer.wrap(digests);
  }

  /** Bytes of the digests for so many bytes of data. */
  static long lengthBytes(long dataBytes) {
    return dataBytes / MidPointLimits.SECTOR_BYTES * DIGEST_BYTES;
  }
}

package io.netchannel.midpoint.block;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A digest per sector of data that was written: enough to tell whether a resubmitted write has the
 * same bytes, in a thirty-second of the space.
 *
 * <p>Not cryptographic: a guest that makes its own sectors collide loses its own write.
 *
 * <p>The digest is MurmurHash3_x64_128 with seed 0. It is written out here for sectors only: a seal
 * digests all that is pending while the guest stands still, and a library that takes data of any
 * length and kind needs twice as long.
 */
final class SectorDigests {
  static final int DIGEST_BYTES = 16;

  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;

  private SectorDigests() {}

  /** Digests of whole sectors from position to limit, which stay as they are. */
  static ByteBuffer of(ByteBuffer data) {
    ByteBuffer source = data.slice().order(ByteOrder.LITTLE_ENDIAN);
    int sectors = source.capacity() / SECTOR_BYTES;
    ByteBuffer digests = ByteBuffer.allocate(sectors * DIGEST_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int sector = 0; sector < sectors; sector++) {
      digest(source, sector * SECTOR_BYTES, digests);
    }
    return digests.flip().order(ByteOrder.BIG_ENDIAN);
  }

  private static void digest(ByteBuffer source, int start, ByteBuffer digests) {
    long low = 0;
    long high = 0;
    for (int at = start; at < start + SECTOR_BYTES; at += 2 * Long.BYTES) {
      low ^= scatterLow(source.getLong(at));
      low = (Long.rotateLeft(low, 27) + high) * 5 + 0x52dce729;
      high ^= scatterHigh(source.getLong(at + Long.BYTES));
      high = (Long.rotateLeft(high, 31) + low) * 5 + 0x38495ab5;
    }
    low ^= SECTOR_BYTES;
    high ^= SECTOR_BYTES;
    low += high;
    high += low;
    low = avalanche(low);
    high = avalanche(high);
    low += high;
    high += low;
    digests.putLong(low).putLong(high);
  }

  private static long scatterLow(long word) {
    return Long.rotateLeft(word * 0x87c37b91114253d5L, 31) * 0x4cf5ad432745937fL;
  }

  private static long scatterHigh(long word) {
    return Long.rotateLeft(word * 0x4cf5ad432745937fL, 33) * 0x87c37b91114253d5L;
  }

  /** Every bit of the result depends on every bit of {@code word}. */
  private static long avalanche(long word) {
    long mixed = (word ^ word >>> 33) * 0xff51afd7ed558ccdL;
    mixed = (mixed ^ mixed >>> 33) * 0xc4ceb9fe1a85ec53L;
    return mixed ^ mixed >>> 33;
  }

  /** Bytes of the digests for so many bytes of data. */
  static long lengthBytes(long dataBytes) {
    return dataBytes / SECTOR_BYTES * DIGEST_BYTES;
  }
}

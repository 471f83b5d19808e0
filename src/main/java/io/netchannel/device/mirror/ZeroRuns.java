package io.netchannel.device.mirror;

import java.nio.ByteBuffer;

/** Finds the blocks of zeros in data: they are not written where a device can do without. */
final class ZeroRuns {
  /** What file systems and thin volumes give storage by, at the least. */
  static final int BLOCK_BYTES = 4096;

  private static final ByteBuffer ZEROS = ByteBuffer.allocateDirect(BLOCK_BYTES);

  private ZeroRuns() {}

  /** Whether the block that begins at {@code from}, and ends with the data at the latest, is 0. */
  static boolean isZero(ByteBuffer data, int from, int end) {
    int length = Math.min(BLOCK_BYTES, end - from);
    if (length >= Long.BYTES && data.getLong(from) != 0) {
      return false; // what most data is, and found out without an object
    }
    return data.slice(from, length).mismatch(ZEROS.slice(0, length)) < 0;
  }

  /** Makes all of the data zeros. */
  static void fill(ByteBuffer data) {
    for (int at = data.position(); at < data.limit(); at += BLOCK_BYTES) {
      int length = Math.min(BLOCK_BYTES, data.limit() - at);
      data.put(at, ZEROS, 0, length);
    }
  }
}

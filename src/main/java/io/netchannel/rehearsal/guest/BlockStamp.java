package io.netchannel.rehearsal.guest;

import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * The content of a block: its own number, the sequence number of the write that made it, and bytes
 * that follow from both. So a block tells which write it is from, wherever it turns up; a block
 * that was never written is all zero.
 */
final class BlockStamp {
  /** The guest's page, and the unit of all its requests. */
  static final int BLOCK_BYTES = 4096;

  /** The write sequence of a block that was never written. */
  static final long NEVER = 0;

  private static final int SEQUENCE = Long.BYTES;
  private static final int FILLING = 2 * Long.BYTES;

  /** 2^64 divided by the golden ratio: the increment of SplitMix64. */
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private BlockStamp() {}

  /** Fills one block at {@code position}. */
  static void write(ByteBuffer data, int position, long block, long sequence) {
    data.putLong(position, block);
    data.putLong(position + SEQUENCE, sequence);
    long state = seed(block, sequence);
    for (int at = FILLING; at < BLOCK_BYTES; at += Long.BYTES) {
      state += GOLDEN;
      data.putLong(position + at, mix(state));
    }
  }

  /** What is wrong with the block at {@code position}, in words; empty when it is as expected. */
  static Optional<String> check(ByteBuffer data, int position, long block, long expected) {
    long foundBlock = data.getLong(position);
    long found = data.getLong(position + SEQUENCE);
    boolean sound =
        expected == NEVER ? isZero(data, position) : isWhole(data, position, foundBlock, found);
    if (sound && found == expected && (expected == NEVER || foundBlock == block)) {
      return Optional.empty();
    }
    String what;
    if (isZero(data, position)) {
      what = "zeros: a write was lost";
    } else if (!isWhole(data, position, foundBlock, found)) {
      what = "bytes that no single write has put there: a torn or foreign write";
    } else if (foundBlock != block) {
      what = "write %d of block %d: it went astray".formatted(found, foundBlock);
    } else if (found < expected) {
      what = "the older write %d: a write was lost, or a late one has passed it".formatted(found);
    } else {
      what = "the newer write %d, which the guest has not seen done".formatted(found);
    }
    return Optional.of("block %d: expected write %d, found %s".formatted(block, expected, what));
  }

  private static boolean isWhole(ByteBuffer data, int position, long block, long sequence) {
    long state = seed(block, sequence);
    for (int at = FILLING; at < BLOCK_BYTES; at += Long.BYTES) {
      state += GOLDEN;
      if (data.getLong(position + at) != mix(state)) {
        return false;
      }
    }
    return true;
  }

  private static boolean isZero(ByteBuffer data, int position) {
    for (int at = 0; at < BLOCK_BYTES; at += Long.BYTES) {
      if (data.getLong(position + at) != 0) {
        return false;
      }
    }
    return true;
  }

  private static long seed(long block, long sequence) {
    return mix(block * GOLDEN + sequence);
  }

  /** The output function of SplitMix64 (Steele, Lea, Flood 2014). */
  private static long mix(long value) {
    long z = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
